"""The flagged set and false-discovery rates against brute force in exact fractions."""

from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from chaffinch.diagnosis.selection import LEAST_SUSPICION, q_values, select

# Multiples of 1/64 add up without rounding, and there are ties among them.
PROBABILITIES = st.lists(st.integers(0, 64), min_size=1, max_size=12)


def expected_f1(flagged, everyone):
    """2 E[hits] / (flagged + E[errors]), the objective of Lipton et al."""
    return 2 * sum(flagged) / (len(flagged) + sum(everyone))


@settings(max_examples=300)
@given(PROBABILITIES)
def test_the_flagged_prefix_has_the_best_expected_f1(parts):
    exact = [Fraction(part, 64) for part in parts]
    flagged = select(np.asarray(parts) / 64)
    ranked = sorted(exact, reverse=True)
    sizes = range(1, len(ranked) + 1)
    best = max(sizes, key=lambda size: expected_f1(ranked[:size], ranked))
    wanted = [p for p in ranked[:best] if p >= LEAST_SUSPICION]
    chosen = sorted((p for p, flag in zip(exact, flagged, strict=True) if flag), reverse=True)
    assert chosen == wanted


@given(PROBABILITIES)
def test_no_sample_is_flagged_before_a_more_suspicious_one(parts):
    probabilities = np.asarray(parts) / 64
    flagged = select(probabilities)
    if flagged.any() and not flagged.all():
        assert probabilities[flagged].min() >= probabilities[~flagged].max()
    assert (probabilities[flagged] >= LEAST_SUSPICION).all()


def test_the_floor_itself_is_flagged():
    assert select(np.asarray([LEAST_SUSPICION, 0.0])).tolist() == [True, False]


def test_nothing_is_flagged_where_nothing_is_suspicious():
    assert not select(np.full(10, 0.1)).any()
    assert not select(np.zeros(3)).any()


@given(PROBABILITIES)
def test_q_values_are_the_mean_innocence_from_there_upwards(parts):
    exact = [Fraction(part, 64) for part in parts]
    for own, value in zip(exact, q_values(np.asarray(parts) / 64), strict=True):
        upwards = [1 - other for other in exact if other >= own]
        assert abs(value - float(sum(upwards) / len(upwards))) < 1e-12
