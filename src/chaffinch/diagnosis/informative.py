"""Informative or harmful: which of the samples that a model finds hard are worth keeping.

A rare but right sample looks like a wrong one to every score of difficulty. What tells them apart
is whether anything *else* speaks for the given label: neighbours that carry it (it is rare, not
single), models that never saw the sample and come to its label all the same (it follows a rule),
and a gradient that lowers the loss on clean validation samples (learning it helps).
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from chaffinch.core.evidence import Evidence
from chaffinch.core.types import Codes, Floats
from chaffinch.scorers.neighbours.knn import NUM_NEIGHBOURS, neighbourhood
from chaffinch.scorers.outliers.last_layer import output_errors
from chaffinch.scorers.probability import log_softmax, mean_over_epochs, pick

LEARNED = 0.5
"""A sample to whose label the epochs gave this probability on average is hard no more."""

ENOUGH = 0.5
"""So large a share of neighbours, or of probability, speaks for a label as much as can be asked."""


@dataclass(frozen=True, eq=False)
class Informative:
    """What speaks for and against the samples that are hard to learn.

    Attributes:
        hardness: (N,) 0 = learned in a moment, 1 = hardly ever learned.
        support: (N,) 0 = nothing but the given label speaks for it, 1 = all signs do; the mean of
            `signs`.
        signs: (N,) arrays in 0..1 by name: ``frequency`` (neighbours with the label),
            ``consistency`` (models that never saw the sample), ``effect`` (on validation samples);
            those that the evidence allows.
    """

    hardness: Floats
    support: Floats
    signs: dict[str, Floats] = field(default_factory=dict)

    @property
    def probability(self) -> Floats:
        """(N,) how far the sample is hard and right; multiply by the probability of no harm."""
        return self.hardness * self.support


def informative(evidence: Evidence) -> Informative:
    """Weigh what speaks for the given labels of samples that are hard to learn.

    Hardness is low confidence over the epochs, as in the hard-to-learn region of data maps
    (Swayamdipta et al., *Dataset Cartography*, EMNLP 2020); a rare kind of sample is likely to be
    there, and to be needed there (Feldman, *Does Learning Require Memorization?*, STOC 2020).

    Args:
        evidence: With logits, held-out logits, or neither: then nothing is hard.

    Returns:
        Hardness and support, without a threshold.
    """
    codes = evidence.labels.codes
    logits = evidence.logits if evidence.logits is not None else evidence.held_out_logits
    hardness = np.zeros(len(codes))
    if logits is not None:
        confidence = _mean_confidence(logits, codes)
        hardness = np.clip((1 - confidence) / (1 - LEARNED), 0, 1)
    signs: dict[str, Floats] = {}
    if evidence.has("embeddings") and len(codes) > 1:
        signs["frequency"] = np.minimum(own_share(evidence) / ENOUGH, 1)
    if evidence.held_out_logits is not None:
        held_out = evidence.held_out_logits
        unseen = confidence if held_out is logits else _mean_confidence(held_out, codes)
        signs["consistency"] = np.minimum(unseen / ENOUGH, 1)
    if can_tell_effect(evidence):
        signs["effect"] = (validation_effect(evidence) > 0).astype(np.float64)
    support = np.mean(list(signs.values()), axis=0) if signs else np.zeros(len(codes))
    return Informative(hardness, support, signs)


def _mean_confidence(logits: Floats, codes: Codes) -> Floats:
    """(N,) probability of the given label, averaged over the epochs of (E, N, C) logits."""
    return mean_over_epochs(logits, lambda epoch: np.exp(pick(log_softmax(epoch), codes)))


def own_share(evidence: Evidence) -> Floats:
    """(N,) share of the 10 nearest neighbours that carry the label of the sample."""
    codes = evidence.labels.codes
    nearest: NDArray[np.int64] = neighbourhood(evidence)[0][:, :NUM_NEIGHBOURS]
    share: Floats = (codes[nearest] == codes[:, None]).mean(axis=1)
    return share


def can_tell_effect(evidence: Evidence) -> bool:
    """Whether there are the factors of gradients on both sides."""
    needed = ("logits", "features", "validation_logits", "validation_features", "validation_codes")
    return all(map(evidence.has, needed))


def lasting_errors(evidence: Evidence) -> Floats:
    """(N, C) probabilities minus one-hot label, averaged over the epochs.

    In the last epoch alone a memorised sample has no error left, and no gradient.
    """
    codes = evidence.labels.codes
    return mean_over_epochs(evidence.need("logits"), lambda one: output_errors(one, codes))


def layer_inputs(features: Floats, bias: bool) -> Floats:
    """(N, I) inputs of the last layer, with the 1 of the bias where there is one."""
    inputs = np.asarray(features, dtype=np.float64)
    return np.column_stack([inputs, np.ones(len(inputs))]) if bias else inputs


def validation_effect(evidence: Evidence) -> Floats:
    """(N,) how much a step on the sample lowers the loss on the validation samples.

    The sum over validation samples of products of last-layer gradients, as in TracIn (Pruthi et
    al., NeurIPS 2020), with errors averaged over the epochs and the features of the last one.
    Positive = helps: an influence, not a score.

    Raises:
        InputError: A record is missing; `can_tell_effect` says so beforehand.
    """
    held = np.asarray(evidence.need("validation_codes"), dtype=np.int64)
    target_errors = output_errors(evidence.need("validation_logits"), held)
    target_inputs = layer_inputs(evidence.need("validation_features"), evidence.bias)
    inputs = layer_inputs(evidence.need("features"), evidence.bias)
    whole = target_errors.T.astype(np.float64) @ target_inputs
    effect: Floats = np.einsum("nc,nc->n", lasting_errors(evidence), inputs @ whole.T)
    return effect
