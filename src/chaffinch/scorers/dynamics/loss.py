"""Loss of the given label: after the last epoch, averaged over all, and in every epoch."""

import numpy as np

from chaffinch.core.evidence import Evidence
from chaffinch.core.scorer import once_per_evidence, scorer
from chaffinch.core.types import Codes, Floats, Mask
from chaffinch.scorers.probability import cross_entropy, margin, mean_over_epochs


def mean_loss(logits: Floats, codes: Codes) -> Floats:
    """(N,) cross-entropy averaged over the epochs of (E, N, C) logits."""
    return mean_over_epochs(logits, lambda epoch: cross_entropy(epoch, codes))


@once_per_evidence
def losses_by_epoch(evidence: Evidence) -> Floats:
    """(E, N) cross-entropy of the given label, in nats; its exponential is 1 / probability."""
    codes = evidence.labels.codes
    return np.stack([cross_entropy(epoch, codes) for epoch in evidence.need("logits")])


def right_by_epoch(logits: Floats, codes: Codes) -> Mask:
    """(E, N) whether the given label has the largest of (E, N, C) logits, alone."""
    return np.stack([margin(epoch, codes) > 0 for epoch in logits])


@scorer(
    "loss_last",
    family="dynamics",
    needs=("logits",),
    paper="Huang et al., O2U-Net, ICCV 2019 (small-loss criterion)",
)
def loss_last(evidence: Evidence, _seed: int) -> Floats:
    """Cross-entropy of the given label in the last epoch; blind where the net has memorised."""
    return cross_entropy(evidence.need("logits")[-1], evidence.labels.codes)


@scorer(
    "loss_mean",
    family="dynamics",
    needs=("logits",),
    paper="Huang et al., O2U-Net, ICCV 2019 (normalised average loss)",
)
def loss_mean(evidence: Evidence, _seed: int) -> Floats:
    """Cross-entropy of the given label averaged over epochs; strong where nets memorise late."""
    return mean_loss(evidence.need("logits"), evidence.labels.codes)
