"""The flagged set and false-discovery rates against brute force."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaffinch.core.errors import InputError
from chaffinch.diagnosis.conformal import false_alarm_rates
from chaffinch.diagnosis.selection import (
    CAUTION,
    DEVIATIONS,
    LEAST_SUSPICION,
    Threshold,
    q_values,
    select,
)

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


def share_of(members):
    """Upper estimate of the share of false alarms in a set, from its probabilities."""
    alarms = sum(1 - p for p in members)
    variance = sum(p * (1 - p) for p in members)
    return min((CAUTION * alarms + DEVIATIONS * math.sqrt(variance)) / len(members), 1)


@given(PROBABILITIES)
def test_a_q_value_is_the_least_share_of_any_set_with_the_sample(parts):
    exact = [part / 64 for part in parts]
    for own, value in zip(exact, q_values(np.asarray(exact)), strict=True):
        sets = [[p for p in exact if p >= least] for least in exact if least <= own]
        assert value == pytest.approx(min(map(share_of, sets)), abs=1e-12)


@given(PROBABILITIES)
def test_q_values_never_fall_down_the_ranking_and_ties_share_one(parts):
    probabilities = np.asarray(parts) / 64
    q = q_values(probabilities)
    assert (np.diff(q[np.argsort(-probabilities, kind="stable")]) >= 0).all()
    for value in set(parts):
        assert len(set(q[np.asarray(parts) == value].tolist())) == 1
    assert ((q >= 0) & (q <= 1)).all()


@given(PROBABILITIES, st.floats(0.01, 0.9))
def test_the_set_of_a_false_discovery_rate_is_the_largest_that_meets_it(parts, fdr):
    probabilities = np.asarray(parts) / 64
    flagged = Threshold("fdr", fdr).flag(probabilities, q_values(probabilities))
    meeting = [p for p in probabilities if share_of(probabilities[probabilities >= p]) <= fdr]
    assert flagged.sum() == (0 if not meeting else (probabilities >= min(meeting)).sum())


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("sharpness", [2.0, 4.0])
def test_the_asked_share_holds_where_probabilities_are_right(seed, sharpness):
    random = np.random.default_rng(seed)
    probabilities = 1 / (1 + np.exp(3 - sharpness * random.normal(size=4000) * 2))
    wrong = random.uniform(size=4000) < probabilities
    flagged = Threshold("fdr", 0.1).flag(probabilities, q_values(probabilities))
    assert flagged.sum() >= 20
    assert (flagged & ~wrong).sum() / flagged.sum() <= 0.1


def test_known_right_samples_that_look_wrong_raise_the_q_values():
    random = np.random.default_rng(0)
    wrong = np.arange(2000) < 200
    probabilities = np.where(wrong | (random.uniform(size=2000) < 0.1), 0.99, 0.01)
    trusting = q_values(probabilities)
    null = np.where(random.uniform(size=500) < 0.1, 0.99, 0.01)
    warned = q_values(probabilities, null)
    assert trusting[wrong].max() < 0.1
    assert warned[wrong].min() > 0.35  # nearly half of those that look wrong are right
    assert (warned >= trusting).all()
    np.testing.assert_array_equal(q_values(probabilities, np.zeros(0)), trusting)


@given(PROBABILITIES, PROBABILITIES)
def test_the_larger_of_both_estimates_counts(parts, known):
    probabilities, null = np.asarray(parts) / 64, np.asarray(known) / 64
    rates = false_alarm_rates(probabilities, null)
    values = q_values(probabilities, null)
    for own, value in zip(probabilities, values, strict=True):
        below = [
            max(share_of(probabilities[probabilities >= p]), rates[probabilities == p][0])
            for p in probabilities[probabilities <= own]
        ]
        assert value == pytest.approx(min(below), abs=1e-12)


def test_the_rule_decides_what_is_flagged():
    probabilities = np.asarray([0.99, 0.98, 0.6, 0.55, 0.01])
    q = q_values(probabilities)
    assert Threshold().flag(probabilities, q).tolist() == [True, True, True, True, False]
    assert Threshold("fdr", 0.1).flag(probabilities, q).sum() < 4


@pytest.mark.parametrize(
    ("rule", "fdr", "words"),
    [("best", 0.1, "'f1' or 'fdr'"), ("fdr", 0.0, "above 0 and below 1"), ("fdr", 1.0, "below 1")],
)
def test_rules_that_are_none(rule, fdr, words):
    with pytest.raises(InputError, match=words):
        Threshold(rule, fdr)
