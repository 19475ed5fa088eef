"""Data-IQ: what the model is unsure of, and what it is surely against (Seedat et al., 2022)."""

import numpy as np

from chaffinch.core.evidence import Evidence
from chaffinch.core.scorer import scorer
from chaffinch.core.types import Floats
from chaffinch.scorers.dynamics.loss import losses_by_epoch

_PAPER = "Seedat et al., Data-IQ, NeurIPS 2022"


def aleatoric_uncertainty(probabilities: Floats) -> Floats:
    """(N,) mean over epochs of p (1 - p) of the given label's probabilities (E, N); 0..0.25."""
    unsure: Floats = (probabilities * (1 - probabilities)).mean(axis=0)
    return unsure


def sure_rejection(probabilities: Floats) -> Floats:
    """(N,) one minus confidence minus aleatoric uncertainty, from (E, N) probabilities; 0..1.

    The paper calls samples hard that have low confidence and low aleatoric uncertainty. With
    ``1 - p - p (1 - p) = (1 - p)^2`` the two conditions are one mean.
    """
    rejected: Floats = ((1 - probabilities) ** 2).mean(axis=0)
    return rejected


@scorer("data_iq_aleatoric", family="dynamics", needs=("logits",), paper=_PAPER)
def data_iq_aleatoric(evidence: Evidence, _seed: int) -> Floats:
    """Mean of p (1 - p) over epochs: how undecided the data leave the model; finds ambiguity."""
    return aleatoric_uncertainty(np.exp(-losses_by_epoch(evidence)))


@scorer("data_iq_hard", family="dynamics", needs=("logits",), paper=_PAPER)
def data_iq_hard(evidence: Evidence, _seed: int) -> Floats:
    """Mean of (1 - p)^2 over epochs: low confidence without doubt; finds wrong labels."""
    return sure_rejection(np.exp(-losses_by_epoch(evidence)))
