"""What is timed: methods of detection, and influence computed from the factors alone."""

from collections.abc import Callable, Sequence

import torch

from benchmarks.method import METHODS, choose_methods
from benchmarks.situation import Situation
from chaffinch.core.errors import InputError
from chaffinch.influence import LastLayer, last_layer_self_influence
from chaffinch.influence.bilinear import mean_gradient
from chaffinch.influence.solvers.datainf import MeanInverse
from chaffinch.influence.solvers.ekfac import KroneckerInverse

Work = Callable[[Situation], object]
_TILE = 1000


def _layer(situation: Situation) -> LastLayer:
    evidence = situation.evidence
    logits, features = evidence.need("logits")[-1], evidence.need("features")
    return LastLayer.from_logits(logits, evidence.labels.codes, features, evidence.bias)


def _targets(situation: Situation) -> LastLayer:
    evidence = situation.evidence
    logits, features = evidence.need("validation_logits"), evidence.need("validation_features")
    return LastLayer.from_logits(logits, evidence.need("validation_codes"), features, evidence.bias)


def self_influence(curvature: str) -> Work:
    """Self-influence of all samples by a curvature of `last_layer_self_influence`."""

    def work(situation: Situation) -> object:
        evidence = situation.evidence
        p = torch.softmax(torch.from_numpy(evidence.need("logits")[-1]), 1)
        features = evidence.need("features")
        codes = evidence.labels.codes
        return last_layer_self_influence(p, codes, features, evidence.bias, curvature=curvature)

    return work


def datainf(situation: Situation) -> object:
    """DataInf on the mean loss of the targets."""
    layer = _layer(situation)
    solved = MeanInverse(layer.block, None, layer).apply(mean_gradient(_targets(situation).block))
    return layer.block.matvec(solved.values)


def gradient_products(situation: Situation) -> object:
    """TracIn at one checkpoint on each target, summed up tile by tile."""
    layer, targets = _layer(situation), _targets(situation)
    totals = torch.zeros(len(layer))
    for start in range(0, len(layer), _TILE):
        rows = slice(start, start + _TILE)
        totals[rows] = layer.dot(targets, rows).abs().sum(1)
    return totals


def ekfac(situation: Situation) -> object:
    """Self-influence with the Kronecker-factored Fisher matrix of the given labels."""
    layer = _layer(situation)
    return KroneckerInverse(layer.block, layer.block, None).diagonal().values


INFLUENCE: dict[str, Work] = {
    "chaffinch DataInf, mean target": datainf,
    "chaffinch EK-FAC self": ekfac,
    "chaffinch DataInf self": self_influence("datainf"),
    "chaffinch exact self": self_influence("exact"),
    "chaffinch Fisher self": self_influence("fisher"),
    "chaffinch gradient norms squared": self_influence("identity"),
    "chaffinch TracIn, each target": gradient_products,
}
"""Influence from the factors, by name."""

ABOUT = dict.fromkeys(INFLUENCE, "From the factors of last-layer gradients, once collected")
"""One line about each of `INFLUENCE`."""


def expand(names: Sequence[str]) -> list[str]:
    """Names of what is timed; ``last_layer`` stands for all of `INFLUENCE`.

    Raises:
        InputError: A name that is neither of `INFLUENCE` nor of a method or an origin.
    """
    own = [name for name in names if name in INFLUENCE]
    own += list(INFLUENCE) if "last_layer" in names else []
    others = [name for name in names if name not in INFLUENCE and name != "last_layer"]
    return sorted({*own, *(one.name for one in choose_methods(others))})


def find_work(name: str, situation: Situation, seed: int) -> Work:
    """What a name stands for.

    Raises:
        InputError: A method that does not run on the situation.
    """
    if name in INFLUENCE:
        return INFLUENCE[name]
    method = METHODS[name]
    if not method.runs_on(situation):
        raise InputError(
            f"a situation that {name!r} runs on",
            "records that are missing, or a matrix that is too large to form",
            "Leave it out",
        )
    return lambda one: method.function(one, seed)
