"""Likelihood of given labels under stacked predictions and a model of label noise."""

import numpy as np

from chaffinch.core.types import Codes, Floats
from chaffinch.scorers.probability import normalise

LEAST = np.log(1e-6)
"""Log-probabilities are cut here: a prediction made in float32 is never surer than that."""


def centred(source: Floats) -> Floats:
    """(N, C) float64 log-probabilities: normalised, and cut so that no class is impossible."""
    wide = np.array(source, dtype=np.float64)
    normalise(wide)
    return np.maximum(wide, LEAST, out=wide)


def cost_of_rate(parameters: Floats, stack: Floats, codes: Codes) -> tuple[float, Floats]:
    """Mean negative log-likelihood of the given labels and its gradient by weights and rate."""
    weights, rate = parameters[:-1], parameters[-1]
    num_classes = stack.shape[2]
    rows = np.arange(len(codes))
    total = np.tensordot(weights, stack, axes=1)
    normalise(total)
    probabilities = np.exp(total)
    own = probabilities[rows, codes]
    slope = 1 - rate - rate / (num_classes - 1)
    seen = rate / (num_classes - 1) + slope * own
    by_own = -slope / seen
    picked = stack[:, rows, codes]
    expected = (stack * probabilities).sum(axis=2)
    by_weights = (by_own * own * (picked - expected)).mean(axis=1)
    by_rate = (-(1 / (num_classes - 1) - own * num_classes / (num_classes - 1)) / seen).mean()
    return -float(np.log(seen).mean()), np.append(by_weights, by_rate)


def cost_at_rates(
    weights: Floats, stack: Floats, rates: Floats, codes: Codes
) -> tuple[float, Floats]:
    """Mean negative log-likelihood of the given labels and its gradient by the weights.

    Args:
        weights: (R,).
        stack: (R, N, C) as from `centred`.
        rates: (N,) rate of wrong labels of each sample, spread evenly over the other classes.
        codes: (N,) given labels.
    """
    rows = np.arange(len(codes))
    probabilities = stacked(weights, stack)
    own = probabilities[rows, codes]
    spread = rates / (stack.shape[2] - 1)
    slope = 1 - rates - spread
    seen = np.maximum(spread + slope * own, 1e-300)
    pull = stack[:, rows, codes] - (stack * probabilities).sum(axis=2)
    return -float(np.log(seen).mean()), (-slope / seen * own * pull).mean(axis=1)


def stacked(weights: Floats, stack: Floats) -> Floats:
    """(N, C) probabilities of the right class before the given label is seen."""
    total = np.tensordot(weights, stack, axes=1)
    normalise(total)
    return np.exp(total, out=total)


def right_classes(probabilities: Floats, transition: Floats, codes: Codes) -> Floats:
    """(N, C) probabilities of the right class, given the label."""
    joint = probabilities * transition[:, codes].T
    joint /= joint.sum(axis=1, keepdims=True)
    return joint


def cost_of_weights(
    weights: Floats, stack: Floats, transition: Floats, codes: Codes
) -> tuple[float, Floats]:
    """Mean negative log-likelihood of the given labels and its gradient by the weights."""
    probabilities = stacked(weights, stack)
    joint = probabilities * transition[:, codes].T
    seen = np.maximum(joint.sum(axis=1, keepdims=True), 1e-300)
    pull = joint / seen - probabilities
    return -float(np.log(seen).mean()), -(stack * pull).sum(axis=2).mean(axis=1)
