"""The experiment ``text``: find flipped labels, keep the best texts, train again."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.cell import Cell
from benchmarks.experiment import Measurement, experiment, failed
from benchmarks.experiments.fine_tuning.build import build_situation
from benchmarks.experiments.fine_tuning.settings import Settings
from benchmarks.experiments.retraining import Repair, Retrainer, most_suspicious, reported
from benchmarks.method import METHODS, Method, Scored, choose_methods
from benchmarks.methods.control import UNTOUCHED
from benchmarks.metrics import measure_detection
from benchmarks.situation import Situation


def expand(names: Sequence[str]) -> list[str]:
    """All methods that a list of names and origins stands for."""
    return [method.name for method in choose_methods(names)]


@experiment("text", version=1, expand=expand)
def text(cell: Cell, methods: Sequence[str], folder: Path) -> Iterator[Measurement]:
    """Fine-tune on flipped labels, let every method look for them, keep the best texts, repeat.

    Args:
        cell: The cell; the experiment's `Settings` says what its settings may be. The protocol
            decides which accuracy is reported: that of the last epoch (``corrected``) or that of
            the epoch that is best on the test texts (``paper``).
        methods: Names of the methods.
        folder: Where evidence, trainings and checkpoints are kept.

    Yields:
        Figures of detection and seconds of each method that runs; for those in the setting
        ``retrain`` also ``accuracy``, ``accuracy_best_epoch`` and ``accuracy_by_epoch``
        (x = epoch, from 1). The control ``none`` keeps all texts.
    """
    settings = Settings.of(cell.settings)
    situation, retrainer = build_situation(cell, settings, folder)
    for name in methods:
        try:
            found = list(_measure(METHODS[name], situation, settings, (retrainer, cell)))
        except Exception as error:  # a peer may raise anything
            found = [failed(name, error)]
        yield from found


def _measure(
    method: Method, situation: Situation, settings: Settings, again: tuple[Retrainer, Cell]
) -> Iterator[Measurement]:
    retrainer, cell = again
    name, count = method.name, len(situation.evidence)
    kept = np.ones(count, dtype=np.bool_)
    if name != UNTOUCHED:
        if not method.runs_on(situation):
            return
        start = time.perf_counter()
        scored: Scored = method.function(situation, cell.seed)
        yield Measurement(name, "seconds", time.perf_counter() - start)
        yield from measure_detection(name, situation.kinds, scored)
        kept = ~most_suspicious(scored.scores, 1 - settings.keep, cell.seed)
    if name in settings.retrain:
        curve = retrainer.accuracies(Repair(kept), cell.seed)
        for epoch, accuracy in enumerate(curve):
            yield Measurement(name, "accuracy_by_epoch", accuracy, x=epoch + 1)
        yield from reported(name, curve, cell.protocol)
