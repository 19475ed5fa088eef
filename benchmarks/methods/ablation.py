"""Variants of a method that differ in one choice: trees, layers, checkpoints, seeds."""

from collections.abc import Callable, Mapping
from typing import cast

import numpy as np
from torch import Tensor

from benchmarks.method import METHODS, Method, Scored
from benchmarks.situation import Situation
from chaffinch import gradients, influence
from chaffinch.core.types import Floats
from chaffinch.scorers.outliers.isolation_forest import gradient_columns, isolation_scores
from chaffinch.scorers.probability import cross_entropy
from chaffinch.scorers.signals import signal_by_epoch

ORIGIN = "ablation"
TREES = (10, 30, 100, 300)
CHECKPOINTS = {"first": slice(0, 1), "last": slice(-1, None), "every third": slice(2, None, 3)}

Score = Callable[[Situation, int], Floats]


def _add(name: str, summary: str, score: Score, *records: str) -> None:
    def runs_on(situation: Situation) -> bool:
        return all(map(situation.evidence.has, records))

    def function(situation: Situation, seed: int) -> Scored:
        return Scored(score(situation, seed))

    METHODS.add(name, Method(name, ORIGIN, summary, runs_on, function))


def _forest(trees: int) -> Score:
    def score(situation: Situation, seed: int) -> Floats:
        return isolation_scores(gradient_columns(situation.evidence), seed, trees)

    return score


def _tracin(epochs: slice) -> Score:
    def score(situation: Situation, _seed: int) -> Floats:
        summed: Floats = signal_by_epoch(situation.evidence, "si")[epochs].sum(axis=0)
        return summed

    return score


def _norm(layers: str) -> Score:
    def score(situation: Situation, _seed: int) -> Floats:
        data = situation.inputs, situation.evidence.labels.codes
        block = gradients.capture(situation.model, data, layers=layers)
        return np.asarray(block.norm(2).numpy(), dtype=np.float64)

    return score


def _all_checkpoints(layers: str) -> Score:
    def score(situation: Situation, _seed: int) -> Floats:
        data = situation.inputs, situation.evidence.labels.codes
        found = influence.self_influence(
            situation.model,
            data,
            "tracin",
            layers=layers,
            checkpoints=cast("list[Mapping[str, Tensor]]", list(situation.checkpoints)),
            learning_rates=np.asarray(situation.evidence.need("learning_rates")).tolist(),
        )
        return np.asarray(found.numpy(), dtype=np.float64)

    return score


def _ensemble(models: int) -> Score:
    def score(situation: Situation, _seed: int) -> Floats:
        evidence = situation.evidence
        # The model trained on all samples is one of them.
        logits = [evidence.need("logits")[-1], *evidence.need("ensemble_logits")[: models - 1]]
        codes = evidence.labels.codes
        return np.asarray(np.mean([cross_entropy(one, codes) for one in logits], axis=0))

    return score


for _trees in TREES:
    _add(
        f"gradient_forest, {_trees} trees",
        f"Isolation forest of {_trees} trees on last-layer gradients",
        _forest(_trees),
        "logits",
        "features",
    )
for _name, _epochs in CHECKPOINTS.items():
    _add(
        f"self_influence, {_name} checkpoint" + "s" * _name.startswith("every"),
        f"TracIn self-influence on the last layer, {_name} checkpoint alone",
        _tracin(_epochs),
        "logits",
        "feature_norms",
        "learning_rates",
    )
for _layers in ("last", "all"):
    _add(
        f"gradient_l2, {_layers} layers" if _layers == "all" else "gradient_l2, last layer",
        f"L2 norm of the gradient by {_layers} layers of the trained network",
        _norm(_layers),
    )
    _add(
        f"tracin, {_layers} layers" if _layers == "all" else "tracin, last layer",
        f"TracIn self-influence over all checkpoints by {_layers} layers",
        _all_checkpoints(_layers),
        "learning_rates",
    )
for _models in (1, 2, 4):
    _add(
        f"loss_last, {_models} seeds" if _models > 1 else "loss_last, 1 seed",
        f"Mean loss in the last epoch of {_models} networks with initial weights of their own",
        _ensemble(_models),
        "logits",
        "ensemble_logits",
    )
