"""The experiment ``detection``: how well each method finds glitches of known place."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.cell import Cell
from benchmarks.experiment import Measurement, experiment, failed
from benchmarks.experiments.detection.collect import accuracy, build_situation
from benchmarks.experiments.detection.curve import curve_of
from benchmarks.experiments.detection.settings import Settings
from benchmarks.method import METHODS, Method, choose_methods
from benchmarks.methods.control import UNTOUCHED
from benchmarks.metrics import measure_detection
from benchmarks.situation import Situation
from chaffinch.core.types import Floats


def expand(names: Sequence[str]) -> list[str]:
    """All methods that a list of names and origins stands for."""
    return [method.name for method in choose_methods(names)]


@experiment("detection", version=1, expand=expand)
def detection(cell: Cell, methods: Sequence[str], folder: Path) -> Iterator[Measurement]:
    """Train once on data with glitches and let every method look for them.

    Args:
        cell: The cell; `Settings` says what its settings may be.
        methods: Names of the methods.
        folder: Where evidence, trainings and checkpoints are kept.

    Yields:
        The metrics of `measure_detection` for each method that runs on the situation (and, if
        asked for, its curve over the epochs, its seconds, and the accuracy after taking out the
        most suspicious samples). Under the control ``none``: ``accuracy`` on the test samples, and
        ``training_accuracy``, the share of the training samples of each kind, clean ones too, whose
        *given* label the network has learned. A method that fails leaves the others alone.
    """
    settings = Settings.of(cell.settings)
    situation = build_situation(cell, folder)
    for name in methods:
        method = METHODS[name]
        try:
            # All at once, so that a method that fails half-way leaves nothing behind.
            found = list(_measure(method, situation, settings, cell.seed))
        except Exception as error:  # a peer may raise anything
            found = [failed(name, error)]
        yield from found


def _measure(
    method: Method, situation: Situation, settings: Settings, seed: int
) -> Iterator[Measurement]:
    if method.name == UNTOUCHED:
        yield from _accuracies(situation, settings, seed)
    if not method.runs_on(situation):
        return
    scored = method.function(situation, seed)
    yield from measure_detection(method.name, situation.kinds, scored)
    if settings.time_methods:
        yield Measurement(method.name, "seconds", _seconds(method, situation, seed))
    if settings.curves:
        yield from curve_of(method.name, situation)
    for budget in settings.retrain_budgets:
        value = trimmed_accuracy(situation, scored.scores, budget, seed)
        yield Measurement(method.name, "accuracy", value, x=budget)


def _seconds(method: Method, situation: Situation, seed: int) -> float:
    """A method's time on evidence for which nothing has been derived yet."""
    fresh = replace(situation, evidence=replace(situation.evidence))
    start = time.perf_counter()
    method.function(fresh, seed)
    return time.perf_counter() - start


def trimmed_accuracy(situation: Situation, scores: Floats, budget: float, seed: int) -> float:
    """Test accuracy after training afresh without the most suspicious share of the samples.

    Samples with equal scores are taken out in the order of the rows; NaN without test samples.
    """
    if situation.retrain is None:
        return float("nan")
    count = round(budget * len(scores))
    kept = np.sort(np.argsort(-scores, kind="stable")[count:]).astype(np.int64)
    return situation.retrain(kept, None, None, seed)


def _accuracies(situation: Situation, settings: Settings, seed: int) -> Iterator[Measurement]:
    """How well the network does as it is: on the test samples, and on what it was trained on."""
    if situation.test is not None:
        reached = accuracy(situation.model, *situation.test)
        yield Measurement(UNTOUCHED, "accuracy", reached)
        if settings.retrain_budgets:
            # The same seed and steps as for the others, so that only the samples differ.
            again = trimmed_accuracy(situation, np.zeros(len(situation.kinds)), 0.0, seed)
            for budget in settings.retrain_budgets:
                yield Measurement(UNTOUCHED, "accuracy", again, x=budget)
    logits = situation.evidence.logits
    if logits is None:
        return
    right = logits.argmax(axis=2) == situation.evidence.labels.codes
    for kind in sorted(set(situation.kinds.tolist())):
        rows = situation.kinds == kind
        shares = right[:, rows].mean(axis=1)
        for epoch, share in enumerate(shares if settings.curves else ()):
            yield Measurement(
                UNTOUCHED, "training_accuracy_of_epoch", float(share), group=kind, x=epoch + 1
            )
        yield Measurement(UNTOUCHED, "training_accuracy", float(shares[-1]), group=kind)
