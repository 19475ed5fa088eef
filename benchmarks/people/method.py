"""Methods by name: each is a function from a case and a seed to a verdict."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.people.case import Case
from benchmarks.people.measure import Verdict


class Skipped(Exception):  # noqa: N818 - no error: there is nothing to measure
    """A method cannot be measured on this set, or not with this version."""


@dataclass(frozen=True)
class Method:
    """A way to find wrong labels.

    Attributes:
        kind: ``plain`` for methods that see labels and evidence and nothing else, ``told more`` for
            those with clean samples or answers, ``scan`` for whole scans, ``control``.
        run: From a case and a seed to a verdict; raises `Skipped` where it does not apply.
    """

    kind: str
    run: Callable[[Case, int], Verdict]


METHODS: dict[str, Method] = {}
"""All methods, in the order of the page."""


def method(
    name: str, kind: str = "plain"
) -> Callable[[Callable[[Case, int], Verdict]], Callable[[Case, int], Verdict]]:
    """Register a method."""

    def register(run: Callable[[Case, int], Verdict]) -> Callable[[Case, int], Verdict]:
        METHODS[name] = Method(kind, run)
        return run

    return register
