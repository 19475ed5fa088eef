"""Samples that lie apart from all others."""

import numpy as np
import torch
from scipy.special import expit
from sklearn.neighbors import NearestNeighbors

from chaffinch.core.randomness import stream
from chaffinch.core.types import Codes, Floats
from chaffinch.diagnosis.kinds.excess import LEAST_SURPLUS
from chaffinch.scorers.neighbours.search import largest

NEAREST = 5
ISOLATED = 10.0
"""Without validation: log distance beyond the median, in spreads, at which an outlier is likely."""

_RANGE = (1 / 6, 0.5, 5 / 6)
_SCALED = 2_000
_BLOCK, _BLOCK_BYTES = 1_024, 32 * 2**20


def isolated(rows: Floats) -> Floats:
    """(N,) probability that a sample lies apart from all others: 0, or a half and more.

    Logs of mean distances to the five nearest are measured from their median in units of half the
    range that holds the middle two thirds; clean tables reach 7.
    """
    if len(rows) <= NEAREST:
        return np.zeros(len(rows))
    away = log_mean(NearestNeighbors(n_neighbors=NEAREST).fit(rows).kneighbors()[0])
    return _apart(away, *np.quantile(away, _RANGE))


def isolated_among_many(rows: Floats, neighbours: Codes, seed: int) -> Floats:
    """(N,) as `isolated`, in a time that grows with N and not with its square.

    Scale and middle come from 2,000 random samples that are compared with all others. Distances to
    neighbours that are already known are at least as long as those to the nearest, so that whoever
    is not isolated by these is not; the others are compared with all, too.

    Args:
        rows: (N, K) samples.
        neighbours: (N, k) positions of other samples, k > 5; the nearer, the faster.
        seed: Chooses the samples.
    """
    some = np.sort(stream(seed, "isolated").choice(len(rows), _SCALED, replace=False))
    away = log_mean(_nearest_of(rows, some))
    low, middle, high = np.quantile(away, _RANGE)
    found = np.empty(len(rows))
    for start in range(0, len(rows), _BLOCK):
        near = neighbours[start : start + _BLOCK]
        gaps = rows[near] - rows[start : start + _BLOCK, None]
        squares = np.einsum("nki,nki->nk", gaps, gaps)
        found[start : start + _BLOCK] = np.sqrt(
            np.partition(squares, NEAREST - 1, axis=1)[:, :NEAREST], dtype=np.float64
        ).mean(axis=1)
    far = np.flatnonzero(_apart(log_mean(found[:, None]), low, middle, high))
    if len(far):
        found[far] = _nearest_of(rows, far).mean(axis=1)
    return _apart(log_mean(found[:, None]), low, middle, high)


def _nearest_of(rows: Floats, some: Codes) -> Floats:
    """(n, 5) distances of some of the rows to their nearest others."""
    columns = torch.from_numpy(np.ascontiguousarray(rows, dtype=np.float32))
    squares = columns.square().sum(dim=1)
    found = np.empty((len(some), NEAREST))
    step = max(1, _BLOCK_BYTES // (4 * len(rows)))
    for start in range(0, len(some), step):
        own = torch.from_numpy(some[start : start + step])
        products = columns[own] @ columns.T
        products *= 2
        products -= squares  # the larger, the nearer
        products[torch.arange(len(own)), own] = -torch.inf
        # A few more than are wanted, because products of float32 are not exact.
        near = largest(products, min(4 * NEAREST, len(rows) - 1))[1].numpy()
        gaps = rows[near].astype(np.float64) - rows[own.numpy()][:, None]
        lengths = np.sqrt(np.einsum("nki,nki->nk", gaps, gaps))
        found[start : start + step] = np.sort(lengths, axis=1)[:, :NEAREST]
    return found


def _apart(away: Floats, low: float, middle: float, high: float) -> Floats:
    """(N,) probability of being isolated, by (N,) logs of distances and the range of the usual."""
    spread = (high - low) / 2
    if spread <= 0:
        return np.zeros(len(away))
    beyond = expit(2 * ((away - middle) / spread - ISOLATED))
    far: Floats = np.where(beyond >= LEAST_SURPLUS, beyond, 0.0)
    return far


def log_mean(distances: Floats) -> Floats:
    """(N,) log of the mean of (N, k) distances; where it is zero, that of the least above."""
    mean = distances.mean(axis=1)
    positive = mean[mean > 0]
    floor = float(positive.min()) if len(positive) else 1.0
    logs: Floats = np.log(np.maximum(mean, floor))
    return logs
