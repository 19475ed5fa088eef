"""Distances and similarities to training and validation samples against loops over floats."""

import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.covariance import ledoit_wolf
from sklearn.metrics import roc_auc_score

from chaffinch.core.evidence import Evidence
from chaffinch.core.labels import Labels
from chaffinch.scorers import SCORERS
from chaffinch.scorers.neighbours import (
    class_similarity,
    cosine,
    density,
    knn,
    mahalanobis,
    novelty,
)

SIZES = st.tuples(
    st.integers(1, 14), st.integers(0, 8), st.integers(1, 4), st.integers(2, 4), st.integers(0, 999)
)


def angle(a, b):
    dot = math.fsum(x * y for x, y in zip(a, b, strict=True))
    lengths = math.sqrt(math.fsum(x * x for x in a)) * math.sqrt(math.fsum(y * y for y in b))
    return dot / lengths if lengths else 0.0


def draw(size):
    """Rows (N, K) with a row of zeros now and then, codes, and the same of M others."""
    count, others, width, num_classes, seed = size
    random = np.random.default_rng(seed)
    rows, known = random.normal(size=(count, width)), random.normal(size=(others, width))
    rows[random.random(count) < 0.1] = 0
    codes, known_codes = (random.integers(0, num_classes, n) for n in (count, others))
    return rows.astype(np.float32), codes, known.astype(np.float32), known_codes


def with_medians(values):
    told = [value for value in values if value is not None]
    neutral = statistics.median(told) if told else 0.0
    return [neutral if value is None else value for value in values]


def evidence_of(rows, codes, num_classes, **records):
    ids = np.arange(len(codes)).astype(str)
    return Evidence(ids, Labels(codes, np.arange(num_classes)), embeddings=rows, **records)


@given(SIZES, st.integers(1, 9))
def test_the_nearest_of_others(size, k):
    rows, _, known, _ = draw(size)
    positions, cosines = cosine.nearest_among(rows, known, k)
    assert positions.shape == cosines.shape == (len(rows), min(k, len(known)))
    for n, row in enumerate(rows):
        best = sorted((angle(row, other) for other in known), reverse=True)[:k]
        np.testing.assert_allclose(cosines[n], best, atol=1e-5)
        np.testing.assert_allclose([angle(row, known[m]) for m in positions[n]], best, atol=1e-5)
        assert len(set(positions[n])) == len(best)


def test_small_blocks_find_the_same(monkeypatch):
    rows, _, known, _ = draw((40, 20, 3, 2, 0))
    whole = cosine.nearest_among(rows, known, 4)
    monkeypatch.setattr(cosine, "_BLOCK_BYTES", 4 * 20 * 7)  # seven rows at once
    np.testing.assert_array_equal(cosine.nearest_among(rows, known, 4)[0], whole[0])


@given(SIZES)
def test_distance_to_validation(size):
    rows, codes, known, known_codes = draw(size)
    wanted = [min((1 - angle(row, other) for other in known), default=1.0) for row in rows]
    np.testing.assert_allclose(novelty.distance_to_nearest(rows, known), wanted, atol=1e-5)
    by_class = []
    for row, code in zip(rows, codes, strict=True):
        own = [known[m] for m in range(len(known)) if known_codes[m] == code]
        by_class.append(min(1 - angle(row, other) for other in own) if own else None)
    found = novelty.distance_to_nearest_of_class(rows, codes, known, known_codes)
    np.testing.assert_allclose(found, with_medians(by_class), atol=1e-5)


@given(SIZES)
def test_similarity_to_the_class(size):
    rows, codes, known, known_codes = draw(size)
    within, clean = [], []
    for n, row in enumerate(rows):
        others = [m for m in range(len(rows)) if codes[m] == codes[n] and m != n]
        own = [m for m in range(len(known)) if known_codes[m] == codes[n]]
        within.append(sum(angle(row, rows[m]) for m in others) / len(others) if others else None)
        clean.append(sum(angle(row, known[m]) for m in own) / len(own) if own else None)
    found = class_similarity.similarity_within(rows, codes, size[3])
    np.testing.assert_allclose(found, with_medians(within), atol=1e-5)
    found = class_similarity.similarity_to_clean(rows, codes, known, known_codes)
    np.testing.assert_allclose(found, with_medians(clean), atol=1e-5)


@given(SIZES)
def test_votes_of_clean_samples(size):
    rows, _, known, known_codes = draw(size)
    shares = class_similarity.clean_votes(rows, known, known_codes, size[3])
    for n, row in enumerate(rows):
        weights = [0.0] * size[3]
        for m in range(len(known)):  # fewer than ten: all of them vote
            weights[known_codes[m]] += max(0.0, angle(row, known[m]))
        total = sum(weights)
        wanted = [w / total for w in weights] if total > 1e-5 else None
        if wanted is not None:
            np.testing.assert_allclose(shares[n], wanted, atol=1e-4)
        np.testing.assert_allclose(shares[n].sum(), 1)


@given(SIZES)
def test_distances_among_training_samples(size):
    rows, codes, _, _ = draw(size)
    evidence = evidence_of(rows, codes, size[3])
    rows = knn.lift(rows)
    everyone, in_class = [], []
    for n, row in enumerate(rows):
        others = [m for m in range(len(rows)) if m != n]
        near = sorted(1 - angle(row, rows[m]) for m in others)[:10]
        everyone.append(sum(near) / len(near) if near else 1.0)
        own = sorted(1 - angle(row, rows[m]) for m in others if codes[m] == codes[n])[:10]
        own += [own[-1] if own else 1.0] * (10 - len(own))
        in_class.append(sum(own) / 10)
    np.testing.assert_allclose(SCORERS["knn_distance"](evidence), everyone, atol=1e-5)
    medians = {
        code: statistics.median(d for d, c in zip(in_class, codes, strict=True) if c == code)
        for code in set(codes.tolist())
    }
    wanted = [(d + 1e-6) / (medians[c] + 1e-6) for d, c in zip(in_class, codes, strict=True)]
    if min(medians.values()) > 1e-3:  # ratios of rounding errors mean nothing
        np.testing.assert_allclose(SCORERS["class_distance"](evidence), wanted, rtol=1e-2)


@given(st.integers(1, 9), st.integers(0, 4), st.integers(0, 99))
def test_distances_relative_to_the_neighbours(count, k, seed):
    random = np.random.default_rng(seed)
    distances, near = random.uniform(0.1, 1, count), random.integers(0, count, (count, k))
    found = density.relative_to_neighbours(distances, near)
    for n in range(count):
        around = [distances[m] for m in near[n]]
        wanted = distances[n] / (sum(around) / k) if k else 1
        assert found[n] == pytest.approx(wanted, rel=1e-4)


@given(SIZES)
def test_mahalanobis_distance(size):
    rows, codes, _, _ = draw(size)
    found = mahalanobis.class_distances(rows, codes, size[3])
    wide = rows.astype(np.float64)
    centred = np.stack(
        [row - wide[codes == code].mean(0) for row, code in zip(wide, codes, strict=True)]
    )
    if np.abs(centred).max() < 1e-5:
        np.testing.assert_array_equal(found, 0)
        return
    covariance = ledoit_wolf(centred, assume_centered=True)[0]
    inverse = np.linalg.pinv(covariance, rcond=1e-10)
    wanted = [row @ inverse @ row for row in centred]
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-5)


@given(SIZES)
def test_mahalanobis_distances_to_known_samples(size):
    rows, _, known, codes = draw(size)
    found = mahalanobis.distances_to_known(rows, known, codes, size[3])
    wide = known.astype(np.float64)
    if not len(known):
        np.testing.assert_array_equal(found, 0)
        return
    means = {code: wide[codes == code].mean(0) for code in set(codes.tolist())}
    centred = np.stack([row - means[code] for row, code in zip(wide, codes.tolist(), strict=True)])
    inverse = np.eye(size[2])
    if np.abs(centred).max() > 1e-5:
        covariance = ledoit_wolf(centred, assume_centered=True)[0]
        inverse = np.linalg.inv(covariance + 1e-9 * np.trace(covariance) * np.eye(size[2]))
    for n, row in enumerate(rows):
        for code in range(size[3]):
            if code not in means:
                assert found[n, code] == math.inf
                continue
            gap = row - means[code]
            np.testing.assert_allclose(found[n, code], gap @ inverse @ gap, rtol=1e-3, atol=1e-5)


def test_an_own_class_without_validation_samples_gives_way_to_the_nearest():
    rows = np.asarray([[0, 0], [0, 0], [9, 0]], np.float32)
    known = np.asarray([[0, 1], [0, -1], [1, 0], [-1, 0]], np.float32)
    records = {"features": rows, "validation_features": known}
    records["validation_codes"] = np.zeros(4, np.int64)
    evidence = evidence_of(rows, np.asarray([0, 1, 1]), 2, **records)
    nearest = SCORERS["validation_mahalanobis"](evidence)
    np.testing.assert_array_equal(SCORERS["validation_class_mahalanobis"](evidence), nearest)
    assert nearest[2] > nearest[0] == nearest[1]


def planted(seed):
    """Two classes; 30 strangers in a direction of their own, scattered, with their labels."""
    random = np.random.default_rng(seed)
    codes = np.arange(230) % 2
    rows = 5 * np.eye(6)[codes] + random.normal(size=(230, 6))
    strange = np.arange(230) >= 200
    rows[strange] = random.normal(size=(30, 6)) * 3 - [0, 0, 6, 0, 0, 0]
    known_codes = np.arange(40) % 2
    known = 5 * np.eye(6)[known_codes] + random.normal(size=(40, 6))
    records = {name: rows.astype(np.float32) for name in ("features", "embeddings")}
    records |= {f"validation_{name}": known.astype(np.float32) for name in records}
    labels = Labels(codes, np.arange(2))
    ids = np.arange(230).astype(str)
    return Evidence(ids, labels, validation_codes=known_codes, **records), strange


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    "name",
    [
        "class_distance",
        "class_mahalanobis",
        "class_similarity",
        "knn_distance",
        "validation_class_distance",
        "validation_class_distance_embedding",
        "validation_class_similarity",
        "validation_class_similarity_embedding",
        "validation_distance",
        "validation_distance_embedding",
        "validation_mahalanobis",
        "validation_mahalanobis_embedding",
        "validation_class_mahalanobis",
        "validation_class_mahalanobis_embedding",
    ],
)
def test_strangers_score_higher(name, seed):
    evidence, strange = planted(seed)
    assert roc_auc_score(strange, SCORERS[name](evidence)) > 0.9


@pytest.mark.parametrize("space", ["features", "embeddings"])
def test_each_space_is_compared_with_its_own_validation_samples(space, synthetic):
    evidence = synthetic().evidence
    suffix = "_embedding" if space == "embeddings" else ""
    only = Evidence(
        evidence.ids,
        evidence.labels,
        validation_codes=evidence.validation_codes,
        **{name: evidence.need(name) for name in (space, f"validation_{space}")},
    )
    for stem in ("distance", "class_distance", "class_similarity", "votes"):
        scorer = SCORERS[f"validation_{stem}{suffix}"]
        np.testing.assert_array_equal(scorer(only), scorer(evidence))


@pytest.mark.parametrize("seed", range(3))
def test_local_distance_finds_the_loose_end_of_a_tight_cluster(seed):
    # Far from the tight cluster, but nearer to it than samples of the wide cluster to each other.
    random = np.random.default_rng(seed)
    wide = np.eye(6)[0] + 0.5 * random.normal(size=(100, 6))
    tight = 3 * np.eye(6)[1] + 0.02 * random.normal(size=(100, 6))
    loose = 3 * np.eye(6)[1] + 0.4 * np.eye(6)[2:6]
    evidence = evidence_of(np.concatenate([wide, tight, loose]), np.zeros(204, np.int64), 1)
    strange = np.arange(204) >= 200
    found = roc_auc_score(strange, SCORERS["local_distance"](evidence))
    assert found > 0.95
    assert found > roc_auc_score(strange, SCORERS["knn_distance"](evidence))
