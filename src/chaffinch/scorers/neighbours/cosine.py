"""Cosines to given rows: to the validation samples, or to the samples of the own class."""

import numpy as np
from numpy.typing import NDArray

from chaffinch.core.evidence import Evidence
from chaffinch.core.scorer import once_per_evidence
from chaffinch.core.types import Codes, Floats
from chaffinch.scorers.neighbours import knn

_BLOCK_BYTES = 32 * 2**20


def unit(rows: Floats) -> Floats:
    """(N, K) float32 rows of length 1; rows of zeros stay so and are similar to none."""
    narrow = np.array(rows, dtype=np.float32)
    lengths = np.linalg.norm(narrow, axis=1, keepdims=True)
    narrow /= np.maximum(lengths, np.float32(1e-12))
    return narrow


def nearest_among(
    rows: Floats, others: Floats, k: int = knn.NUM_NEIGHBOURS
) -> tuple[NDArray[np.int64], Floats]:
    """The k most similar of M other samples for each of N, in blocks of bounded memory.

    Args:
        rows: (N, K) samples.
        others: (M, K) samples in the same space.
        k: Neighbours a sample, at most M.

    Returns:
        (N, k) positions among the others, the nearest first, and (N, k) cosines.
    """
    left, right = unit(rows), unit(others)
    k = min(k, len(right))
    positions = np.empty((len(left), k), dtype=np.int64)
    cosines = np.empty((len(left), k), dtype=np.float32)
    step = max(1, _BLOCK_BYTES // (4 * max(1, len(right))))
    for start in range(0, len(left), step):
        block = left[start : start + step] @ right.T
        some = np.argpartition(-block, min(k, block.shape[1] - 1), axis=1)[:, :k] if k else None
        if some is None:
            continue
        found = np.take_along_axis(block, some, axis=1)
        order = np.argsort(-found, axis=1, kind="stable")
        positions[start : start + step] = np.take_along_axis(some, order, axis=1)
        cosines[start : start + step] = np.take_along_axis(found, order, axis=1)
    return positions, cosines


def members(codes: Codes, num_classes: int) -> list[NDArray[np.int64]]:
    """The positions of each of C classes, in ascending order."""
    order = np.argsort(codes, kind="stable")
    return np.split(order, np.cumsum(np.bincount(codes, minlength=num_classes))[:-1])


def fill(values: Floats) -> Floats:
    """(N,) values with NaN, "not to be told", replaced by the median of the others, or by 0."""
    unknown = np.isnan(values)
    neutral = np.median(values[~unknown]) if not unknown.all() else 0.0
    return np.where(unknown, neutral, values)


@once_per_evidence
def class_neighbourhood(evidence: Evidence) -> tuple[NDArray[np.int64], Floats]:
    """The 10 nearest of the own class in `knn.space`.

    Returns:
        (N, 10) positions, -1 where the class is too small, and (N, 10) cosine distances, there
        repeated from the farthest one found; all 1 for the only sample of a class.
    """
    rows, width = knn.space(evidence), knn.NUM_NEIGHBOURS
    positions = np.full((len(rows), width), -1, dtype=np.int64)
    distances = np.ones((len(rows), width))
    for own in members(evidence.labels.codes, len(evidence.labels.classes)):
        if len(own) < 2:
            continue
        found, cosines = knn.nearest(rows[own], width)
        count = found.shape[1]
        positions[own, :count] = own[found]
        distances[own, :count] = 1 - cosines
        distances[own, count:] = 1 - cosines[:, -1:]
    return positions, np.maximum(distances, 0)
