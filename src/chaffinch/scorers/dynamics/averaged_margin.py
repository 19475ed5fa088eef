"""Margin of probabilities averaged over epochs."""

from chaffinch.core.evidence import Evidence
from chaffinch.core.scorer import scorer
from chaffinch.core.types import Codes, Floats
from chaffinch.scorers.probability import margin, mean_over_epochs, softmax


def margin_of_average(logits: Floats, codes: Codes) -> Floats:
    """(N,) margin of the mean of the epochs' probabilities; low = suspicious, in -1..1."""
    return margin(mean_over_epochs(logits, softmax), codes)


@scorer(
    "averaged_margin",
    family="dynamics",
    needs=("logits",),
    paper="A 2025 benchmark of label error detection, arXiv:2510.16211",
)
def averaged_margin(evidence: Evidence, _seed: int) -> Floats:
    """Negative margin of the epoch-averaged probabilities; bounded, so no epoch dominates."""
    return -margin_of_average(evidence.need("logits"), evidence.labels.codes)
