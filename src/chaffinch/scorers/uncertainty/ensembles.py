"""Twelve scorers: four measures of uncertainty on passes with dropout, models and checkpoints."""

from collections.abc import Callable
from dataclasses import dataclass

from chaffinch.core.evidence import Evidence
from chaffinch.core.scorer import Scorer, once_per_evidence, scorer
from chaffinch.core.types import Floats
from chaffinch.scorers.uncertainty.decomposition import Uncertainty, decompose


def late(logits: Floats) -> Floats:
    """The later half of (E, N, C) epochs, rounded up; these stand for the ensemble."""
    return logits[len(logits) // 2 :]


@once_per_evidence
def of_dropout(evidence: Evidence) -> Uncertainty:
    """Uncertainty over passes of one model with dropout on."""
    return decompose(evidence.need("dropout_logits"))


@once_per_evidence
def of_ensemble(evidence: Evidence) -> Uncertainty:
    """Uncertainty over models with other initial weights."""
    return decompose(evidence.need("ensemble_logits"))


@once_per_evidence
def of_checkpoints(evidence: Evidence) -> Uncertainty:
    """Uncertainty over the later half of the epochs of one training."""
    return decompose(late(evidence.need("logits")))


@dataclass(frozen=True)
class _Source:
    name: str
    record: str
    members: str
    paper: str
    uncertainty: Callable[[Evidence], Uncertainty]


_SOURCES = (
    _Source(
        "dropout",
        "dropout_logits",
        "passes with dropout",
        "Gal and Ghahramani, Dropout as a Bayesian Approximation, ICML 2016",
        of_dropout,
    ),
    _Source(
        "ensemble",
        "ensemble_logits",
        "models of an ensemble",
        "Lakshminarayanan et al., Deep Ensembles, NeurIPS 2017",
        of_ensemble,
    ),
    _Source(
        "checkpoint",
        "logits",
        "late epochs",
        "Huang et al., Snapshot Ensembles, ICLR 2017 (here epochs of one training)",
        of_checkpoints,
    ),
)
_MEASURES = {
    "total": "Entropy of the mean prediction over {}",
    "aleatoric": "Mean entropy of the predictions of the {}",
    "epistemic": "How much the predictions of the {} contradict each other (BALD)",
    "variation_ratio": "Share of the {} that do not predict the most predicted class",
}


def _register(source: _Source, measure: str, summary: str) -> Scorer:
    def uncertainty(evidence: Evidence, _seed: int) -> Floats:
        values: Floats = getattr(source.uncertainty(evidence), measure)
        return values

    uncertainty.__doc__ = summary.format(source.members) + "."
    name = f"{source.name}_{measure}"
    register = scorer(name, family="uncertainty", needs=(source.record,), paper=source.paper)
    return register(uncertainty)


ENSEMBLE_SCORERS = tuple(
    _register(source, measure, summary)
    for source in _SOURCES
    for measure, summary in _MEASURES.items()
)
