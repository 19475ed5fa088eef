import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.people.case import Case
from benchmarks.people.measure import Verdict, measure
from benchmarks.people.method import METHODS
from benchmarks.people.peers import floor


def case_of(errors, known=None):
    errors = np.asarray(errors, dtype=bool)
    codes = np.zeros(len(errors), dtype=np.int64)
    return Case(codes, errors, errors.astype(np.int64), known=known)


def slow_f1(errors, flagged):
    hits = sum(e and f for e, f in zip(errors, flagged, strict=True))
    precision, recall = hits / max(1, sum(flagged)), hits / sum(errors)
    return 2 * precision * recall / (precision + recall) if hits else 0.0


ROWS = st.lists(st.tuples(st.booleans(), st.integers(0, 5), st.booleans()), min_size=2, max_size=20)


@given(rows=ROWS)
def test_figures_are_those_of_a_slow_twin(rows):
    errors, scores, flagged = (np.array(column) for column in zip(*rows, strict=True))
    figures = measure(case_of(errors), Verdict(flagged, scores.astype(float), 1 - scores / 5))
    if not errors.any():
        assert math.isnan(figures["f1"])
        assert math.isnan(figures["best_f1"])
        return
    best = max(slow_f1(errors, scores >= cut) for cut in set(scores))
    found = 1 - scores / 5 <= 0.1
    assert figures["f1"] == pytest.approx(slow_f1(errors, flagged))
    assert figures["best_f1"] == pytest.approx(best)
    assert figures["gap"] == pytest.approx(best - slow_f1(errors, flagged))
    assert figures["fdr"] == pytest.approx((found & ~errors).sum() / max(1, found.sum()))
    assert figures["discovered"] == pytest.approx((found & errors).sum() / errors.sum())


def test_only_reviewed_samples_count_and_no_rate_is_scored_there():
    known = np.array([True, True, False, False])
    flagged = np.array([True, False, True, True])
    figures = measure(case_of([1, 0, 0, 0], known), Verdict(flagged, rate=0.5))
    assert figures["f1"] == 1
    assert figures["flagged"] == 0.5
    assert "rate_error" not in figures


@pytest.mark.parametrize(("interval", "covered"), [((0.2, 0.6), 1), ((0.6, 0.7), 0)])
def test_an_interval_holds_the_rate_or_not(interval, covered):
    figures = measure(
        case_of([1, 0, 0, 0]), Verdict(np.zeros(4, bool), rate=0.4, interval=interval)
    )
    assert figures["covered"] == covered
    assert figures["width"] == pytest.approx(interval[1] - interval[0])
    assert figures["rate_error"] == pytest.approx(0.15)


def test_the_floor_looks_at_the_surest_tenth_of_each_predicted_class_alone():
    sure = np.linspace(0.6, 0.99, 400)
    p = np.stack([1 - sure, sure], axis=1)
    codes = np.ones(400, dtype=np.int64)
    codes[:300] = 0  # contradicted by the least sure predictions only
    assert floor(p, codes) == 0
    codes[-20:] = 0  # half of the surest tenth
    assert 0.3 < floor(p, codes) < 0.5


def test_without_probabilities_peers_get_votes_of_other_samples():
    random = np.random.default_rng(0)
    codes = np.repeat([0, 1], 30)
    embeddings = random.normal(size=(60, 3)) + np.eye(3)[codes] * 9
    codes[0] = 1
    case = Case(codes, np.arange(60) == 0, None, embeddings=embeddings)
    found = METHODS["arg-max"].run(case, 0)
    assert np.flatnonzero(found.flagged).tolist() == [0]
    assert found.scores[0] == 1  # its own label has no vote
