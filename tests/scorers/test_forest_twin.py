"""The forest's votes against scikit-learn's trees asked one by one, and what must not count."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestClassifier

from chaffinch.core.randomness import stream
from chaffinch.scorers import SCORERS
from chaffinch.scorers.neighbours import forest
from chaffinch.scorers.neighbours.forest import as_sources, unseen_votes
from chaffinch.scorers.probability import smoothed_votes


@pytest.fixture(autouse=True)
def few_trees(monkeypatch):
    monkeypatch.setattr(forest, "TREES", 40)
    monkeypatch.setattr(forest, "VOTERS", 40 / np.e)


def heaps(count=60, classes=3, seed=0):
    random = np.random.default_rng(seed)
    codes = np.arange(count) % classes
    rows = random.normal(size=(count, 4)) + 6 * np.eye(classes, 4)[codes]
    return rows.astype(np.float32), codes


def one_by_one(rows, codes, classes, taught, seed):
    """Votes of the trees of scikit-learn's own forest that did not draw the sample, in float64."""
    known = sorted(np.flatnonzero(taught), key=lambda n: np.append(codes[n], rows[n]).tobytes())
    drawn = int(stream(seed, "forest").integers(2**31))
    grown = RandomForestClassifier(40, random_state=drawn).fit(rows[known], codes[known])
    shares = np.zeros((len(codes), classes))
    for tree, drew in zip(grown.estimators_, grown.estimators_samples_, strict=True):
        seen = {known[n] for n in drew}
        for row in set(range(len(codes))) - seen:
            leaf = tree.predict_proba(rows[row : row + 1])[0]
            for place, share in zip(grown.classes_, leaf, strict=True):
                shares[row, place] += float(share)
    total = shares.sum(axis=1, keepdims=True)
    return np.where(total > 0, shares / np.maximum(total, 1e-12), 1 / classes)


@given(st.integers(4, 14), st.integers(2, 4), st.integers(0, 99))
@settings(max_examples=10, deadline=None)
def test_votes_are_the_means_of_the_trees_without_the_sample(count, classes, seed):
    random = np.random.default_rng(seed)
    rows, codes = random.normal(size=(count, 3)), random.integers(0, classes, count)
    taught = np.arange(count) % 4 > 0
    found = unseen_votes(rows, codes, classes, taught, seed)
    # The columns are compared as float64 bytes, as the forest does, and grown in float32.
    wanted = one_by_one(rows.astype(np.float32).astype(np.float64), codes, classes, taught, seed)
    np.testing.assert_allclose(found, wanted, atol=1e-9)


def test_a_sample_does_not_speak_for_itself():
    rows, codes = heaps()
    codes[7] = (codes[7] + 1) % 3
    found = unseen_votes(rows, codes, 3, np.ones(60, bool))
    assert found[7, codes[7]] < 0.2
    assert found[7].argmax() == 7 % 3


def test_samples_that_must_not_teach_do_not():
    rows, codes = heaps()
    taught = np.arange(60) % 5 > 0
    other = np.where(taught, codes, (codes + 1) % 3)
    first, second = (unseen_votes(rows, one, 3, taught) for one in (codes, other))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first.argmax(axis=1), codes)


def test_the_order_of_the_samples_decides_nothing():
    rows, codes = heaps()
    order = np.random.default_rng(1).permutation(60)
    first = unseen_votes(rows, codes, 3, np.ones(60, bool), 5)
    second = unseen_votes(rows[order], codes[order], 3, np.ones(60, bool), 5)
    np.testing.assert_array_equal(first[order], second)


@pytest.mark.parametrize("count", [0, 1])
def test_votes_are_even_where_nothing_can_be_learned(count):
    rows, codes = heaps(6)
    taught = np.arange(6) < count
    np.testing.assert_array_equal(unseen_votes(rows, codes, 3, taught), np.full((6, 3), 1 / 3))


def test_two_samples_that_teach_are_enough():
    rows, codes = heaps(6)
    found = unseen_votes(rows, codes, 3, np.arange(6) < 2)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert (found[2:, 2] == 0).all()  # a class that was not taught


def test_trees_of_large_sets_draw_a_part(monkeypatch):
    rows, codes = heaps()
    whole = unseen_votes(rows, codes, 3, np.ones(60, bool))
    monkeypatch.setattr(forest, "MOST_SAMPLES", 10)
    part = unseen_votes(rows, codes, 3, np.ones(60, bool))
    np.testing.assert_allclose(part.sum(axis=1), 1)
    assert forest.num_trees(10) == 40
    # A sample is left out by so many trees: as many as where each draws all.
    assert forest.num_trees(60) * (1 - 1 / 60) ** 10 == pytest.approx(40 / np.e, abs=1)
    assert (part != whole).any()
    assert (part.argmax(axis=1) == codes).mean() > 0.9


def test_the_score_is_the_share_of_other_labels(synthetic):
    made = synthetic()
    evidence = made.evidence
    scores = SCORERS["forest_disagreement"](evidence, 3)
    shares = forest.forest_votes(evidence, 3)
    for row, code in enumerate(evidence.labels.codes):
        assert scores[row] == pytest.approx(1 - shares[row, code])
    assert scores[made.errors].mean() > scores[~made.errors].mean() + 0.5


def test_both_sources_rank_the_classes_alike():
    shares = np.random.default_rng(0).dirichlet(np.ones(4), 9)
    logs, plain = as_sources(shares)
    np.testing.assert_array_equal(plain, shares)
    np.testing.assert_array_equal(logs.argsort(axis=1), shares.argsort(axis=1))


def test_smoothed_votes_spread_half_a_vote():
    smoothed = np.exp(smoothed_votes(np.asarray([[1.0, 0.0], [0.5, 0.5]]), 10))
    np.testing.assert_allclose(smoothed, [[10.25 / 10.5, 0.25 / 10.5], [0.5, 0.5]])
