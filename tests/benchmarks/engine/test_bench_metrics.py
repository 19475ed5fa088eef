"""Metrics against scikit-learn and against counting by hand."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from benchmarks.method import Scored
from benchmarks.metrics import detection_metrics, f1, measure_detection
from chaffinch.core.errors import InputError

SAMPLES = st.lists(st.tuples(st.booleans(), st.integers(0, 4)), min_size=1, max_size=30)
FEW = st.lists(st.tuples(st.booleans(), st.integers(0, 2)), min_size=1, max_size=6)


def split(samples):
    errors, scores = zip(*samples, strict=True)
    return np.array(errors), np.array(scores, dtype=float)


@given(SAMPLES)
def test_areas_are_those_of_scikit_learn(samples):
    errors, scores = split(samples)
    assume(errors.any() and not errors.all())
    figures = detection_metrics(errors, Scored(scores))
    assert figures["auroc"] == pytest.approx(roc_auc_score(errors, scores))
    assert figures["average_precision"] == pytest.approx(average_precision_score(errors, scores))


@given(FEW, st.integers(1, 6))
def test_ties_are_the_mean_over_all_orders(samples, reviews):
    errors, scores = split(samples)
    assume(errors.any())
    reviews = min(reviews, len(errors))
    wanted, known = [], []
    for order in itertools.permutations(range(len(errors))):
        if all(scores[a] >= scores[b] for a, b in itertools.pairwise(order)):
            ranked = errors[list(order)]
            wanted.append(ranked[:reviews].mean())
            known.append(f1(ranked, np.arange(len(errors)) < errors.sum()))
    figures = detection_metrics(errors, Scored(scores), reviewed=reviews / len(errors))
    assert figures["precision_at_k"] == pytest.approx(np.mean(wanted))
    assert figures["f1_known_rate"] == pytest.approx(np.mean(known))


@given(SAMPLES, st.data())
def test_f1_is_that_of_scikit_learn(samples, data):
    errors, scores = split(samples)
    assume(errors.any())
    flags = st.lists(st.booleans(), min_size=len(errors), max_size=len(errors))
    flagged = np.array(data.draw(flags))
    figures = detection_metrics(errors, Scored(scores, flagged))
    assert figures["f1_own"] == pytest.approx(f1_score(errors, flagged, zero_division=0))
    best = max(f1_score(errors, scores >= threshold) for threshold in scores)
    assert figures["f1_best"] == pytest.approx(best)


def test_without_errors_nothing_is_defined():
    flagged = np.zeros(4, dtype=bool)
    figures = detection_metrics(flagged, Scored(np.arange(4.0), flagged))
    assert len(figures) == 6
    assert all(math.isnan(value) for value in figures.values())


def test_with_errors_only_auroc_is_not_defined():
    figures = detection_metrics(np.ones(4, dtype=bool), Scored(np.arange(4.0)))
    assert math.isnan(figures.pop("auroc"))
    assert set(figures.values()) == {1.0}
    assert "f1_own" not in figures


@pytest.mark.parametrize(
    ("scored", "message"),
    [
        (Scored(np.zeros(3)), r"shape \(4,\); got scores of shape \(3,\)"),
        (Scored(np.zeros(4), np.zeros(5, dtype=bool)), "Give each sample one score"),
        (Scored(np.array([0, 1, np.nan, np.inf])), "finite scores; got 2 that are not"),
    ],
    ids=["scores", "flags", "finite"],
)
def test_bad_scores_are_refused(scored, message):
    with pytest.raises(InputError, match=message):
        detection_metrics(np.array([True, False, True, False]), scored)


def test_a_kind_is_told_from_clean_samples_only():
    kinds = np.array(["clean", "rare", "far", "clean", "far"])
    scores = np.array([1.0, 2.0, 0.0, 0.5, 3.0])
    flagged = np.array([False, True, False, True, True])
    found = {
        (one.group, one.metric): one.value
        for one in measure_detection("any", kinds, Scored(scores, flagged))
    }
    assert found["", "auroc"] == pytest.approx(4 / 6)
    assert found["rare", "auroc"] == 1
    assert found["far", "auroc"] == pytest.approx(1 / 2)
    assert found["far", "f1_own"] == pytest.approx(1 / 2)
    assert {group for group, _ in found} == {"", "rare", "far"}


def test_one_kind_has_no_groups():
    kinds = np.array(["clean", "far", "clean"])
    groups = {one.group for one in measure_detection("any", kinds, Scored(np.arange(3.0)))}
    assert groups == {""}
