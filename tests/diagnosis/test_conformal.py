"""Conformal p-values and false alarms against counting, and on planted samples."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaffinch.diagnosis.conformal import (
    LEAST_GROUP,
    false_alarm_rates,
    p_values,
    share_of_right,
)

SCORES = st.lists(st.integers(0, 8), min_size=1, max_size=15)


@given(SCORES, SCORES)
def test_a_p_value_counts_known_right_samples_at_least_as_high(scores, known):
    values = p_values(np.asarray(scores), np.asarray(known))
    for score, value in zip(scores, values, strict=True):
        above = sum(other >= score for other in known)
        assert value == pytest.approx((above + 1) / (len(known) + 1), abs=1e-15)


@pytest.mark.parametrize("seed", range(5))
def test_p_values_of_right_samples_are_hardly_ever_small(seed):
    random = np.random.default_rng(seed)
    p = p_values(random.normal(size=4000), random.normal(size=2000))
    for level in (0.01, 0.1, 0.5):
        assert (p <= level).mean() == pytest.approx(level, abs=0.03)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.4])
def test_the_share_of_right_samples(share):
    random = np.random.default_rng(0)
    wrong = random.uniform(size=5000) < share
    p = p_values(random.normal(size=5000) + 6 * wrong, random.normal(size=5000))
    assert share_of_right(p) == pytest.approx(1 - share, abs=0.03)
    assert share_of_right(np.zeros(0)) == 1


@given(SCORES, SCORES)
def test_false_alarm_rates_by_counting(scores, known):
    rates = false_alarm_rates(np.asarray(scores), np.asarray(known))
    right = share_of_right(p_values(np.asarray(scores), np.asarray(known))) * len(scores)
    for score, rate in zip(scores, rates, strict=True):
        share = sum(other >= score for other in known) / len(known)
        flagged = sum(other >= score for other in scores)
        assert rate == pytest.approx(min(1, right * share / flagged), abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_the_estimated_rate_is_the_actual_one(seed):
    random = np.random.default_rng(seed)
    wrong = np.arange(50_000) < 5000
    scores = random.normal(size=50_000) + 2 * wrong
    rates = false_alarm_rates(scores, random.normal(size=50_000))
    for least in (0.5, 1.0, 2.0):
        flagged = scores >= least
        actual = (flagged & ~wrong).sum() / flagged.sum()
        assert rates[flagged][np.argmin(scores[flagged])] == pytest.approx(actual, abs=0.04)


def grouped(sizes):
    random = np.random.default_rng(0)
    groups = np.repeat([0, 1], 1000)
    known = np.repeat([0, 1], sizes)
    # Right samples of group 1 all look worse than those of group 0.
    return (
        random.normal(size=2000) + 3 * groups,
        random.normal(size=sum(sizes)) + 3 * known,
        groups,
        known,
    )


def test_groups_compare_within_themselves():
    scores, null, groups, known = grouped((500, 500))
    wrong = np.flatnonzero(groups == 0)[:200]
    scores[wrong] += 3
    together = false_alarm_rates(scores, null)
    apart = false_alarm_rates(scores, null, groups, known)
    # Expected false alarms among all at least as high, each group against its own.
    at = scores >= 3
    share = [(null[known == g] >= 3).mean() for g in (0, 1)]
    rights = [
        share_of_right(p_values(scores[groups == g], null[known == g])) * 1000 for g in (0, 1)
    ]
    wanted = np.dot(share, rights) / at.sum()
    lowest = np.flatnonzero(at)[np.argmin(scores[at])]
    assert apart[lowest] == pytest.approx(min(1, wanted), abs=0.02)
    assert not np.allclose(together, apart)


def test_groups_with_few_known_samples_are_thrown_together():
    scores, null, groups, known = grouped((LEAST_GROUP - 1, LEAST_GROUP - 1))
    np.testing.assert_array_equal(
        false_alarm_rates(scores, null, groups, known), false_alarm_rates(scores, null)
    )
    scores, null, groups, known = grouped((LEAST_GROUP, 3))
    rates = false_alarm_rates(scores, null, groups, known)
    assert rates.max() > 0.5  # group 1 is compared with all known samples, not with three
