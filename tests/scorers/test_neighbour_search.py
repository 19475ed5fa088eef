"""The search in large sets against the exact one."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from chaffinch.core.types import Floats
from chaffinch.diagnosis.explanation.influence import largest as largest_columns
from chaffinch.diagnosis.kinds import isolation
from chaffinch.scorers.neighbours import forest, search


def clusters(num_samples: int, width: int, seed: int = 0) -> Floats:
    random = np.random.default_rng(seed)
    centres = 2 * random.normal(size=(12, width))
    rows = centres[random.integers(0, 12, num_samples)] + random.normal(size=(num_samples, width))
    return rows.astype(np.float32)


def both(
    rows: Floats, k: int, monkeypatch: pytest.MonkeyPatch
) -> tuple[NDArray[np.int64], Floats, NDArray[np.int64], Floats]:
    """Positions and similarities as in a small set, and as in a large one."""
    exact = search.nearest(rows, k)
    monkeypatch.setattr(search, "EXACT_UP_TO", 10)
    monkeypatch.setattr(search, "CELL", 200)
    return *exact, *search.nearest(rows, k)


@pytest.mark.parametrize("width", [1, 2, 4])
def test_tree_finds_the_nearest_in_few_columns(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = clusters(700, width)
    _, similarities, positions, found = both(rows, 12, monkeypatch)
    np.testing.assert_allclose(found, similarities, atol=2e-6)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    np.testing.assert_allclose(
        np.einsum("ni,nki->nk", unit, unit[positions]), similarities, atol=2e-6
    )
    assert not (positions == np.arange(700)[:, None]).any()


def test_tree_leaves_a_sample_out_of_its_own_neighbours_among_many_doubles(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = np.repeat(clusters(6, 3), 40, axis=0)
    _, similarities, positions, found = both(rows, 5, monkeypatch)
    assert not (positions == np.arange(240)[:, None]).any()
    np.testing.assert_allclose(found, similarities, atol=1e-6)


def test_rows_of_zeros_are_similar_to_none_in_the_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = clusters(200, 3)
    rows[[3, 60, 61]] = 0
    *_, positions, found = both(rows, 5, monkeypatch)
    assert (found[[3, 60, 61]] == 0).all()
    assert not np.isin(positions[np.setdiff1d(np.arange(200), [3, 60, 61])], [3, 60, 61]).any()


def test_near_cells_find_most_neighbours_and_say_how_many(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = clusters(6_000, 16)
    monkeypatch.setattr(search, "NEAR_CELLS", 6)
    exact, _, positions, _ = both(rows, 10, monkeypatch)
    share = np.mean(
        [len(np.intersect1d(*pair)) / 10 for pair in zip(exact, positions, strict=True)]
    )
    assert share > 0.9
    assert search.recall(rows, positions) == pytest.approx(share, abs=0.03)
    assert not search.is_exact(rows)


def test_all_cells_find_all_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = clusters(1_500, 20)
    exact, similarities, positions, found = both(rows, 10, monkeypatch)
    assert (exact == positions).mean() > 0.999  # ties in the last bit may swap
    np.testing.assert_allclose(found, similarities, atol=1e-6)
    assert search.recall(rows, positions) == 1


def test_equal_samples_fill_cells_of_the_usual_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "CELL", 100)
    order, bounds = search._cells(torch.ones(1_000, 8))
    np.testing.assert_array_equal(np.sort(order), np.arange(1_000))
    assert max(stop - start for start, stop in bounds) <= 100


@pytest.mark.parametrize(("columns", "k"), [(100, 3), (1_000, 3), (1_003, 3), (9_999, 30), (7, 7)])
def test_largest_by_runs_are_the_largest(columns: int, k: int) -> None:
    values = torch.from_numpy(np.random.default_rng(columns).normal(size=(5, columns)))
    found, places = search.largest(values, k)
    expected = torch.topk(values, k)
    assert torch.equal(found, expected.values)
    assert torch.equal(places, expected.indices)


def test_largest_columns_are_in_order_and_the_first_of_equals() -> None:
    values = np.array([[1, 3, 3, 0, 3], [5, -np.inf, 2, 2, 9]])
    np.testing.assert_array_equal(largest_columns(values, 2), [[1, 2], [4, 0]])
    assert largest_columns(values, 0).shape == (2, 0)


def test_isolated_samples_of_many_are_those_of_a_comparison_of_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = clusters(3_000, 6)
    rows[[5, 700]] = [[90] * 6, [-70] * 6]
    rows[900:903] *= 1e-3  # short rows, whose nearest by angle are far
    monkeypatch.setattr(isolation, "_SCALED", 1_500)
    near = search.nearest(rows, 30)[0]
    found = isolation.isolated_among_many(rows, near, 0)
    np.testing.assert_array_equal(found > 0.5, isolation.isolated(rows.astype(np.float64)) > 0.5)
    assert set(np.flatnonzero(found > 0.5)) == {5, 700}
    poor = np.where(np.arange(3_000)[:, None] == 5, 700, np.full(near.shape, 5))  # the farthest
    np.testing.assert_allclose(isolation.isolated_among_many(rows, poor, 0), found, atol=1e-6)


def test_forest_of_many_depends_on_what_samples_hold_not_on_their_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(forest, "EXACT_UP_TO", 100)
    monkeypatch.setattr(forest, "TREES", 30)
    random = np.random.default_rng(0)
    rows, codes = clusters(400, 5), random.integers(0, 3, 400)
    order = random.permutation(400)
    taught = np.ones(400, dtype=np.bool_)
    shares = forest.unseen_votes(rows, codes, 3, taught)
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(
        forest.unseen_votes(rows[order], codes[order], 3, taught), shares[order]
    )
