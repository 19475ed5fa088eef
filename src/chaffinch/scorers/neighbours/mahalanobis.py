"""Mahalanobis distance to the mean of the class, with one covariance for all classes."""

import numpy as np
from sklearn.covariance import ledoit_wolf

from chaffinch.core.evidence import Evidence
from chaffinch.core.scorer import scorer
from chaffinch.core.types import Codes, Floats
from chaffinch.scorers.neighbours.cosine import members


def class_distances(rows: Floats, codes: Codes, num_classes: int) -> Floats:
    """(N,) squared Mahalanobis distances of (N, K) rows to the means of their classes.

    The covariance within the classes is shrunk towards a multiple of the identity (Ledoit and
    Wolf 2004), so that dead columns and more columns than samples do no harm. Zero throughout
    where no sample differs from the mean of its class.
    """
    centred = np.array(rows, dtype=np.float64)
    for own in members(codes, num_classes):
        if len(own):
            centred[own] -= centred[own].mean(axis=0)
    scale = np.abs(centred).max(initial=0)
    if scale <= 1e-6 * np.abs(rows).max(initial=0):  # rounding of a mean of equal rows
        return np.zeros(len(rows))
    centred /= scale
    covariance, _ = ledoit_wolf(centred, assume_centered=True)
    smallest = 1e-9 * np.trace(covariance)  # no shrinkage at all leaves dead columns singular
    factor = np.linalg.cholesky(covariance + smallest * np.eye(len(covariance)))
    whitened = np.linalg.solve(factor, centred.T)
    distances: Floats = (whitened**2).sum(axis=0)
    return distances


@scorer(
    "class_mahalanobis",
    family="neighbours",
    needs=("features|embeddings",),
    paper="Lee et al., A Simple Unified Framework for Detecting OOD Samples, NeurIPS 2018",
)
def class_mahalanobis(evidence: Evidence, _seed: int) -> Floats:
    """Squared Mahalanobis distance to the mean of the own class in the features."""
    return class_distances(
        evidence.need_any("features", "embeddings"),
        evidence.labels.codes,
        len(evidence.labels.classes),
    )
