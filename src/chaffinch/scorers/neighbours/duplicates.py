"""Near-duplicates, their groups, and labels that contradict each other inside a group."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from chaffinch.core.evidence import Evidence
from chaffinch.core.scorer import once_per_evidence, scorer
from chaffinch.core.types import Codes, Floats
from chaffinch.scorers.neighbours import knn

_SAME = 1e-4  # relative distances below are rounding
_LARGEST_GROUP = 10
_BLOCK = 4096
_PAPER = "own; nearest distance against the local scale, as in Lowe's ratio test, IJCV 2004"


def relative_distances(rows: Floats, neighbours: NDArray[np.int64]) -> Floats:
    """(N, k) Euclidean distance to each neighbour, divided by the longer of the two rows.

    Cosines alone would call a sample and its double the same, and float32 cosines cannot tell
    distances below 3e-4 apart.
    """
    wide = np.asarray(rows, dtype=np.float32)
    lengths = np.linalg.norm(wide, axis=1).astype(np.float64)
    distances = np.zeros(neighbours.shape)
    for start in range(0, len(wide), _BLOCK):
        near = neighbours[start : start + _BLOCK]
        gaps = wide[near] - wide[start : start + _BLOCK, None]
        longer = np.maximum(lengths[near], lengths[start : start + _BLOCK, None])
        length = np.sqrt(np.einsum("nki,nki->nk", gaps, gaps, dtype=np.float64))
        distances[start : start + _BLOCK] = length / np.maximum(longer, 1e-12)
    return distances


@once_per_evidence
def sorted_neighbours(evidence: Evidence) -> tuple[NDArray[np.int64], Floats]:
    """(N, k) the 30 nearest by cosine in the order of their relative distances, and these."""
    neighbours = knn.neighbourhood(evidence)[0]
    distances = relative_distances(knn.space(evidence), neighbours)
    found = np.empty_like(neighbours)
    for start in range(0, len(found), _BLOCK):
        near, away = neighbours[start : start + _BLOCK], distances[start : start + _BLOCK]
        order = np.argsort(away, axis=1, kind="stable")
        found[start : start + _BLOCK] = np.take_along_axis(near, order, axis=1)
        away[:] = np.take_along_axis(away, order, axis=1)
    return found, distances


def closeness(distances: Floats) -> Floats:
    """How much nearer the nearest are than usual, on the spot and in the whole set.

    Args:
        distances: (N, k) relative distances in ascending order.

    Returns:
        (N,) the largest log ratio of successive distances among the first 11, plus the log ratio
        of the median nearest distance to the sample's own where that is smaller. Zero for k = 0.
    """
    if not distances.shape[1]:
        return np.zeros(len(distances))
    logs = np.log(np.maximum(distances[:, : _LARGEST_GROUP + 1], _SAME))
    gap = np.diff(logs, axis=1).max(axis=1, initial=0)
    near: Floats = gap + np.maximum(np.median(logs[:, 0]) - logs[:, 0], 0)
    return near


def limit_of(distances: Floats, share: float = 0.1) -> float:
    """The relative distance up to which two samples are one: a tenth of the usual 11th nearest.

    The 11th rather than the nearest, so that a set in which everything comes twice keeps its scale.
    """
    if not distances.size:
        return _SAME
    usual = np.median(distances[:, min(_LARGEST_GROUP, distances.shape[1] - 1)])
    return max(_SAME, share * float(usual))


def groups_of(neighbours: NDArray[np.int64], distances: Floats, limit: float) -> Codes:
    """(N,) number of the group of near-duplicates, in order of first rows; -1 outside any."""
    rows, columns = np.nonzero(distances <= limit)
    edges = coo_matrix(
        (np.ones(len(rows)), (rows, neighbours[rows, columns])), shape=(len(neighbours),) * 2
    )
    _, found = connected_components(edges, directed=False)
    sizes = np.bincount(found, minlength=1)
    grouped = np.flatnonzero(sizes[found] > 1)
    groups = np.full(len(neighbours), -1, dtype=np.int64)
    _, first, inverse = np.unique(found[grouped], return_index=True, return_inverse=True)
    groups[grouped] = np.argsort(np.argsort(first))[inverse]
    return groups


def duplicate_groups(evidence: Evidence, share: float = 0.1) -> Codes:
    """Groups of near-duplicates in the embeddings (or features).

    Args:
        evidence: With `embeddings` or `features`.
        share: How near: up to this share of the usual distance to the 11th neighbour.

    Returns:
        (N,) number of the sample's group, -1 for samples without a duplicate.

    Raises:
        InputError: Neither record is there.
    """
    neighbours, distances = sorted_neighbours(evidence)
    return groups_of(neighbours, distances, limit_of(distances, share))


def conflict_groups(evidence: Evidence, share: float = 0.1) -> Codes:
    """(N,) as `duplicate_groups`, but only groups with more than one label; -1 elsewhere."""
    groups, codes = duplicate_groups(evidence, share), evidence.labels.codes
    kept = np.full(len(groups), -1, dtype=np.int64)
    count = 0
    for group in range(groups.max(initial=-1) + 1):
        own = np.flatnonzero(groups == group)
        if len(np.unique(codes[own])) > 1:
            kept[own] = count
            count += 1
    return kept


def conflict(
    neighbours: NDArray[np.int64], distances: Floats, codes: Codes, limit: float
) -> Floats:
    """(N,) share of the nearest with another label, times how much a duplicate the nearest is.

    A neighbour at relative distance r counts as ``(limit / (limit + r))**2``: duplicates as about
    1, ordinary neighbours as hundredths, so that these decide only where there is no duplicate.
    """
    weights = (limit / (limit + distances)) ** 2
    unlike = (codes[neighbours] != codes[:, None]) * weights
    total = weights.sum(axis=1)
    shares = np.divide(unlike.sum(axis=1), total, out=np.zeros(len(total)), where=total > 0)
    contradicted: Floats = shares * weights.max(axis=1, initial=0)
    return contradicted


@scorer("near_duplicate", family="neighbours", needs=("embeddings|features",), paper=_PAPER)
def near_duplicate(evidence: Evidence, _seed: int) -> Floats:
    """How much nearer the nearest samples are than the next ones, and than is usual."""
    return closeness(sorted_neighbours(evidence)[1])


@scorer("duplicate_conflict", family="neighbours", needs=("embeddings|features",), paper=_PAPER)
def duplicate_conflict(evidence: Evidence, _seed: int) -> Floats:
    """Whether near-duplicates of the sample have another label."""
    neighbours, distances = sorted_neighbours(evidence)
    return conflict(neighbours, distances, evidence.labels.codes, limit_of(distances))
