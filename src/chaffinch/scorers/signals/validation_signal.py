"""Scorers from sums of a sample's influences on validation samples (TracIn, last layer)."""

from chaffinch.core.evidence import Evidence
from chaffinch.core.scorer import scorer
from chaffinch.core.types import Floats
from chaffinch.scorers.signals.signal import early_signal, traced_signals

NEEDS = (
    "logits",
    "features_by_epoch|features",
    "validation_logits_by_epoch|validation_logits",
    "validation_features_by_epoch|validation_features",
    "validation_codes",
)
EARLY_NEEDS = tuple(need.split("|")[0] for need in NEEDS)
PAPER = "Myrtakis et al., influence signals, 2024; Pruthi et al., TracIn, NeurIPS 2020"


@scorer("mean_influence", family="signals", needs=NEEDS, paper=PAPER)
def mean_influence(evidence: Evidence, _seed: int) -> Floats:
    """MI: how much the sample raised the mean validation loss, over all epochs."""
    return traced_signals(evidence)["mi"]


@scorer("mean_influence_early", family="signals", needs=EARLY_NEEDS, paper=PAPER)
def mean_influence_early(evidence: Evidence, _seed: int) -> Floats:
    """MI over the first third of the epochs."""
    return early_signal(evidence, "mi")


@scorer("absolute_influence", family="signals", needs=NEEDS, paper=PAPER)
def absolute_influence(evidence: Evidence, _seed: int) -> Floats:
    """AAI: mean absolute influence on the validation samples, over all epochs."""
    return traced_signals(evidence)["aai"]


@scorer("absolute_influence_early", family="signals", needs=EARLY_NEEDS, paper=PAPER)
def absolute_influence_early(evidence: Evidence, _seed: int) -> Floats:
    """AAI over the first third of the epochs."""
    return early_signal(evidence, "aai")


@scorer("gd_class", family="signals", needs=NEEDS, paper=PAPER)
def gd_class(evidence: Evidence, _seed: int) -> Floats:
    """GD-class: harm to the validation class that is hurt most, over all epochs."""
    return traced_signals(evidence)["gd_class"]


@scorer("gd_class_early", family="signals", needs=EARLY_NEEDS, paper=PAPER)
def gd_class_early(evidence: Evidence, _seed: int) -> Floats:
    """GD-class over the first third of the epochs."""
    return early_signal(evidence, "gd_class")


@scorer("helping_influence", family="signals", needs=NEEDS, paper=PAPER)
def helping_influence(evidence: Evidence, _seed: int) -> Floats:
    """Minus the positive influences alone: how little the sample helped anyone."""
    return traced_signals(evidence)["helping"]


@scorer("hurting_influence", family="signals", needs=NEEDS, paper=PAPER)
def hurting_influence(evidence: Evidence, _seed: int) -> Floats:
    """The negative influences alone: how much the sample hurt, whatever it helped."""
    return traced_signals(evidence)["hurting"]


@scorer("own_class_influence", family="signals", needs=NEEDS, paper=PAPER)
def own_class_influence(evidence: Evidence, _seed: int) -> Floats:
    """Harm to the validation samples of the given class."""
    return traced_signals(evidence)["own_class"]


@scorer("other_class_influence", family="signals", needs=NEEDS, paper=PAPER)
def other_class_influence(evidence: Evidence, _seed: int) -> Floats:
    """Harm to the validation samples of all other classes."""
    return traced_signals(evidence)["other_class"]
