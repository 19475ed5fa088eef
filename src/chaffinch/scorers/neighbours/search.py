"""Nearest neighbours by cosine: exact in small sets and few columns, else among near cells.

A search among all pairs grows with the square of the samples. In larger sets, samples are therefore
divided into cells of equal size, and each is compared with those of the nearest cells only, which
grows with the samples alone. How many of the true neighbours that finds is measured (`recall`).
"""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor

from chaffinch.core.large import EXACT_UP_TO
from chaffinch.core.randomness import stream
from chaffinch.core.types import Codes, Floats

NUM_NEIGHBOURS = 10

CELL = 1_000
"""Samples in a cell, at most."""

NEAR_CELLS = 24
"""Cells that a sample is compared with."""

_FEW_COLUMNS = 5  # a tree beats comparing all pairs up to here
_CHECKED = 200
_ASKED = 20_000  # samples whose neighbours are looked up in the tree at once
_BLOCK_BYTES = 32 * 2**20
_RUN = 64  # columns of which only the largest is looked at first


def nearest(rows: Floats, k: int = NUM_NEIGHBOURS) -> tuple[NDArray[np.int64], Floats]:
    """The k nearest other samples by cosine similarity.

    Exact up to 20,000 samples or five columns; in other sets the nearest of about 20,000 samples
    from cells nearby, see `recall`. In blocks of bounded memory.

    Args:
        rows: (N, K) description of the samples; a row of zeros is similar to none.
        k: Neighbours a sample, at most N - 1.

    Returns:
        (N, k) positions, the nearest first, and (N, k) similarities in -1..1.
    """
    unit = torch.from_numpy(np.array(rows, dtype=np.float32))
    unit /= unit.norm(dim=1, keepdim=True).clamp_min_(1e-12)
    k = min(k, len(unit) - 1)
    if len(unit) <= EXACT_UP_TO:
        return _among_all(unit, k)
    if unit.shape[1] <= _FEW_COLUMNS:
        return _by_tree(unit.numpy(), k)
    return _among_cells(unit, k)


def is_exact(rows: Floats) -> bool:
    """Whether `nearest` finds the true neighbours of (N, K) rows."""
    return len(rows) <= EXACT_UP_TO or rows.shape[1] <= _FEW_COLUMNS


def recall(rows: Floats, neighbours: NDArray[np.int64], seed: int = 0) -> float:
    """Share of the true neighbours that were found, from 200 samples compared with all others.

    Args:
        rows: (N, K) description of the samples.
        neighbours: (N, k) positions, as `nearest` finds them.
        seed: Chooses the samples.
    """
    unit = torch.from_numpy(np.array(rows, dtype=np.float32))
    unit /= unit.norm(dim=1, keepdim=True).clamp_min_(1e-12)
    size = min(_CHECKED, len(unit))
    some = np.sort(stream(seed, "recall").choice(len(unit), size, replace=False))
    similarity = unit[torch.from_numpy(some)] @ unit.T
    similarity[np.arange(size), some] = -torch.inf
    k = neighbours.shape[1]
    least = largest(similarity, k)[0][:, -1:].numpy() - 1e-6  # ties are as good
    found = np.take_along_axis(similarity.numpy(), neighbours[some], axis=1) >= least
    return float(found.mean()) if k else 1.0


def largest(values: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k largest of each row in falling order, and their columns.

    Runs of columns are compared by their largest entries first: the k largest of a row lie in the
    k runs with the largest of these.

    Args:
        values: (n, M).
        k: At most M.
    """
    size = values.shape[1]
    if size < 4 * _RUN * k:
        top = torch.topk(values, k)
        return top.values, top.indices
    whole = size // _RUN * _RUN
    runs = values[:, :whole].reshape(len(values), -1, _RUN)
    chosen = torch.topk(runs.amax(dim=2), k, sorted=False).indices
    inside = torch.gather(runs, 1, chosen[:, :, None].expand(-1, -1, _RUN)).flatten(1)
    top = torch.topk(torch.cat([inside, values[:, whole:]], dim=1), k)
    place = top.indices
    run = chosen.gather(1, (place // _RUN).clamp_max(k - 1))
    columns = torch.where(place < k * _RUN, run * _RUN + place % _RUN, place - k * _RUN + whole)
    return top.values, columns


def _among_all(unit: Tensor, k: int) -> tuple[NDArray[np.int64], Floats]:
    num_samples = len(unit)
    block = min(num_samples, max(1, _BLOCK_BYTES // (4 * num_samples)))
    # Written in place: blocks allocated between results that stay would scatter over the heap.
    buffer = torch.empty(block, num_samples)
    positions = torch.empty(num_samples, k, dtype=torch.int64)
    similarities = torch.empty(num_samples, k)
    for start in range(0, num_samples, block):
        rows_here = unit[start : start + block]
        stop = start + len(rows_here)
        similarity = torch.mm(rows_here, unit.T, out=buffer[: len(rows_here)])
        similarity.diagonal(start).fill_(-torch.inf)
        torch.topk(similarity, k, out=(similarities[start:stop], positions[start:stop]))
    return positions.numpy(), similarities.numpy()


def _by_tree(unit: Floats, k: int) -> tuple[NDArray[np.int64], Floats]:
    """Between rows of length one, the nearest by distance are the nearest by angle."""
    null = np.linalg.norm(unit, axis=1) < 0.5
    # Similar to none: out of reach of all others, and of one another.
    far = np.where(null, 3.0 + 3.0 * np.cumsum(null), 0.0)
    points = np.column_stack([unit.astype(np.float64), far])
    tree, workers = cKDTree(points), torch.get_num_threads()
    positions = np.empty((len(unit), k), dtype=np.int64)
    cosines = np.empty((len(unit), k), dtype=np.float32)
    for start in range(0, len(unit), _ASKED):
        rows = np.arange(start, min(start + _ASKED, len(unit)))
        distances, found = tree.query(points[rows], k + 1, workers=workers)
        own = found == rows[:, None]
        own[~own.any(axis=1), -1] = True  # of more than k equal samples another came in its place
        near = found[~own].reshape(-1, k)
        alike = np.maximum(1 - distances[~own].reshape(-1, k) ** 2 / 2, -1)
        alike[null[rows, None] | null[near]] = 0
        positions[rows], cosines[rows] = near, alike
    return positions, cosines


def _among_cells(unit: Tensor, k: int) -> tuple[NDArray[np.int64], Floats]:
    order, bounds = _cells(unit)
    sorted_rows = unit[torch.from_numpy(order)]
    centres = torch.stack([sorted_rows[a:b].mean(dim=0) for a, b in bounds])
    near = torch.cdist(centres, centres).topk(min(NEAR_CELLS, len(bounds)), largest=False).indices
    positions = np.empty((len(unit), k), dtype=np.int64)
    similarities = np.empty((len(unit), k), dtype=np.float32)
    for (start, stop), others in zip(bounds, near.tolist(), strict=True):
        spans = sorted(bounds[other] for other in others)
        places = np.concatenate([np.arange(a, b) for a, b in spans])
        among = torch.cat([sorted_rows[a:b] for a, b in spans])
        similarity = sorted_rows[start:stop] @ among.T
        similarity.diagonal(int(np.searchsorted(places, start))).fill_(-torch.inf)
        values, columns = largest(similarity, k)
        own = order[start:stop]
        positions[own] = order[places[columns.numpy()]]
        similarities[own] = values.numpy()
    return positions, similarities


def _cells(unit: Tensor) -> tuple[Codes, list[tuple[int, int]]]:
    """An order of the samples, and where in it each cell begins and ends.

    Each cell is halved at the median along the direction of its largest spread until it is small
    enough (principal axis trees; McNames, *A Fast Nearest-Neighbor Algorithm Based on a Principal
    Axis Search Tree*, PAMI 2001). Halves are equal whatever the samples are.
    """
    order = np.arange(len(unit))
    open_cells, bounds = [(0, len(unit))], []
    while open_cells:
        start, stop = open_cells.pop()
        if stop - start <= CELL:
            bounds.append((start, stop))
            continue
        rows = unit[torch.from_numpy(order[start:stop])]
        rows -= rows.mean(dim=0)
        axis = torch.linalg.eigh(rows.T @ rows).eigenvectors[:, -1]
        along = (rows @ axis).numpy()
        middle = (stop - start) // 2
        order[start:stop] = order[start:stop][np.argpartition(along, middle)]
        open_cells += [(start + middle, stop), (start, start + middle)]
    return order, bounds
