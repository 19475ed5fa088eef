"""Uncertainty of an ensemble of predictions, split into noise in the data and lack of knowledge."""

from dataclasses import dataclass

import numpy as np

from chaffinch.core.types import Floats
from chaffinch.scorers.probability import softmax


@dataclass(frozen=True, eq=False)
class Uncertainty:
    """Four measures of N samples, all in the direction "higher = less certain".

    Attributes:
        total: (N,) entropy of the mean prediction, in nats.
        aleatoric: (N,) mean entropy of the predictions: what all members agree to be unsure of.
        epistemic: (N,) total less aleatoric: mutual information of prediction and member (BALD),
            large where sure members contradict each other. Never below zero.
        variation_ratio: (N,) share of the members that do not predict the most predicted class.
    """

    total: Floats
    aleatoric: Floats
    epistemic: Floats
    variation_ratio: Floats


def entropy(probabilities: Floats) -> Floats:
    """(N,) entropy in nats of the rows of (N, C) probabilities; 0 log 0 = 0."""
    logs = np.log(probabilities, out=np.zeros(probabilities.shape), where=probabilities > 0)
    found: Floats = np.maximum(-(probabilities * logs).sum(axis=1), 0)
    return found


def mean_probabilities(logits: Floats) -> Floats:
    """(N, C) mean of the softmax of (S, N, C) logits over the members, one at a time."""
    total = softmax(logits[0])
    for member in logits[1:]:
        total += softmax(member)
    return total / len(logits)


def decompose(logits: Floats) -> Uncertainty:
    """Uncertainty of (S, N, C) logits of S members (passes, models or checkpoints).

    Depeweg et al., *Decomposition of Uncertainty in Bayesian Deep Learning*, ICML 2018; Gal,
    *Uncertainty in Deep Learning*, 2016 (variation ratio). With one member nothing is epistemic.
    """
    members, num_samples, num_classes = logits.shape
    mean = np.zeros((num_samples, num_classes))
    aleatoric = np.zeros(num_samples)
    predicted = np.zeros((num_samples, num_classes), dtype=np.int64)
    for member in logits:
        probabilities = softmax(member)
        mean += probabilities
        aleatoric += entropy(probabilities)
        predicted[np.arange(num_samples), member.argmax(axis=1)] += 1
    total = entropy(mean / members)
    aleatoric /= members
    return Uncertainty(
        total, aleatoric, np.maximum(total - aleatoric, 0), 1 - predicted.max(axis=1) / members
    )
