"""The experiment ``training``: what losses and policies gain, and whether alarms tell the truth."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.cell import Cell
from benchmarks.experiment import Measurement, experiment, failed
from benchmarks.experiments.training.problem import draw_problem
from benchmarks.experiments.training.rows import ROWS
from benchmarks.experiments.training.run import Bench, Outcome, early
from benchmarks.experiments.training.settings import Settings
from benchmarks.method import Scored, choose_methods
from benchmarks.metrics import measure_detection
from benchmarks.situation import CLEAN
from chaffinch.training.alarms import ALARMS

KIND = "mislabelled"


def expand(names: Sequence[str]) -> list[str]:
    """All rows that a list of names and origins stands for."""
    return [method.name for method in choose_methods(names) if method.name in ROWS]


@experiment("training", version=1, expand=expand)
def training(cell: Cell, methods: Sequence[str], _folder: Path) -> Iterator[Measurement]:
    """Train one network a row, all else equal, and watch it.

    Args:
        cell: The cell; `Settings` says what its settings may be.
        methods: Names in `ROWS`: ``none`` is cross-entropy, ``oracle`` the same on the samples with
            right labels alone, in as many steps.

    Yields:
        ``accuracy`` on test samples after the last epoch; figures of detection by the mean
        cross-entropy over all epochs; ``alarm_early``, whether an alarm about the labels was raised
        in the first third of the epochs, and ``alarm_epoch``, when (NaN: never). Of ``none`` also
        ``raised``: by name (group) whether an alarm was raised at all.
    """
    settings = Settings.of(cell.settings)
    bench = Bench(draw_problem(cell, settings), settings, cell.seed)
    for name in methods:
        try:
            found = list(_measure(name, bench))
        except Exception as error:  # one row that fails leaves the others
            found = [failed(name, error)]
        yield from found


def _measure(name: str, bench: Bench) -> Iterator[Measurement]:
    outcome = bench.row(name)
    yield Measurement(name, "accuracy", outcome.accuracy)
    wrong = bench.problem.wrong
    if outcome.losses is None or name == "oracle":
        return
    if wrong.any():
        kinds = np.where(wrong, KIND, CLEAN).astype(np.str_)
        yield from measure_detection(name, kinds, Scored(outcome.losses))
    yield from _alarms(name, outcome, bench.settings.epochs)


def _alarms(name: str, outcome: Outcome, epochs: int) -> Iterator[Measurement]:
    about = [one.epoch + 1 for one in outcome.alarms if one.about == "labels"]
    yield Measurement(name, "alarm_early", float(bool(early(outcome.alarms, epochs))))
    yield Measurement(name, "alarm_epoch", float(min(about, default=np.nan)))
    if name != "none":
        return
    raised = {one.name for one in outcome.alarms}
    for known in ALARMS:
        yield Measurement(name, "raised", float(known in raised), group=known)
