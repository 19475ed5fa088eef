"""Mahalanobis distance of gradients with a shrunk covariance (Ledoit and Wolf, 2004)."""

import numpy as np
from sklearn.covariance import ledoit_wolf

from chaffinch.core.evidence import Evidence
from chaffinch.core.scorer import scorer
from chaffinch.core.types import Codes, Floats
from chaffinch.scorers.outliers.sketched_gradient import GRADIENT_NEEDS, sketched_gradients

_PAPER = "Ledoit and Wolf, 2004; on gradients after Chhabra et al., ICML 2025"
_RIDGE = 1e-10  # of the mean variance: shrinkage vanishes where samples are many


def mahalanobis_distances(rows: Floats) -> Floats:
    """Distance of each row from the mean of all, in units of their spread in that direction.

    Args:
        rows: (N, K).

    Returns:
        (N,) float64; 0 for a single row and where all rows are the same.
    """
    away = np.asarray(rows, dtype=np.float64)
    away = away - away.mean(axis=0)
    scale = float(np.sqrt((away**2).mean()))
    if len(away) < 2 or scale <= _smallest_scale(rows):
        return np.zeros(len(away))
    away /= scale  # gradients may be so small that their squares vanish
    covariance, _ = ledoit_wolf(away, assume_centered=True)
    covariance += _RIDGE * np.eye(len(covariance))
    squares = (away * np.linalg.solve(covariance, away.T).T).sum(axis=1)
    distances: Floats = np.sqrt(np.maximum(squares, 0))
    return distances


def distances_in_class(rows: Floats, codes: Codes) -> Floats:
    """(N,) `mahalanobis_distances` of (N, K) rows among those of the same given label."""
    scores = np.zeros(len(codes))
    for code in np.unique(codes):
        members = codes == code
        scores[members] = mahalanobis_distances(rows[members])
    return scores


def _smallest_scale(rows: Floats) -> float:
    """Differences below this are rounding of rows that are all the same."""
    return 1e-6 * float(np.abs(rows).max(initial=0)) + 1e-150


@scorer("gradient_mahalanobis", family="outliers", needs=GRADIENT_NEEDS, paper=_PAPER)
def gradient_mahalanobis(evidence: Evidence, seed: int) -> Floats:
    """Mahalanobis distance of the last-layer gradient from the mean of all."""
    return mahalanobis_distances(sketched_gradients(evidence, seed))


@scorer("gradient_mahalanobis_by_class", family="outliers", needs=GRADIENT_NEEDS, paper=_PAPER)
def gradient_mahalanobis_by_class(evidence: Evidence, seed: int) -> Floats:
    """Mahalanobis distance of the last-layer gradient from the mean of its given class."""
    return distances_in_class(sketched_gradients(evidence, seed), evidence.labels.codes)
