"""Nearest neighbours and their votes against brute force."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaffinch.core.evidence import Evidence
from chaffinch.core.labels import Labels
from chaffinch.scorers import SCORERS
from chaffinch.scorers.neighbours import knn

ROWS = st.tuples(st.integers(1, 12), st.integers(1, 5), st.integers(0, 10_000))


def cosine(a, b):
    dot = math.fsum(x * y for x, y in zip(a, b, strict=True))
    lengths = math.sqrt(math.fsum(x * x for x in a)) * math.sqrt(math.fsum(y * y for y in b))
    return dot / lengths if lengths else 0.0


def check_nearest(rows, k):
    positions, similarities = knn.nearest(rows, k)
    plain = rows.astype(np.float64).tolist()
    count = min(k, len(rows) - 1)
    assert positions.shape == similarities.shape == (len(rows), count)
    for n, row in enumerate(plain):
        others = [m for m in range(len(rows)) if m != n]
        best = sorted((cosine(row, plain[m]) for m in others), reverse=True)[:count]
        np.testing.assert_allclose(similarities[n], best, atol=1e-5)
        # Where several are equally near, any of them will do.
        assert n not in positions[n]
        assert len(set(positions[n])) == count
        found = [cosine(row, plain[m]) for m in positions[n]]
        np.testing.assert_allclose(found, best, atol=1e-5)


@given(ROWS, st.integers(1, 12))
def test_the_nearest_are_the_nearest(size, k):
    samples, width, seed = size
    rows = np.random.default_rng(seed).normal(size=(samples, width)).astype(np.float32)
    check_nearest(rows, k)


def test_rows_of_zeros_are_similar_to_none():
    check_nearest(np.asarray([[0, 0], [1, 0], [0, 0], [1, 1]], np.float32), 3)


def test_small_blocks_find_the_same(monkeypatch):
    rows = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    whole = knn.nearest(rows, 4)
    monkeypatch.setattr(knn, "_BLOCK_BYTES", 4 * 50 * 7)  # seven rows at once
    parts = knn.nearest(rows, 4)
    np.testing.assert_array_equal(whole[0], parts[0])
    np.testing.assert_allclose(whole[1], parts[1], atol=1e-6)


def test_the_rows_are_left_as_they_are():
    rows = np.full((5, 2), 3, np.float32)
    knn.nearest(rows)
    assert (rows == 3).all()


@given(ROWS, st.integers(2, 4))
def test_votes(size, num_classes):
    samples, k, seed = size
    random = np.random.default_rng(seed)
    neighbours = random.integers(0, samples, (samples, k))
    similarities = random.uniform(-1, 1, (samples, k)) * random.integers(0, 2)
    codes = random.integers(0, num_classes, samples)
    shares = knn.votes(neighbours, similarities, codes, num_classes)
    for n in range(samples):
        wanted = [0.0] * num_classes
        for m, weight in zip(neighbours[n], similarities[n], strict=True):
            wanted[codes[m]] += max(0.0, weight)
        total = sum(wanted)
        wanted = [x / total for x in wanted] if total else [1 / num_classes] * num_classes
        np.testing.assert_allclose(shares[n], wanted, atol=1e-12)


def judge(codes, **records):
    labels = Labels(np.asarray(codes), np.arange(max(codes) + 1))
    ids = np.arange(len(codes)).astype(str)
    return SCORERS["knn_disagreement"](Evidence(ids, labels, **records))


def test_disagreement_is_the_share_of_other_labels():
    # Three copies of one point and two of an opposite one: only like points are similar.
    rows = np.asarray([[1, 0]] * 3 + [[-1, 0]] * 2, np.float32)
    scores = judge([0, 0, 1, 1, 1], embeddings=rows)
    np.testing.assert_allclose(scores, [0.5, 0.5, 1, 0, 0], atol=1e-6)


def test_embeddings_go_before_features():
    rows = np.zeros((4, knn.NARROW + 1), np.float32)  # too wide to be lifted
    rows[:2, 0] = rows[2:, 1] = 1
    other = rows[[0, 2, 1, 3]]
    codes = [0, 0, 1, 1]
    np.testing.assert_allclose(judge(codes, embeddings=rows, features=other), 0, atol=1e-6)
    np.testing.assert_allclose(judge(codes, features=other), 1, atol=1e-6)


def test_narrow_rows_are_seen_from_below():
    random = np.random.default_rng(0)
    rows = random.normal(size=(9, 3)).astype(np.float32)
    below = math.sqrt(sum(float(x) ** 2 for row in rows for x in row) / 9) / 2
    lifted = knn.lift(rows)
    for one, row in zip(lifted, rows, strict=True):
        np.testing.assert_allclose(one, [*row, below], rtol=1e-6)
    wide = np.ones((2, knn.NARROW + 1), np.float32)
    assert knn.lift(wide) is wide


def test_one_column_tells_near_from_far():
    rows = np.asarray([[1.0], [1.1], [5.0], [5.1]], np.float32)
    np.testing.assert_array_equal(knn.nearest(knn.lift(rows), 1)[0][:, 0], [1, 0, 3, 2])


def test_wide_rows_keep_their_cosines_when_compressed():
    random = np.random.default_rng(0)
    rows = (random.normal(size=(60, 5)) @ random.normal(size=(5, 300))).astype(np.float32)
    short = knn.compress(rows, width=8)
    assert short.shape == (60, 8)
    for a in range(0, 60, 7):
        for b in range(0, 60, 5):
            assert cosine(short[a], short[b]) == pytest.approx(cosine(rows[a], rows[b]), abs=1e-4)


def test_compression_keeps_the_directions_of_most_weight():
    random = np.random.default_rng(0)
    weights = np.asarray([10, 5, 0.1, 0.1])
    rows = (random.normal(size=(200, 4)) * weights).astype(np.float32)
    short = knn.compress(rows, width=2)
    np.testing.assert_allclose(
        np.linalg.norm(short, axis=1), np.linalg.norm(rows[:, :2], axis=1), atol=0.05
    )


def test_narrow_rows_are_not_compressed():
    rows = np.random.default_rng(0).normal(size=(10, knn.MAX_WIDTH))
    np.testing.assert_array_equal(knn.compress(rows), rows.astype(np.float32))


@pytest.mark.parametrize("width", [1, 5, 200])
def test_training_neighbours_vote_on_validation_samples(width, monkeypatch):
    random = np.random.default_rng(width)
    rows, known = random.normal(size=(60, width)), random.normal(size=(23, width))
    codes, held = random.integers(0, 4, 60), random.integers(0, 4, 23)
    monkeypatch.setattr(knn, "_BLOCK_BYTES", 4 * 60 * 7)  # several blocks, and a rest
    evidence = Evidence(
        np.arange(60).astype(np.str_),
        Labels(codes, np.arange(4)),
        embeddings=rows.astype(np.float32),
        validation_embeddings=known.astype(np.float32),
        validation_codes=held,
    )
    joined = knn.lift(knn.compress(np.concatenate([rows, known]).astype(np.float32)))
    joined = joined.astype(np.float64)
    found = knn.validation_votes(evidence)
    assert found.shape == (23, 4)
    for row, one in zip(found, joined[60:], strict=True):
        near = sorted(range(60), key=lambda other, one=one: -cosine(one, joined[other]))[:10]
        counted = np.zeros(4)
        for other in near:
            counted[codes[other]] += max(cosine(one, joined[other]), 0.0)
        np.testing.assert_allclose(row, counted / counted.sum(), atol=1e-4)
