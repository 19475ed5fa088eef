"""How many labels contradict what the model has learned, from the outputs of one epoch.

While a model trains, its outputs for a sample were made before the step that used the sample. As
long as it has not memorised single samples, they are near to predictions of samples not seen, and
the two reasons for a label to look unlikely can be told apart: a soft prediction (the model does
not know yet) and a label that no softening explains. The given label is taken to be right with
probability ``1 - rate``, otherwise to be any other class, and the outputs to be right up to one
factor,

    ``q_i = (1 - rate) p_i + rate (1 - p_i) / (C - 1)``,  ``p_i = softmax(sharpness * z_i)[y_i]``.

Both numbers are found by maximum likelihood: the mixture of a softmax and uniform noise is that of
Goldberger and Ben-Reuven (ICLR 2017) with one parameter, the factor an inverse temperature (Guo et
al., ICML 2017). Memorising makes the estimate fall, never rise. Labels that are confused always in
the same way are learned as a soft prediction and not counted.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from chaffinch.core.types import Codes, Floats

_SHARPNESS = np.geomspace(0.25, 8.0, 6)
_FLOOR = 1e-6
_PASSES = 10
_LEAST = 20
_MOST_GROUPS = 200
_MOST = 50.0
"""Exponents are cut here; the probability is below the floor by then."""


@dataclass(frozen=True)
class LabelNoise:
    """Share of labels that no softening explains.

    Attributes:
        rate: In 0..1.
        sharpness: Factor of the outputs; above 1 for a model that is less sure than it may be.
        evidence: Twice the gain in log-likelihood over a rate of 0, as in a likelihood-ratio test.
        count: Samples it was estimated from.
    """

    rate: float
    sharpness: float
    evidence: float
    count: int


def estimate_noise(logits: Floats, codes: Codes) -> LabelNoise | None:
    """Fit rate and sharpness by maximum likelihood.

    Args:
        logits: (n, C) outputs; rows that are not finite are left out.
        codes: (n,) given labels in 0..C - 1; rows with another code are left out.

    Returns:
        The estimate, or None where fewer than 20 samples or 2 classes are left.
    """
    num_classes = logits.shape[1]
    known = np.isfinite(logits).all(axis=1) & (codes >= 0) & (codes < num_classes)
    rows = np.flatnonzero(known)
    if len(rows) < _LEAST or num_classes < 2:
        return None
    centred = np.asarray(logits[rows], dtype=np.float64)
    centred = centred - centred[np.arange(len(rows)), codes[rows]][:, None]
    sharpness, with_noise = _fit(centred, free=True)
    rate = best_rate(_own(centred, sharpness), num_classes)
    _, without = _fit(centred, free=False) if rate > 0 else (sharpness, with_noise)
    evidence = 2 * len(rows) * max(0.0, with_noise - without)
    return LabelNoise(rate, sharpness, evidence, len(rows))


@dataclass(frozen=True)
class NoiseGap:
    """Noise of the labels of one group beside that of all others.

    Attributes:
        count: Samples of the group.
        rate: Share of its labels that no softening explains, 0..1.
        elsewhere: The same of all others.
        evidence: Twice the gain in log-likelihood over one rate for all.
    """

    count: int
    rate: float
    elsewhere: float
    evidence: float

    @property
    def ratio(self) -> float:
        """How many times the rate of the others, which counts as one sample at least."""
        return self.rate / max(self.elsewhere, 1 / max(self.count, 1))


def compare_noise(
    logits: Floats, codes: Codes, groups: NDArray[Any], sharpness: float
) -> dict[str, NoiseGap]:
    """Estimate the rate of each group and of all others, at one sharpness.

    Args:
        logits: (n, C) outputs; rows that are not finite are left out.
        codes: (n,) given labels; rows with a code that is none of a class are left out.
        groups: (n,) group of each sample.
        sharpness: As estimated from all samples.

    Returns:
        By name of each group of 20 samples and more; none for more than 200 groups.
    """
    num_classes = logits.shape[1]
    rows = np.flatnonzero(np.isfinite(logits).all(axis=1) & (codes >= 0) & (codes < num_classes))
    names, place = np.unique(np.asarray(groups)[rows], return_inverse=True)
    if not 1 < len(names) <= _MOST_GROUPS:
        return {}
    centred = np.asarray(logits[rows], dtype=np.float64)
    own = _own(centred - centred[np.arange(len(rows)), codes[rows]][:, None], sharpness)
    joint = len(own) * _likelihood(own, best_rate(own, num_classes), num_classes)
    found = {}
    for number, name in enumerate(names):
        parts = own[place == number], own[place != number]
        if min(map(len, parts)) < _LEAST:
            continue
        rates = [best_rate(part, num_classes) for part in parts]
        apart = sum(
            len(part) * _likelihood(part, rate, num_classes)
            for part, rate in zip(parts, rates, strict=True)
        )
        gain = max(0.0, 2 * (apart - joint))
        found[str(name)] = NoiseGap(len(parts[0]), rates[0], rates[1], gain)
    return found


def _own(centred: Floats, sharpness: float) -> Floats:
    """(n,) probability of the given label, from outputs less that at the label."""
    return np.asarray(1 / np.exp(np.minimum(sharpness * centred, _MOST)).sum(axis=1))


def _fit(centred: Floats, free: bool) -> tuple[float, float]:
    """Sharpness and mean log-likelihood where it is greatest, with a free rate or a rate of 0."""

    def cost(sharpness: float) -> float:
        probability = _own(centred, sharpness)
        rate = best_rate(probability, centred.shape[1]) if free else 0.0
        return -_likelihood(probability, rate, centred.shape[1])

    at = int(np.argmin([cost(value) for value in _SHARPNESS]))
    low, high = _SHARPNESS[max(0, at - 1)], _SHARPNESS[min(len(_SHARPNESS) - 1, at + 1)]
    found = minimize_scalar(
        lambda value: cost(float(np.exp(value))),
        bounds=(np.log(low), np.log(high)),
        method="bounded",
        options={"xatol": 0.02, "maxiter": _PASSES},
    )
    return float(np.exp(found.x)), -float(found.fun)


def best_rate(probability: Floats, num_classes: int) -> float:
    """Rate of greatest likelihood, to within 1e-4, for given probabilities of the labels.

    The log-likelihood is concave in the rate, so the root of its slope is found by bisection.

    Args:
        probability: (n,) of the given label.
        num_classes: C.
    """
    start = np.maximum(probability, _FLOOR)
    # q is a straight line in the rate, and at 1 - 1/C all labels are equally likely.
    slope = (1 - probability) / (num_classes - 1) - start
    low, high = 0.0, 1 - 1 / num_classes
    if (slope / start).mean() <= 0:
        return 0.0
    for _ in range(14):
        middle = (low + high) / 2
        rising = (slope / (start + middle * slope)).mean() > 0
        low, high = (middle, high) if rising else (low, middle)
    return (low + high) / 2


def _likelihood(probability: Floats, rate: float, num_classes: int) -> float:
    start = np.maximum(probability, _FLOOR)
    slope = (1 - probability) / (num_classes - 1) - start
    return float(np.log(start + rate * slope).mean())
