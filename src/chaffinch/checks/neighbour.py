"""Near-duplicates: pairs of samples much nearer to each other than chance would put them."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from chaffinch.core.types import Codes, Floats

Pairs = NDArray[np.int64]

REFERENCE = 2_000
"""Distances are compared with those to so many samples drawn at random."""

MOST_EXACT = 20_000
"""Up to so many samples all pairs are looked at; beyond, those that share a hash."""

_PROJECTED = 48
_FALSE_RATE = 1e-4
_NEAREST = 1 / 3
_MOST_DIMENSIONS = 20.0
_BLOCK = 1_024
_TABLES = 30
_REACH = 12


@dataclass(frozen=True, eq=False)
class Scale:
    """What distance is usual around each sample.

    Attributes:
        reference: (N,) distance to the second nearest of a random reference set.
        dimension: Intrinsic dimension of the data.
        size: Of the reference set.
    """

    reference: Floats
    dimension: float
    size: int

    def limit(self, count: int) -> Floats:
        """(N,) below which distance a neighbour among ``count`` samples is a near-duplicate.

        Where samples lie evenly, the nearest of N lies below x times the distance to the second
        nearest of M with a probability of about ``2 N / M * x**d``; the share x is chosen so that
        this is 1 in 10,000, and at most a third.
        """
        expected = 2 * count / max(self.size, 1)
        share = min(_NEAREST, (_FALSE_RATE / expected) ** (1 / self.dimension))
        limit: Floats = share * self.reference
        return limit


def scale_of(vectors: Floats, seed: int) -> Scale:
    """Distances that are usual around each sample, by a random reference set.

    The intrinsic dimension follows from how much farther the second neighbour lies than the first:
    Facco, d'Errico, Rodriguez and Laio, "Estimating the intrinsic dimension of datasets by a
    minimal neighborhood information", Scientific Reports 2017, with the median in place of the
    mean, which duplicates do not move.

    Args:
        vectors: (N, K).
        seed: Draws the reference set.
    """
    count = len(vectors)
    drawn = np.random.default_rng(seed).permutation(count)[:REFERENCE]
    chosen = vectors[drawn]
    nearest = np.empty((count, 2))
    norms = np.square(chosen, dtype=np.float64).sum(axis=1)
    place = np.full(count, -1)
    place[drawn] = np.arange(len(drawn))
    for start in range(0, count, _BLOCK):
        block = vectors[start : start + _BLOCK]
        squares = _squares(block, chosen, norms)
        own = np.flatnonzero(place[start : start + _BLOCK] >= 0)
        squares[own, place[start : start + _BLOCK][own]] = np.inf
        squares[squares <= _nothing(norms)] = np.inf  # copies say nothing of what is usual
        least = min(2, squares.shape[1])
        nearest[start : start + _BLOCK, :least] = np.sqrt(
            np.sort(np.partition(squares, least - 1, axis=1)[:, :least], axis=1)
        )
        nearest[start : start + _BLOCK, least:] = np.inf
    inner = nearest[drawn]
    inner = inner[np.isfinite(inner).all(axis=1) & (inner[:, 0] > 0)]
    ratio = float(np.median(inner[:, 1] / inner[:, 0])) if len(inner) else 2.0
    dimension = math.log(2) / max(math.log(max(ratio, 1 + 1e-9)), 1e-9)
    reference = np.where(np.isfinite(nearest[:, 1]), nearest[:, 1], 0)
    return Scale(reference, float(np.clip(dimension, 1, _MOST_DIMENSIONS)), len(drawn))


def near_pairs(vectors: Floats, limit: Floats, seed: int, most_exact: int = MOST_EXACT) -> Pairs:
    """Pairs of samples at most as far apart as the smaller of their limits.

    All pairs up to ``most_exact`` samples. Beyond, the samples are hashed by the signs of random
    directions in their first principal components (Charikar, "Similarity estimation techniques
    from rounding algorithms", STOC 2002), and those that share a hash are compared.

    Args:
        vectors: (N, K).
        limit: (N,) distances.
        seed: Draws the directions.
        most_exact: Number of samples up to which all pairs are compared.

    Returns:
        (P, 2) positions, the smaller first.
    """
    if len(vectors) < 2:
        return np.empty((0, 2), np.int64)
    small = _principal(vectors, seed)
    exact = len(vectors) <= most_exact
    candidates = _all_pairs(small, limit) if exact else _hashed_pairs(small, limit, seed)
    return _within(vectors, candidates, limit)


def groups_of(pairs: Pairs, count: int) -> Codes:
    """(N,) number of the group that a sample is linked to by pairs; -1 for samples in no pair."""
    links = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    _, found = connected_components(links, directed=False)
    linked = np.zeros(count, np.bool_)
    linked[pairs.ravel()] = True
    groups = np.full(count, -1, np.int64)
    groups[linked] = np.unique(found[linked], return_inverse=True)[1]
    return groups


def equal_groups(keys: NDArray[np.generic]) -> Codes:
    """(N,) number of the group of samples with an equal key; -1 for keys that occur once."""
    _, codes, counts = np.unique(keys, return_inverse=True, return_counts=True)
    groups = np.full(len(keys), -1, np.int64)
    several = counts[codes] > 1
    groups[several] = np.unique(codes[several], return_inverse=True)[1]
    return groups


def _squares(block: Floats, chosen: Floats, norms: Floats) -> Floats:
    squares: Floats = block @ chosen.T
    squares *= -2
    squares += norms.astype(squares.dtype)
    squares += np.square(block).sum(axis=1)[:, None]
    return np.maximum(squares, 0, out=squares)


def _nothing(norms: Floats) -> float:
    """A squared distance that rounding alone can make."""
    return 1e-6 * float(norms.mean()) if len(norms) else 0.0


def _principal(vectors: Floats, seed: int) -> Floats:
    """(N, at most 48) projections on the first principal directions of a random part."""
    if vectors.shape[1] <= _PROJECTED:
        return vectors
    drawn = np.random.default_rng(seed).permutation(len(vectors))[:REFERENCE]
    centred = vectors[drawn] - vectors[drawn].mean(axis=0)
    _, directions = np.linalg.eigh(centred.T.astype(np.float64) @ centred)
    projected: Floats = vectors @ directions[:, -_PROJECTED:].astype(np.float32)
    return projected


def _all_pairs(vectors: Floats, limit: Floats) -> Pairs:
    norms = np.square(vectors, dtype=np.float64).sum(axis=1)
    slack = _nothing(norms)
    found = []
    for start in range(0, len(vectors), _BLOCK):
        block = vectors[start : start + _BLOCK]
        squares = _squares(block, vectors[start:], norms[start:])
        rows, columns = np.nonzero(squares <= limit[start : start + _BLOCK, None] ** 2 + slack)
        ahead = columns > rows
        found.append(np.stack([rows[ahead] + start, columns[ahead] + start], axis=1))
    return np.concatenate(found)


def _hashed_pairs(vectors: Floats, limit: Floats, seed: int) -> Pairs:
    random = np.random.default_rng(seed)
    count, size = vectors.shape
    bits = max(1, math.ceil(math.log2(max(count / 8, 2))))
    centred = vectors - np.median(vectors, axis=0)
    found = []
    for _ in range(_TABLES):
        directions = random.normal(size=(size, bits)).astype(np.float32)
        values = centred @ directions
        signs = values > np.median(values, axis=0)
        keys = signs @ (1 << np.arange(bits, dtype=np.int64))
        order = np.lexsort((values[:, 0], keys))
        for step in range(1, _REACH + 1):
            one, other = order[:-step], order[step:]
            same = keys[one] == keys[other]
            pairs = np.sort(np.stack([one[same], other[same]], axis=1), axis=1)
            found.append(_within(vectors, pairs, limit))  # a projection is never farther
    return np.unique(np.concatenate(found), axis=0)


def _within(vectors: Floats, pairs: Pairs, limit: Floats) -> Pairs:
    kept = []
    for start in range(0, len(pairs), 100_000):
        part = pairs[start : start + 100_000]
        gaps = vectors[part[:, 0]] - vectors[part[:, 1]]
        distances = np.sqrt(np.einsum("ij,ij->i", gaps, gaps))
        kept.append(part[distances <= np.minimum(limit[part[:, 0]], limit[part[:, 1]])])
    return np.concatenate(kept).astype(np.int64) if kept else np.empty((0, 2), np.int64)
