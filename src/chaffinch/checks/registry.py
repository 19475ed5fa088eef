"""A check: one function that looks at a data set for one issue."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from chaffinch.checks.subject import Subject
from chaffinch.core.registry import Registry
from chaffinch.core.types import Codes, Floats, Mask

Severity = Literal["low", "medium", "high"]
SEVERITIES: tuple[Severity, ...] = ("low", "medium", "high")
"""From the least to the worst."""

Unit = Literal["samples", "columns", "classes", "data set"]


@dataclass(frozen=True, eq=False)
class Finding:
    """What one check found; nothing where ``count`` is 0.

    Attributes:
        message: One sentence: what was found, and how bad it is.
        severity: How much it matters.
        flagged: (N,) which samples have the issue, where it is one of samples.
        scores: (N,) in 0..1, higher is worse; where it is an issue of samples.
        groups: (N,) which samples belong together (copies of one another); -1 for none.
        names: Columns or classes that have the issue, the worst first.
        counted: How many have the issue, where that is neither the number of flags nor of names.
    """

    message: str = ""
    severity: Severity = "low"
    flagged: Mask | None = None
    scores: Floats | None = None
    groups: Codes | None = None
    names: Sequence[str] = ()
    counted: int = 0

    @property
    def count(self) -> int:
        """How many samples, columns or classes have the issue; 0 where there is none."""
        if self.counted:
            return int(self.counted)
        if self.flagged is not None:
            return int(np.count_nonzero(self.flagged))
        return len(self.names)


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes:
        name: Of the issue, as in the table of issues.
        unit: What it counts.
        needs: Names of what a `Subject` must have: "labels", "images", "sounds", "series",
            "lengths", "texts", "frame", "split", "vectors", "order", "faults"; "a|b" means either.
        summary: The issue in a few words.
        remedy: What to do about it, as a sentence without the full stop.
        basis: The paper or the reason on which it rests.
        function: Looks at the data.
    """

    name: str
    unit: Unit
    needs: tuple[str, ...]
    summary: str
    remedy: str
    basis: str
    function: Callable[[Subject], Finding]

    def runs_on(self, subject: Subject) -> bool:
        """Whether the data have all that the check needs."""
        return all(any(map(subject.has, need.split("|"))) for need in self.needs)


CHECKS: Registry[Check] = Registry("check")
"""All checks by name."""

Function = Callable[[Subject], Finding]


def register(
    name: str, unit: Unit, needs: tuple[str, ...], *, remedy: str, basis: str
) -> Callable[[Function], Function]:
    """Register a function of the data as a check; the first line of its docstring tells it.

    Args:
        name: Of the issue.
        unit: What it counts.
        needs: As in `Check`.
        remedy: What to do about it.
        basis: The paper or the reason on which it rests.

    Raises:
        InputError: The name is taken.
    """

    def add(function: Function) -> Function:
        summary = (function.__doc__ or "").strip().split("\n")[0].rstrip(".")
        CHECKS.add(name, Check(name, unit, needs, summary, remedy, basis, function))
        return function

    return add
