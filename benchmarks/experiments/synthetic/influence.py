"""The influence estimators of the paper's Table 1 as methods, by the library's own estimators.

All use the last layer. Influence on targets is that on the mean loss of the clean validation
samples, so its sign means something; harmful samples are suspicious.
"""

import warnings
from typing import Any

import numpy as np
import torch

from benchmarks.method import Scored, method
from benchmarks.situation import Situation
from chaffinch.core.types import Floats
from chaffinch.influence import InfluenceWarning, attribute, self_influence


def _has_validation(situation: Situation) -> bool:
    return situation.validation is not None


def _has_checkpoints(situation: Situation) -> bool:
    return _has_validation(situation) and bool(situation.checkpoints)


def _training(situation: Situation) -> tuple[Any, torch.Tensor]:
    return situation.inputs, torch.from_numpy(situation.evidence.labels.codes)


def harm(situation: Situation, estimator: str, **options: Any) -> Floats:
    """(N,) how much training on each sample raises the mean validation loss, last layer."""
    if situation.validation is None:
        return np.zeros(len(situation.evidence))
    inputs, codes = situation.validation
    targets = (inputs, torch.from_numpy(codes))
    with warnings.catch_warnings():
        # A series that stopped early is part of what is measured.
        warnings.simplefilter("ignore", InfluenceWarning)
        values = attribute(
            situation.model,
            _training(situation),
            targets,
            estimator,
            mean_target=True,
            **options,
        )
    harmed: Floats = -values[:, 0].double().numpy()
    return harmed


def _own(situation: Situation, estimator: str) -> Scored:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InfluenceWarning)
        values = self_influence(situation.model, _training(situation), estimator, "last")
    return Scored(values.double().numpy())


@method("influence_exact", origin="influence", runs_on=_has_validation)
def influence_exact(situation: Situation, _seed: int) -> Scored:
    """Harm to the validation loss by the exact inverse of the last layer's damped Hessian."""
    return Scored(harm(situation, "exact"))


@method("influence_lissa", origin="influence", runs_on=_has_validation)
def influence_lissa(situation: Situation, _seed: int) -> Scored:
    """Harm to the validation loss by LiSSA, with its damping of the right sign."""
    return Scored(harm(situation, "lissa"))


@method("influence_datainf", origin="influence", runs_on=_has_validation)
def influence_datainf(situation: Situation, _seed: int) -> Scored:
    """Harm to the validation loss by DataInf."""
    return Scored(harm(situation, "datainf"))


@method("influence_gradient", origin="influence", runs_on=_has_validation)
def influence_gradient(situation: Situation, _seed: int) -> Scored:
    """Harm to the validation loss by gradient products at the end (gradient tracing)."""
    return Scored(harm(situation, "grad_dot"))


@method("influence_tracin", origin="influence", runs_on=_has_checkpoints)
def influence_tracin(situation: Situation, _seed: int) -> Scored:
    """Harm to the validation loss by gradient products over all checkpoints (TracInCP)."""
    return Scored(harm(situation, "tracin", checkpoints=situation.checkpoints))


@method("self_influence_exact", origin="influence")
def self_influence_exact(situation: Situation, _seed: int) -> Scored:
    """Self-influence by the exact inverse of the last layer's damped Hessian."""
    return _own(situation, "exact")


@method("self_influence_lissa", origin="influence")
def self_influence_lissa(situation: Situation, _seed: int) -> Scored:
    """Self-influence by LiSSA, one series a sample."""
    return _own(situation, "lissa")


@method("self_influence_datainf", origin="influence")
def self_influence_datainf(situation: Situation, _seed: int) -> Scored:
    """Self-influence by DataInf."""
    return _own(situation, "datainf")
