"""What answers teach about their neighbours, against a twin in float64 that knows no shortcut."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit, logit

from chaffinch.core import relearning
from chaffinch.core.answers import Answers
from chaffinch.core.basis import Basis
from chaffinch.core.relearning import NEAR, REACH, SPOT, taught


def make_basis(given, others, shares):
    features = np.zeros((len(others), 1), np.float32)
    codes, others = (np.asarray(one, np.int32) for one in (given, others))
    return Basis(("prior",), features, codes, others, np.asarray(shares, np.float32))


def make_answers(rows, wrong, codes):
    rows, wrong = np.asarray(rows), np.asarray(wrong, float)
    return Answers(rows, wrong, np.asarray(codes), np.full(len(rows), np.nan), 0, None)


def twin(chance, basis, answers, given, embeddings):
    """Statement by statement, with a general optimiser on the latent values themselves."""
    x = embeddings.astype(np.float64)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    distances = np.sqrt(np.maximum(((x[:, None] - x[None]) ** 2).sum(-1), 0))
    usual = np.median(np.sort(distances, axis=1)[:, min(10, len(x) - 1)])
    reach = REACH * max(usual, 1e-3)
    share = lambda row, code: sum(  # noqa: E731
        s for o, s in zip(basis.others[row], basis.shares[row], strict=True) if o == code
    )
    odds = lambda p: logit(np.clip(p, 1e-4, 1 - 1e-4))  # noqa: E731
    said = []  # row, class, on the given label, log-odds before, told
    for row, wrong, code in zip(answers.rows, answers.wrong, answers.codes, strict=True):
        suggested = basis.others[row, 0]
        said.append((row, given[row], True, odds(chance[row]), wrong))
        if code >= 0:
            before = -odds(chance[row] * share(row, code)) if code != given[row] else None
            same = code == given[row]
            said.append((row, code, same, odds(chance[row]) if same else before, 0.0))
        refuted = suggested != code if code >= 0 else wrong == 0
        if refuted and suggested not in (given[row], -1):
            said.append((row, suggested, False, -odds(chance[row] * share(row, suggested)), 1.0))

    def k(one, two):
        r = np.exp(-(((x[one[0]] - x[two[0]]) ** 2).sum()) / (2 * reach**2))
        return (NEAR * (one[1] == two[1]) + SPOT * (one[2] and two[2])) * r

    cov = np.array([[k(a, b) for b in said] for a in said])
    before, told = (np.array([one[i] for one in said]) for i in (3, 4))

    def cost(w):
        g = cov @ w
        return -(told * (before + g) - np.logaddexp(0, before + g)).sum() + w @ g / 2

    w = minimize(cost, np.zeros(len(said)), method="BFGS", options={"gtol": 1e-10}).x
    shift = np.array(
        [
            sum(k((row, given[row], True), b) * v for b, v in zip(said, w, strict=True))
            for row in range(len(x))
        ]
    )
    left = np.setdiff1d(np.arange(len(x)), answers.rows)
    made = chance.copy()
    raw, total, low, high = odds(chance[left]) + shift[left], chance[left].sum(), -60.0, 60.0
    for _ in range(200):  # bisection
        middle = (low + high) / 2
        low, high = (middle, high) if expit(raw + middle).sum() < total else (low, middle)
    made[left] = expit(raw + low)
    made[answers.rows] = answers.wrong
    return made


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.integers(12, 30), st.integers(2, 5), st.integers(1, 6))
def test_it_agrees_with_the_twin(seed, count, classes, asked):
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, count)
    others = np.array([random.permutation(np.delete(np.arange(classes), c)) for c in labels])
    shares = random.dirichlet(np.ones(classes - 1), count)
    chance, places = random.uniform(0.01, 0.99, count), random.normal(size=(count, 4))
    rows = np.sort(random.choice(count, asked, replace=False))
    codes = np.where(random.random(asked) < 0.7, random.integers(0, classes, asked), -1)
    wrong = np.where(codes >= 0, codes != labels[rows], random.integers(0, 2, asked))
    basis, answers = make_basis(labels, others, shares), make_answers(rows, wrong, codes)
    found = taught(chance, basis, answers, places)
    assert np.allclose(found, twin(chance, basis, answers, labels, places), atol=2e-4)
    left = np.setdiff1d(np.arange(count), rows)
    assert found[left].sum() == pytest.approx(chance[left].sum(), abs=1e-6)
    assert (found[rows] == wrong).all()


def pocket():
    """Three places of 20 samples each, all labelled 0 and equally suspicious."""
    random = np.random.default_rng(0)
    centres = np.repeat(np.eye(3), 20, axis=0)
    places = centres + random.normal(size=(60, 3)) * 0.02
    return np.full(60, 0.3), make_basis(np.zeros(60), np.ones((60, 1)), np.ones((60, 1))), places


def test_errors_and_right_labels_spread_to_their_places_only():
    chance, basis, places = pocket()
    answers = make_answers([0, 1, 20, 21], [1, 1, 0, 0], [1, 1, 0, 0])
    found = taught(chance, basis, answers, places)
    assert found[2:20].mean() > found[40:].mean() + 0.05 > found[22:40].mean() + 0.1
    assert np.ptp(found[40:]) < 0.02


def test_a_named_class_clears_samples_beside_it_that_have_it():
    chance, basis, places = pocket()
    basis.given[2:5], basis.others[2:5] = 1, 0
    answers = make_answers([0], [1], [1])
    found = taught(chance, basis, answers, places)
    assert found[2:5].mean() < found[40:].mean() - 0.02 < found[5:20].mean() - 0.04


def test_many_answers_are_thinned(monkeypatch):
    chance, basis, places = pocket()
    answers = make_answers(np.arange(40), np.ones(40), np.ones(40, dtype=np.int64))
    monkeypatch.setattr(relearning, "MOST_STATEMENTS", 10)
    sizes = []
    mode = relearning._mode
    monkeypatch.setattr(relearning, "_mode", lambda c, *a: sizes.append(len(c)) or mode(c, *a))
    assert np.isfinite(taught(chance, basis, answers, places)).all()
    assert sizes == [10]


def test_all_answered_leaves_nothing_to_shift():
    chance, basis, places = pocket()
    answers = make_answers(np.arange(60), np.zeros(60), np.zeros(60, dtype=np.int64))
    assert (taught(chance, basis, answers, places) == 0).all()
