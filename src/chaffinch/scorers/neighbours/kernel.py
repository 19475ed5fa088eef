"""What a classifier with a Gaussian kernel says of samples that it was not taught."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from chaffinch.core.randomness import stream
from chaffinch.core.types import Codes, Floats, Mask
from chaffinch.scorers.neighbours.knn import NARROW

LANDMARKS = 1_000
_CHOOSING = 300, 3_000  # landmarks, and samples, by which width and ridge are chosen
_SHARPNESS = (0.5, 1.0, 2.0, 4.0, 8.0)
_RIDGES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
_LEAST_EIGENVALUE = 1e-8
_BLOCK = 20_000


@dataclass(frozen=True)
class _Shape:
    """Width of the kernel, and how much weights cost.

    Attributes:
        sharpness: The kernel is exp(-sharpness d^2 / median d^2).
        ridge: Added to the squared singular values of the features.
    """

    sharpness: float
    ridge: float


def unseen_scores(
    rows: Floats, codes: Codes, num_classes: int, taught: Mask, seed: int = 0
) -> Floats:
    """Regularised least squares on the classes, in the space of a Gaussian kernel.

    The kernel is approximated from at most 1,000 landmarks (Nystroem; Williams and Seeger, NIPS
    2000). Its width and the ridge are those with the least squared error on samples left out one
    at a time, which least squares give in closed form (Allen's PRESS, 1974).

    Args:
        rows: (N, K) description of the samples, made without their labels.
        codes: (N,) classes.
        num_classes: C.
        taught: (N,) samples that it learns from; at least one.
        seed: Decides the landmarks.

    Returns:
        (N, C) estimates of the probability of each class, not confined to 0..1: of a taught sample
        from all others that are taught, of any other from all that are.
    """
    known = np.flatnonzero(taught)
    scaled = _scaled(rows)
    random = stream(seed, "landmarks of the kernel")
    few, some = _CHOOSING
    part = known if len(known) <= some else np.sort(random.choice(known, some, replace=False))
    shape = _choose(scaled[part], codes[part], num_classes, _drawn(len(part), few, random))
    marks = scaled[known[_drawn(len(known), LANDMARKS, random)]]
    features = _features(scaled, marks, shape.sharpness, _spread(scaled[known], marks))
    found: Floats = _press(features, _targets(codes, num_classes), known, shape.ridge)
    found += 1 / num_classes
    return found


def _scaled(rows: Floats) -> Floats:
    """(N, K) float64, centred; few columns are different quantities and get the same spread."""
    wide: Floats = np.array(rows, dtype=np.float64)
    wide -= wide.mean(axis=0)
    if wide.shape[1] <= NARROW:
        spread = wide.std(axis=0)
        wide /= np.where(spread > 0, spread, 1)
    return wide


def _drawn(count: int, most: int, random: np.random.Generator) -> NDArray[np.int64]:
    return np.sort(random.permutation(count)[:most])


def _targets(codes: Codes, num_classes: int) -> Floats:
    targets: Floats = np.eye(num_classes)[codes] - 1 / num_classes
    return targets


def _spread(rows: Floats, marks: Floats) -> float:
    """Median squared distance, 1 where all samples are alike."""
    squares = cdist(rows[: len(marks)], marks, "sqeuclidean")
    positive = squares[squares > 0]
    return float(np.median(positive)) if len(positive) else 1.0


def _choose(rows: Floats, codes: Codes, num_classes: int, places: NDArray[np.int64]) -> _Shape:
    marks, everyone = rows[places], np.arange(len(rows))
    targets = _targets(codes, num_classes)
    spread = _spread(rows, marks)
    best, least = _Shape(1.0, 1.0), np.inf
    for sharpness in _SHARPNESS:
        features = _features(rows, marks, sharpness, spread)
        for ridge in _RIDGES:
            found = _press(features, targets, everyone, ridge)
            error = float(((found - targets) ** 2).sum(axis=1).mean())
            if error < least:
                best, least = _Shape(sharpness, ridge), error
    return best


def _features(rows: Floats, marks: Floats, sharpness: float, spread: float) -> Floats:
    """(N, K) features whose products are the approximated kernel."""
    among = np.exp(-sharpness / spread * cdist(marks, marks, "sqeuclidean"))
    values, vectors = np.linalg.eigh(among)
    kept = values > _LEAST_EIGENVALUE * values[-1]
    turn = vectors[:, kept] / np.sqrt(values[kept])
    parts = [
        np.exp(-sharpness / spread * cdist(rows[start : start + _BLOCK], marks, "sqeuclidean"))
        @ turn
        for start in range(0, len(rows), _BLOCK)
    ]
    return np.concatenate(parts)


def _press(features: Floats, targets: Floats, known: NDArray[np.int64], ridge: float) -> Floats:
    """(N, C) fitted values; those of known rows as if the row itself had been left out."""
    own = features[known]
    inverse = np.linalg.inv(own.T @ own + ridge * np.eye(features.shape[1]))
    found: Floats = features @ (inverse @ (own.T @ targets[known]))
    leverage = np.einsum("nk,nk->n", own @ inverse, own)[:, None]
    found[known] = (found[known] - leverage * targets[known]) / np.maximum(1 - leverage, 1e-9)
    return found
