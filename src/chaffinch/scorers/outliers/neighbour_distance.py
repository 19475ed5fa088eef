"""Distance to the nearest gradients, and local outlier factor (Breunig et al., SIGMOD 2000)."""

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from chaffinch.core.evidence import Evidence
from chaffinch.core.scorer import once_per_evidence, scorer
from chaffinch.core.types import Floats
from chaffinch.scorers.outliers.sketched_gradient import GRADIENT_NEEDS, sketched_gradients

NUM_NEIGHBOURS = 20
_TINY = 1e-10  # the density of coinciding samples stays finite, as in scikit-learn

Neighbours = tuple[Floats, NDArray[np.int64]]


def nearest_rows(rows: Floats, k: int = NUM_NEIGHBOURS) -> Neighbours:
    """Distances (N, k) and positions (N, k) of the nearest other rows, by Euclidean distance.

    Args:
        rows: (N, K), at least two.
        k: Neighbours a row, at most N - 1; the nearest come first.
    """
    search = NearestNeighbors(n_neighbors=min(k, len(rows) - 1), algorithm="brute").fit(rows)
    distances, positions = search.kneighbors()
    return distances.astype(np.float64), positions


def local_outlier_factors(distances: Floats, positions: NDArray[np.int64]) -> Floats:
    """How much sparser the surroundings of a sample are than those of its neighbours.

    Args:
        distances: (N, k) to the nearest others, the nearest first.
        positions: (N, k) of these.

    Returns:
        (N,) about 1 for ordinary samples, higher = sparser.
    """
    reach = np.maximum(distances, distances[positions, -1])
    density = 1 / (reach.mean(axis=1) + _TINY)
    factors: Floats = density[positions].mean(axis=1) / density
    return factors


@once_per_evidence
def _neighbours(_evidence: Evidence) -> dict[int, Neighbours]:
    """Results of the search by seed of the sketch, kept for as long as the evidence."""
    return {}


def gradient_neighbours(evidence: Evidence, seed: int) -> Neighbours:
    """Nearest other gradients of each sample, see `nearest_rows`."""
    known = _neighbours(evidence)
    if seed not in known:
        known[seed] = nearest_rows(sketched_gradients(evidence, seed))
    return known[seed]


@scorer(
    "gradient_knn_distance",
    family="outliers",
    needs=GRADIENT_NEEDS,
    paper="Ramaswamy et al., Mining Outliers from Large Data Sets, SIGMOD 2000",
)
def gradient_knn_distance(evidence: Evidence, seed: int) -> Floats:
    """Mean distance of the last-layer gradient to its 20 nearest others."""
    if len(evidence) < 2:
        return np.zeros(len(evidence))
    distances: Floats = gradient_neighbours(evidence, seed)[0].mean(axis=1)
    return distances


@scorer(
    "gradient_lof",
    family="outliers",
    needs=GRADIENT_NEEDS,
    paper="Breunig et al., LOF: Identifying Density-Based Local Outliers, SIGMOD 2000",
)
def gradient_lof(evidence: Evidence, seed: int) -> Floats:
    """Local outlier factor of the last-layer gradient among its 20 nearest others."""
    if len(evidence) < 2:
        return np.ones(len(evidence))
    return local_outlier_factors(*gradient_neighbours(evidence, seed))
