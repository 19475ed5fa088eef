"""The experiment ``cifar10n``: find what people got wrong, repair it, train again."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.cell import Cell, Protocol
from benchmarks.experiment import Measurement, experiment, failed
from benchmarks.experiments.noisy_images.build import build_situation
from benchmarks.experiments.noisy_images.repair import make_repair, suggest
from benchmarks.experiments.noisy_images.robust import ROBUST, Facts, make_loss
from benchmarks.experiments.noisy_images.settings import RepairName, Settings
from benchmarks.experiments.retraining import Repair, Retrainer, most_suspicious, reported
from benchmarks.method import METHODS, Method, Scored, choose_methods
from benchmarks.methods.control import UNTOUCHED
from benchmarks.metrics import measure_detection
from benchmarks.situation import Situation
from chaffinch.core.types import Mask

PUBLISHED_SHARE = 0.05
"""Share that the published protocol flags, whatever the data (contamination of the forest)."""


@dataclass(frozen=True, eq=False)
class _Bench:
    cell: Cell
    settings: Settings
    situation: Situation
    retrainer: Retrainer


def expand(names: Sequence[str]) -> list[str]:
    """All methods that a list of names and origins stands for."""
    return [method.name for method in choose_methods(names)]


@experiment("cifar10n", version=1, expand=expand)
def cifar10n(cell: Cell, methods: Sequence[str], folder: Path) -> Iterator[Measurement]:
    """Train from scratch on human labels, let every method look for the wrong ones, repair them.

    Args:
        cell: The cell; the experiment's `Settings` says what its settings may be. The protocol
            decides which accuracy is reported: that of the last epoch (``corrected``) or that of
            the epoch that is best on the test images (``paper``). Under ``paper``, methods without
            a threshold of their own flag 5 %.
        methods: Names of the methods.
        folder: Where evidence, trainings and checkpoints are kept.

    Yields:
        Figures of detection and seconds of each method that runs; for those in the setting
        ``retrain`` also ``accuracy`` and ``accuracy_best_epoch`` after each repair (group, such as
        ``trim`` or ``trim own`` for the method's own flags) at each share (x). The control
        ``none`` repairs nothing; it gives ``noise`` (the share of wrong labels) as well. Methods
        of origin ``loss`` repair nothing, either: they train by another loss, and give accuracies
        without a group, as ``none`` does, and ``accuracy_by_epoch``.
    """
    settings = Settings.of(cell.settings)
    bench = _Bench(cell, settings, *build_situation(cell, settings, folder))
    for name in methods:
        try:
            found = list(_measure(METHODS[name], bench))
        except Exception as error:  # a peer may raise anything
            found = [failed(name, error)]
        yield from found


def _measure(method: Method, bench: _Bench) -> Iterator[Measurement]:
    name, situation, cell = method.name, bench.situation, bench.cell
    wanted = name in bench.settings.retrain
    if name == UNTOUCHED:
        yield Measurement(name, "noise", float(situation.errors.mean()))
        if wanted:
            yield from _untouched(bench)
        return
    if name in ROBUST:
        yield from _by_loss(name, bench)
        return
    if not method.runs_on(situation):
        return
    start = time.perf_counter()
    scored = method.function(situation, cell.seed)
    yield Measurement(name, "seconds", time.perf_counter() - start)
    if cell.protocol == "paper" and scored.flagged is None:
        scored = Scored(scored.scores, most_suspicious(scored.scores, PUBLISHED_SHARE, cell.seed))
    yield from measure_detection(name, situation.kinds, scored)
    if wanted:
        yield from _repaired(name, scored, bench)


def _untouched(bench: _Bench) -> Iterator[Measurement]:
    """One training stands for doing nothing at every share."""
    curve = bench.retrainer.accuracies(_nothing(bench), bench.cell.seed)
    protocol = bench.cell.protocol
    yield from _whole_curve(UNTOUCHED, curve, protocol)
    for repair, shares in bench.settings.repairs.items():
        for share in shares:
            yield from reported(UNTOUCHED, curve, protocol, repair, share)
    for repair in bench.settings.own:
        yield from reported(UNTOUCHED, curve, protocol, f"{repair} own")


def _by_loss(name: str, bench: _Bench) -> Iterator[Measurement]:
    """A training by another loss: all else as in that of ``none``."""
    evidence, seed = bench.situation.evidence, bench.cell.seed
    classes = len(evidence.labels.classes)
    facts = Facts(len(evidence), classes, bench.settings.epochs, seed)
    curve = bench.retrainer.accuracies(
        _nothing(bench), seed, lambda: make_loss(ROBUST[name], facts)
    )
    yield from _whole_curve(name, curve, bench.cell.protocol)


def _nothing(bench: _Bench) -> Repair:
    return Repair(np.ones(len(bench.situation.evidence), dtype=np.bool_))


def _whole_curve(name: str, curve: Sequence[float], protocol: Protocol) -> Iterator[Measurement]:
    for epoch, accuracy in enumerate(curve):
        yield Measurement(name, "accuracy_by_epoch", accuracy, x=epoch + 1)
    yield from reported(name, curve, protocol)


def _repaired(name: str, scored: Scored, bench: _Bench) -> Iterator[Measurement]:
    cell, situation = bench.cell, bench.situation
    suggested = suggest(situation, oracle=name == "oracle")

    def curve(repair: RepairName, chosen: Mask) -> list[float]:
        made = make_repair(repair, chosen, suggested, situation.evidence.labels.codes)
        return bench.retrainer.accuracies(made, cell.seed)

    for repair, shares in bench.settings.repairs.items():
        for share in shares:
            chosen = most_suspicious(scored.scores, share, cell.seed)
            found = curve(repair, chosen)
            yield from reported(name, found, cell.protocol, repair, share)
    if scored.flagged is None or scored.flagged.all():
        return
    yield Measurement(name, "flagged", float(scored.flagged.mean()))
    for repair in bench.settings.own:
        found = curve(repair, scored.flagged)
        yield from reported(name, found, cell.protocol, f"{repair} own")
