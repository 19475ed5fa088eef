"""What every estimator offers, and the registry of their names."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from typing import Any, Protocol, TypeVar, get_type_hints

from torch import Tensor

from chaffinch.core.errors import InputError
from chaffinch.core.option import typed
from chaffinch.core.registry import Registry
from chaffinch.influence.diagnostics import Diagnostics
from chaffinch.influence.task import Task


@dataclass(frozen=True, eq=False)
class Targets:
    """The samples whose losses are explained.

    Attributes:
        data: A torch Dataset of (x, y), or a pair (X, y), of M samples.
        mean: Whether one column, for their mean loss, is wanted instead of M.
    """

    data: Any
    mean: bool = False


@dataclass(frozen=True, eq=False)
class Rows:
    """Influence of training samples on some targets, computed a slice of samples at a time.

    Attributes:
        compute: Gives the values (n, m) of a slice of n training samples.
        diagnostics: How the solve behind it went.
    """

    compute: Callable[[slice], Tensor]
    diagnostics: Diagnostics


@dataclass(frozen=True, eq=False)
class Strip:
    """Some columns of the N x M matrix.

    Attributes:
        columns: Which targets.
        solve: Does the costly work; called once.
    """

    columns: slice
    solve: Callable[[], Rows]


class Influence(Protocol):
    """The influence of the samples of one task."""

    def strips(self, targets: Targets) -> Iterator[Strip]:
        """The columns of the N x M matrix, in consecutive strips."""
        ...

    def diagonal(self) -> tuple[Tensor, Diagnostics]:
        """(N,) influence of each training sample on itself."""
        ...


class Tasks(Protocol):
    """The same task at several checkpoints, made one after the other."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Task]: ...


class Estimator(Protocol):
    """An estimator with its options."""

    def influences(self, tasks: Tasks) -> Iterable[tuple[float, Influence]]:
        """Influences whose sum with these weights is the estimate."""
        ...


class Averaged(ABC):
    """An estimator of one checkpoint; several checkpoints are averaged."""

    @abstractmethod
    def influence(self, task: Task) -> Influence:
        """The influence at one checkpoint."""

    def influences(self, tasks: Tasks) -> Iterator[tuple[float, Influence]]:
        """One influence for each checkpoint, with equal weights."""
        for task in tasks:
            yield 1.0 / len(tasks), self.influence(task)


@dataclass(frozen=True)
class Preset:
    """An estimator by name.

    Attributes:
        name: What it is called.
        summary: What it computes, in a line.
        paper: Where it comes from.
        cost: Operations or products, in N, M, P, C, I, O, K, T.
        make: The class; its fields are the options.
    """

    name: str
    summary: str
    paper: str
    cost: str
    make: Callable[..., Estimator]

    @property
    def options(self) -> dict[str, Any]:
        """The names of the options and their defaults."""
        return {one.name: one.default for one in fields(self.make)}  # type: ignore[arg-type]

    def configured(self, options: dict[str, Any]) -> Estimator:
        """The estimator with options.

        Raises:
            InputError: An option that it does not have, or a value of another type.
        """
        unknown = sorted(set(options) - set(self.options))
        if unknown:
            raise InputError(
                f"options of {self.name!r}: {', '.join(self.options) or 'none'}",
                ", ".join(unknown),
                "Leave out or rename them",
            )
        kinds = get_type_hints(self.make)
        return self.make(**{name: typed(name, kinds[name], one) for name, one in options.items()})


ESTIMATORS: Registry[Preset] = Registry("estimator")
"""All influence estimators by name."""


Made = TypeVar("Made", bound=type)


def estimator(name: str, *, summary: str, paper: str, cost: str) -> Callable[[Made], Made]:
    """Register a frozen dataclass as the estimator ``name``."""

    def register(made: Made) -> Made:
        ESTIMATORS.add(name, Preset(name, summary, paper, cost, made))
        return made

    return register


def at_least(name: str, value: float, least: float) -> None:
    """Check a number among the options.

    Raises:
        InputError: The number is smaller.
    """
    if not value >= least:
        raise InputError(f"{name} of at least {least}", str(value), "Pass a larger number")
