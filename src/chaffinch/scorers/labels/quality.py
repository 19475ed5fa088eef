"""Label quality from predicted probabilities (Northcutt et al., JAIR 2021; Kuan and Mueller, 2022).

Held-out probabilities are used where they were collected, else those of the last epoch in training;
the variants ``..._in_sample`` always use those of the training.
"""

import numpy as np
from scipy.special import xlogy

from chaffinch.core.evidence import Evidence
from chaffinch.core.scorer import once_per_evidence, scorer
from chaffinch.core.types import Codes, Floats
from chaffinch.scorers.probability import margin, pick, softmax

_PAPER = "Kuan and Mueller, Model-agnostic label quality scoring, ICML workshop 2022"
_ANY = ("held_out_logits|logits",)
_TRAINED = ("logits",)
_SMALLEST = 1e-300  # keeps a quotient finite


@once_per_evidence
def final_probabilities(evidence: Evidence) -> Floats:
    """(N, C) probabilities of the last epoch, held-out where there are such."""
    return softmax(evidence.need_any("held_out_logits", "logits")[-1])


@once_per_evidence
def trained_probabilities(evidence: Evidence) -> Floats:
    """(N, C) probabilities of the last epoch of the model that saw the labels."""
    return softmax(evidence.need("logits")[-1])


def quality_by_confidence(probabilities: Floats, codes: Codes) -> Floats:
    """(N,) probability of the given label, in 0..1; low = suspicious."""
    return pick(probabilities, codes)


def quality_by_margin(probabilities: Floats, codes: Codes) -> Floats:
    """(N,) (p_y - max of the others + 1) / 2, in 0..1; low = suspicious."""
    return (margin(probabilities, codes) + 1) / 2


def quality_by_entropy(probabilities: Floats, codes: Codes) -> Floats:
    """(N,) confidence-weighted entropy, in 0..1; low = suspicious.

    With r = entropy / (ln C p_y), the quality is ln(1 + r) / r. It is 1 for a sure prediction of
    the given label and 0 where that label is impossible. cleanlab cuts r and p_y at 1e-6, whereby
    a label predicted with certainty gets the lowest quality of all; elsewhere the two agree.
    """
    own = pick(probabilities, codes)
    entropy = -xlogy(probabilities, probabilities).sum(axis=1)
    entropy /= np.log(max(probabilities.shape[1], 2))
    ratio = np.maximum(entropy, 0) / np.maximum(own, _SMALLEST)
    quality = np.where(ratio > 0, np.log1p(ratio) / np.where(ratio > 0, ratio, 1), 1.0)
    return np.where(own > 0, quality, 0.0)


@scorer("self_confidence", family="labels", needs=_ANY, paper=_PAPER)
def self_confidence(evidence: Evidence, _seed: int) -> Floats:
    """One minus the predicted probability of the given label."""
    return 1 - quality_by_confidence(final_probabilities(evidence), evidence.labels.codes)


@scorer("normalized_margin", family="labels", needs=_ANY, paper=_PAPER)
def normalized_margin(evidence: Evidence, _seed: int) -> Floats:
    """One minus the scaled margin of the given label's probability over the next."""
    return 1 - quality_by_margin(final_probabilities(evidence), evidence.labels.codes)


@scorer("weighted_entropy", family="labels", needs=_ANY, paper=_PAPER)
def weighted_entropy(evidence: Evidence, _seed: int) -> Floats:
    """One minus the confidence-weighted entropy: doubt, weighed by how unlikely the label is."""
    return 1 - quality_by_entropy(final_probabilities(evidence), evidence.labels.codes)


@scorer("self_confidence_in_sample", family="labels", needs=_TRAINED, paper=_PAPER)
def self_confidence_in_sample(evidence: Evidence, _seed: int) -> Floats:
    """As self_confidence, from the model that was trained on the label."""
    return 1 - quality_by_confidence(trained_probabilities(evidence), evidence.labels.codes)


@scorer("normalized_margin_in_sample", family="labels", needs=_TRAINED, paper=_PAPER)
def normalized_margin_in_sample(evidence: Evidence, _seed: int) -> Floats:
    """As normalized_margin, from the model that was trained on the label."""
    return 1 - quality_by_margin(trained_probabilities(evidence), evidence.labels.codes)


@scorer("weighted_entropy_in_sample", family="labels", needs=_TRAINED, paper=_PAPER)
def weighted_entropy_in_sample(evidence: Evidence, _seed: int) -> Floats:
    """As weighted_entropy, from the model that was trained on the label."""
    return 1 - quality_by_entropy(trained_probabilities(evidence), evidence.labels.codes)
