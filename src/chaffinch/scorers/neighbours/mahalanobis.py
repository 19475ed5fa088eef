"""Mahalanobis distances to means of classes, with one covariance for all classes."""

import numpy as np
from sklearn.covariance import ledoit_wolf

from chaffinch.core.evidence import Evidence
from chaffinch.core.scorer import once_per_evidence, scorer
from chaffinch.core.types import Codes, Floats
from chaffinch.scorers.neighbours.cosine import members

_PAPER = "Lee et al., A Simple Unified Framework for Detecting OOD Samples, NeurIPS 2018"
_TINY = 1e-6


def centred_by_class(rows: Floats, codes: Codes, num_classes: int) -> tuple[Floats, Floats]:
    """(M, K) rows less the means of their classes, and (C, K) means, NaN for absent classes."""
    centred = np.array(rows, dtype=np.float64)
    means = np.full((num_classes, centred.shape[1]), np.nan)
    for code, own in enumerate(members(codes, num_classes)):
        if len(own):
            means[code] = centred[own].mean(axis=0)
            centred[own] -= means[code]
    return centred, means


def spread_factor(centred: Floats, largest: float) -> Floats | None:
    """(K, K) lower factor L of the covariance L L^T of (M, K) centred rows.

    The covariance is shrunk towards a multiple of the identity (Ledoit and Wolf, 2004), so that
    dead columns and more columns than samples do no harm.

    Args:
        centred: Rows less their means.
        largest: Size of the rows themselves, which tells spread from rounding errors.

    Returns:
        L, or None where no row differs from its mean.
    """
    scale = np.abs(centred).max(initial=0)
    if scale <= _TINY * largest:  # rounding of a mean of equal rows
        return None
    covariance, _ = ledoit_wolf(centred / scale, assume_centered=True)
    smallest = 1e-9 * np.trace(covariance)  # no shrinkage at all leaves dead columns singular
    factor: Floats = scale * np.linalg.cholesky(covariance + smallest * np.eye(len(covariance)))
    return factor


def class_distances(rows: Floats, codes: Codes, num_classes: int) -> Floats:
    """(N,) squared Mahalanobis distances of (N, K) rows to the means of their classes.

    Zero throughout where no sample differs from the mean of its class.
    """
    centred, _ = centred_by_class(rows, codes, num_classes)
    factor = spread_factor(centred, np.abs(rows).max(initial=0))
    if factor is None:
        return np.zeros(len(rows))
    distances: Floats = (np.linalg.solve(factor, centred.T) ** 2).sum(axis=0)
    return distances


def distances_to_known(rows: Floats, known: Floats, codes: Codes, num_classes: int) -> Floats:
    """Squared Mahalanobis distances to the classes of other samples.

    Args:
        rows: (N, K) samples to judge.
        known: (M, K) samples whose classes are known.
        codes: (M,) these classes.
        num_classes: C.

    Returns:
        (N, C) distances under the covariance within the classes of ``known``, infinite for classes
        that have none. Plain squared distances where none of ``known`` differs from its mean, zero
        throughout where there are none.
    """
    if not len(known):
        return np.zeros((len(rows), num_classes))
    centred, means = centred_by_class(known, codes, num_classes)
    factor = spread_factor(centred, np.abs(known).max(initial=0))
    factor = np.eye(means.shape[1]) if factor is None else factor
    whitened = np.linalg.solve(factor, np.asarray(rows, dtype=np.float64).T).T
    distances = np.full((len(rows), num_classes), np.inf)
    for code, mean in enumerate(means):
        if not np.isnan(mean).any():
            distances[:, code] = ((whitened - np.linalg.solve(factor, mean)) ** 2).sum(axis=1)
    return distances


def _to_validation(evidence: Evidence, space: str) -> Floats:
    known = f"validation_{space}"
    codes = np.asarray(evidence.need("validation_codes"), dtype=np.int64)
    rows, targets = evidence.need(space), evidence.need(known)
    return distances_to_known(rows, targets, codes, len(evidence.labels.classes))


@once_per_evidence
def _in_features(evidence: Evidence) -> Floats:
    return _to_validation(evidence, "features")


@once_per_evidence
def _in_embeddings(evidence: Evidence) -> Floats:
    return _to_validation(evidence, "embeddings")


def _nearest(distances: Floats) -> Floats:
    """(N,) the distance to the nearest class."""
    nearest: Floats = distances.min(axis=1)
    return nearest


def _own(distances: Floats, codes: Codes) -> Floats:
    """(N,) the distance to the own class, or to the nearest where the own one is unknown."""
    own = distances[np.arange(len(codes)), codes]
    return np.where(np.isfinite(own), own, _nearest(distances))


@scorer("class_mahalanobis", family="neighbours", needs=("features|embeddings",), paper=_PAPER)
def class_mahalanobis(evidence: Evidence, _seed: int) -> Floats:
    """Squared Mahalanobis distance to the mean of the own class in the features."""
    return class_distances(
        evidence.need_any("features", "embeddings"),
        evidence.labels.codes,
        len(evidence.labels.classes),
    )


_FEATURES = ("features", "validation_features", "validation_codes")
_EMBEDDINGS = ("embeddings", "validation_embeddings", "validation_codes")


@scorer("validation_mahalanobis", family="neighbours", needs=_FEATURES, paper=_PAPER)
def validation_mahalanobis(evidence: Evidence, _seed: int) -> Floats:
    """Squared Mahalanobis distance to the nearest class of the validation samples' features."""
    return _nearest(_in_features(evidence))


@scorer("validation_mahalanobis_embedding", family="neighbours", needs=_EMBEDDINGS, paper=_PAPER)
def validation_mahalanobis_embedding(evidence: Evidence, _seed: int) -> Floats:
    """Squared Mahalanobis distance to the nearest class of the validation samples' embeddings."""
    return _nearest(_in_embeddings(evidence))


@scorer("validation_class_mahalanobis", family="neighbours", needs=_FEATURES, paper=_PAPER)
def validation_class_mahalanobis(evidence: Evidence, _seed: int) -> Floats:
    """Squared Mahalanobis distance to the own class of the validation samples' features."""
    return _own(_in_features(evidence), evidence.labels.codes)


@scorer(
    "validation_class_mahalanobis_embedding", family="neighbours", needs=_EMBEDDINGS, paper=_PAPER
)
def validation_class_mahalanobis_embedding(evidence: Evidence, _seed: int) -> Floats:
    """Squared Mahalanobis distance to the own class of the validation samples' embeddings."""
    return _own(_in_embeddings(evidence), evidence.labels.codes)
