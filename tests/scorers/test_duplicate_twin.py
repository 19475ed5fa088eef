"""Near-duplicates and clusters against loops, and against planted ones."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from sklearn.metrics import roc_auc_score

from chaffinch.core.evidence import Evidence
from chaffinch.core.labels import Labels
from chaffinch.scorers import SCORERS
from chaffinch.scorers.neighbours import clusters, duplicates, knn

SIZES = st.tuples(st.integers(1, 12), st.integers(1, 4), st.integers(0, 999))


def evidence_of(rows, codes):
    codes = np.asarray(codes)
    labels = Labels(codes, np.arange(codes.max() + 1))
    return Evidence(np.arange(len(codes)).astype(str), labels, embeddings=np.asarray(rows, "f4"))


@given(SIZES)
def test_relative_distances_in_order(size):
    count, width, seed = size
    random = np.random.default_rng(seed)
    rows = random.normal(size=(count, width)).astype(np.float32)
    rows[random.integers(0, count)] = rows[0]
    near, distances = duplicates.sorted_neighbours(evidence_of(rows, [0] * count))
    rows = knn.lift(rows)
    for n in range(count):
        wanted = []
        for m in range(count):
            if m != n:
                longer = max(np.linalg.norm(rows[n]), np.linalg.norm(rows[m]))
                wanted.append(float(np.linalg.norm(rows[n] - rows[m])) / longer)
        np.testing.assert_allclose(distances[n], sorted(wanted), atol=1e-5)
        assert set(near[n]) == set(range(count)) - {n}


@given(SIZES)
def test_closeness(size):
    count, k, seed = size
    distances = np.sort(np.random.default_rng(seed).uniform(0.01, 1, (count, 4 * k)), axis=1)
    logs = [[math.log(d) for d in row] for row in distances]
    usual = float(np.median([row[0] for row in logs]))
    for row, found in zip(logs, duplicates.closeness(distances), strict=True):
        steps = [row[j + 1] - row[j] for j in range(min(10, len(row) - 1))]
        assert found == pytest.approx(max(steps) + max(0.0, usual - row[0]))


@given(SIZES, st.floats(0.01, 1))
def test_conflict(size, limit):
    count, k, seed = size
    random = np.random.default_rng(seed)
    near = random.integers(0, count, (count, k))
    distances = np.sort(random.uniform(0, 2, (count, k)), axis=1)
    codes = random.integers(0, 3, count)
    found = duplicates.conflict(near, distances, codes, limit)
    for n in range(count):
        weights = [(limit / (limit + d)) ** 2 for d in distances[n]]
        unlike = sum(w for w, m in zip(weights, near[n], strict=True) if codes[m] != codes[n])
        assert found[n] == pytest.approx(unlike / sum(weights) * weights[0])


def with_duplicates(seed=0):
    """60 scattered samples; 0-1 and 2-3-4 are near-copies of each other, 5-6 equal."""
    random = np.random.default_rng(seed)
    rows = random.normal(size=(60, 8))
    rows[1] = rows[0] + 0.005 * random.normal(size=8)
    rows[3:5] = rows[2] + 0.005 * random.normal(size=(2, 8))
    rows[6] = rows[5]
    codes = np.arange(60) % 2
    codes[[2, 3, 4, 5, 6]] = [0, 0, 1, 1, 1]
    return evidence_of(rows, codes)


@pytest.mark.parametrize("seed", range(3))
def test_groups_of_duplicates(seed):
    evidence = with_duplicates(seed)
    groups = duplicates.duplicate_groups(evidence)
    np.testing.assert_array_equal(groups[:7], [0, 0, 1, 1, 1, 2, 2])
    np.testing.assert_array_equal(groups[7:], -1)
    conflicts = duplicates.conflict_groups(evidence)
    np.testing.assert_array_equal(conflicts[:7], [0, 0, 1, 1, 1, -1, -1])
    np.testing.assert_array_equal(conflicts[7:], -1)


@pytest.mark.parametrize("seed", range(3))
def test_both_halves_of_a_pair_come_up(seed):
    evidence = with_duplicates(seed)
    duplicated, contradicted = np.arange(60) < 7, np.isin(np.arange(60), [0, 1, 4])
    assert roc_auc_score(duplicated, SCORERS["near_duplicate"](evidence)) == 1
    scores = SCORERS["duplicate_conflict"](evidence)
    assert roc_auc_score(contradicted, scores) == 1
    assert scores[[5, 6]].max() < 0.1


def test_a_double_in_length_is_no_duplicate():
    rows = np.random.default_rng(0).normal(size=(30, 5))
    rows[1] = 2 * rows[0]
    assert duplicates.duplicate_groups(evidence_of(rows, [0] * 30)).max() == -1


def test_everything_twice_is_found():
    rows = np.random.default_rng(0).normal(size=(40, 6))
    groups = duplicates.duplicate_groups(evidence_of(np.concatenate([rows, rows]), [0] * 80))
    np.testing.assert_array_equal(groups, list(range(40)) * 2)


def test_all_rows_equal_are_one_group_without_preference():
    evidence = evidence_of(np.ones((50, 3)), np.arange(50) % 2)
    assert set(duplicates.duplicate_groups(evidence)) == {0}
    for name in ("near_duplicate", "class_split", "knn_distance", "class_island"):
        scores = SCORERS[name](evidence)
        np.testing.assert_allclose(scores, scores[0], atol=1e-5)


@given(st.integers(2, 40), st.integers(1, 4), st.integers(0, 999))
def test_two_parts_are_as_good_as_those_of_k_means(count, width, seed):
    rows = np.random.default_rng(seed).normal(size=(count, width)) * np.arange(1, width + 1)
    parts = clusters.two_parts(rows)
    assert set(parts) == {0, 1}
    begun = np.stack([rows[parts == part].mean(axis=0) for part in (0, 1)])
    again = KMeans(2, init=begun, n_init=1, max_iter=1).fit(rows)
    inside = sum(
        ((rows[parts == part] - rows[parts == part].mean(axis=0)) ** 2).sum() for part in (0, 1)
    )
    assert again.inertia_ == pytest.approx(inside, rel=0.05)
    total = ((rows - rows.mean(axis=0)) ** 2).sum()
    assert clusters.explained(rows, parts) == pytest.approx(1 - inside / total)


def test_oddness_by_hand():
    rows = np.asarray([[0.0], [0.0], [0.0], [4.0]])
    found = clusters.oddness(rows, np.asarray([7, 7, 7, 9]), np.asarray([-1.0]))
    # Centres 0 and 4 are 1 and 5 from -1; the mean over samples is 2.
    np.testing.assert_allclose(found, [0.25 * 1 / 3] * 3 + [0.75 * 5 / 7])


@given(st.integers(1, 12), st.integers(1, 3), st.integers(0, 999))
def test_mutual_components(count, k, seed):
    random = np.random.default_rng(seed)
    near = random.integers(-1, count, (count, k))
    parts = clusters.mutual_components(near, np.ones((count, k)))
    joined = {(n, m) for n in range(count) for m in near[n] if m >= 0 and n in near[m]}
    names = list(range(count))
    for _ in range(count):
        for a, b in joined:
            names[a] = names[b] = min(names[a], names[b])
    for a in range(count):
        for b in range(count):
            assert (parts[a] == parts[b]) == (names[a] == names[b])


@given(SIZES)
def test_crowding(size):
    count, k, seed = size
    random = np.random.default_rng(seed)
    near = random.integers(0, count, (count, k))
    similarities, codes = random.uniform(-1, 1, (count, k)), random.integers(0, 3, count)

    def entropy(labels):
        shares = [labels.count(c) / len(labels) for c in set(labels)]
        return -math.fsum(share * math.log(share) for share in shares)

    found = clusters.crowding(similarities, near, codes, 3)
    whole = entropy(codes.tolist())
    for n in range(count):
        mixed = min(1.0, entropy(codes[near[n]].tolist()) / whole) if whole else 0.0
        assert found[n] == pytest.approx(max(0.0, similarities[n].mean()) * mixed, abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", ["class_split", "class_island"])
def test_a_small_far_cluster_inside_a_class(name, seed):
    random = np.random.default_rng(seed)
    codes = np.arange(300) % 3
    rows = 3 * np.eye(8)[codes] + random.normal(size=(300, 8)) * 0.7
    strange = (codes == 1) & (np.arange(300) < 60)
    rows[strange] = 6 * np.eye(8)[6] + random.normal(size=(20, 8)) * 0.5
    assert roc_auc_score(strange, SCORERS[name](evidence_of(rows, codes))) > 0.95


@pytest.mark.parametrize("seed", range(3))
def test_a_dense_crowd_of_mixed_labels(seed):
    random = np.random.default_rng(seed)
    codes = np.arange(300) % 3
    rows = 3 * np.eye(8)[codes] + random.normal(size=(300, 8))
    corrupted = np.arange(300) < 40
    rows[corrupted] = 6 * np.eye(8)[6] + random.normal(size=(40, 8)) * 0.5
    assert roc_auc_score(corrupted, SCORERS["mixed_cluster"](evidence_of(rows, codes))) > 0.95


def test_the_shared_search_serves_votes_as_a_search_of_their_own(synthetic):
    evidence = synthetic().evidence
    own = knn.nearest(knn.lift(evidence.embeddings))
    labels = evidence.labels
    wanted = knn.votes(*own, labels.codes, len(labels.classes))
    np.testing.assert_allclose(knn.neighbour_votes(evidence), wanted, atol=1e-6)
