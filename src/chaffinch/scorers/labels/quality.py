"""Label quality from predicted probabilities (Northcutt et al., JAIR 2021; Kuan and Mueller, 2022).

Held-out probabilities are used where they were collected, else those of the last epoch in training.
"""

from chaffinch.core.evidence import Evidence
from chaffinch.core.scorer import scorer
from chaffinch.core.types import Codes, Floats
from chaffinch.scorers.probability import margin, pick, softmax

_PAPER = "Kuan and Mueller, Model-agnostic label quality scoring, ICML workshop 2022"


def final_probabilities(evidence: Evidence) -> Floats:
    """(N, C) probabilities of the last epoch, held-out where there are such."""
    return softmax(evidence.need_any("held_out_logits", "logits")[-1])


def quality_by_confidence(probabilities: Floats, codes: Codes) -> Floats:
    """(N,) probability of the given label, in 0..1; low = suspicious."""
    return pick(probabilities, codes)


def quality_by_margin(probabilities: Floats, codes: Codes) -> Floats:
    """(N,) (p_y - max of the others + 1) / 2, in 0..1; low = suspicious."""
    return (margin(probabilities, codes) + 1) / 2


@scorer("self_confidence", family="labels", needs=("held_out_logits|logits",), paper=_PAPER)
def self_confidence(evidence: Evidence, _seed: int) -> Floats:
    """One minus the predicted probability of the given label."""
    return 1 - quality_by_confidence(final_probabilities(evidence), evidence.labels.codes)


@scorer("normalized_margin", family="labels", needs=("held_out_logits|logits",), paper=_PAPER)
def normalized_margin(evidence: Evidence, _seed: int) -> Floats:
    """One minus the scaled margin of the given label's probability over the next."""
    return 1 - quality_by_margin(final_probabilities(evidence), evidence.labels.codes)
