"""An experiment: how a cell is measured."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.cell import Cell
from chaffinch.core.registry import Registry


@dataclass(frozen=True)
class Measurement:
    """One number.

    Attributes:
        method: The method that it belongs to.
        metric: ``auroc``, ``average_precision``, ``f1_known_rate``, ``f1_own``, ``accuracy``,
            ``seconds``...
        value: NaN where the metric is not defined.
        group: What it is restricted to (a kind of glitch, a class), or "".
        x: Where on a curve it lies (epoch, budget, size), or NaN.
    """

    method: str
    metric: str
    value: float
    group: str = ""
    x: float = float("nan")


FAILED = "failed"
"""Metric of a method that came to nothing; see `failed`."""


def failed(method: str, error: BaseException) -> Measurement:
    """Say that one method failed, so that the others in the cell still count.

    Its other measurements are dropped, it is named on the page, and tried again in the next run.
    """
    return Measurement(method, FAILED, 1.0, group=f"{type(error).__name__}: {error}")


@dataclass(frozen=True)
class Experiment:
    """How cells are measured.

    Attributes:
        name: What suites call it.
        version: Raised when old results no longer hold.
        function: ``function(cell, methods, folder)`` yields measurements of just these methods, and
            may keep in ``folder`` what it does not want to compute again (evidence, models).
        expand: ``expand(names)`` gives the full list of methods' names for what a suite asks for.
        about: One line about each method that the experiment keeps to itself.
    """

    name: str
    version: int
    function: Callable[[Cell, Sequence[str], Path], Iterator[Measurement]]
    expand: Callable[[Sequence[str]], list[str]]
    about: Mapping[str, str] = field(default_factory=dict)


EXPERIMENTS: Registry[Experiment] = Registry("experiment")


def experiment(
    name: str,
    *,
    version: int,
    expand: Callable[[Sequence[str]], list[str]] = list,
    about: Mapping[str, str] | None = None,
) -> Callable[[Callable[[Cell, Sequence[str], Path], Iterator[Measurement]]], Experiment]:
    """Register an experiment."""

    def register(
        function: Callable[[Cell, Sequence[str], Path], Iterator[Measurement]],
    ) -> Experiment:
        return EXPERIMENTS.add(name, Experiment(name, version, function, expand, about or {}))

    return register
