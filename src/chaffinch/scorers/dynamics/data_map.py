"""Data maps: confidence, variability, correctness (Swayamdipta et al., EMNLP 2020)."""

import numpy as np

from chaffinch.core.evidence import Evidence
from chaffinch.core.scorer import scorer
from chaffinch.core.types import Floats
from chaffinch.scorers.dynamics.loss import losses_by_epoch, right_by_epoch

_PAPER = "Swayamdipta et al., Dataset Cartography, EMNLP 2020"


@scorer("data_map_confidence", family="dynamics", needs=("logits",), paper=_PAPER)
def data_map_confidence(evidence: Evidence, _seed: int) -> Floats:
    """One minus the given label's probability averaged over epochs; finds hard-to-learn samples."""
    scores: Floats = 1 - np.exp(-losses_by_epoch(evidence)).mean(axis=0)
    return scores


@scorer("data_map_variability", family="dynamics", needs=("logits",), paper=_PAPER)
def data_map_variability(evidence: Evidence, _seed: int) -> Floats:
    """Standard deviation over epochs of the given label's probability; finds ambiguous samples."""
    spread: Floats = np.exp(-losses_by_epoch(evidence)).std(axis=0)
    return spread


@scorer("data_map_correctness", family="dynamics", needs=("logits",), paper=_PAPER)
def data_map_correctness(evidence: Evidence, _seed: int) -> Floats:
    """Share of epochs in which another class than the given label was predicted."""
    right = right_by_epoch(evidence.need("logits"), evidence.labels.codes)
    wrong: Floats = 1 - right.mean(axis=0)
    return wrong
