"""A scorer: one pure function from evidence to one suspicion score a sample."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

import numpy as np

from chaffinch.core.errors import InputError
from chaffinch.core.evidence import Evidence
from chaffinch.core.registry import Registry
from chaffinch.core.types import Floats


@dataclass(frozen=True)
class Scorer:
    """A named score; higher is more suspicious, without exception.

    Attributes:
        name: The column it fills in the findings.
        family: ``signals``, ``outliers``, ``dynamics``, ``labels``, ``neighbours``...
        needs: Names of the evidence records without which it cannot run; ``"a|b"`` means either.
        paper: Where it comes from.
        summary: One line for ``chaffinch scorers``.
        function: Evidence and seed in, (N,) scores out.
    """

    name: str
    family: str
    needs: tuple[str, ...]
    paper: str
    summary: str
    function: Callable[[Evidence, int], Floats]

    def runs_on(self, evidence: Evidence) -> bool:
        """Whether the evidence holds every record that the scorer needs."""
        return all(any(map(evidence.has, need.split("|"))) for need in self.needs)

    def __call__(self, evidence: Evidence, seed: int = 0) -> Floats:
        """Score N samples.

        Returns:
            (N,) float64, higher = more suspicious, all finite.

        Raises:
            InputError: A record is missing, or the scorer yielded something that is no score.
        """
        for need in self.needs:
            evidence.need_any(*need.split("|"))
        if not len(evidence):
            return np.zeros(0)
        scores = np.asarray(self.function(evidence, seed), dtype=np.float64)
        if scores.shape != (len(evidence),) or not np.isfinite(scores).all():
            raise InputError(
                f"one finite score a sample from scorer {self.name!r}",
                f"shape {scores.shape} with {np.count_nonzero(~np.isfinite(scores))} not finite",
                "Check the evidence, and the scorer if it is your own",
            )
        return scores


SCORERS: Registry[Scorer] = Registry("scorer")

Derived = TypeVar("Derived")
Options = ParamSpec("Options")


def once_per_evidence(
    function: Callable[Concatenate[Evidence, Options], Derived],
) -> Callable[Concatenate[Evidence, Options], Derived]:
    """Compute what several scorers share (neighbours, forests) once for as long as they live.

    Further arguments, such as a seed, are told apart by value.
    """
    known: WeakKeyDictionary[Evidence, dict[object, Derived]] = WeakKeyDictionary()

    @wraps(function)
    def remembered(evidence: Evidence, /, *args: Options.args, **kwargs: Options.kwargs) -> Derived:
        found = known.setdefault(evidence, {})
        key = (args, tuple(sorted(kwargs.items())))
        if key not in found:
            found[key] = function(evidence, *args, **kwargs)
        return found[key]

    return remembered


def scorer(
    name: str, *, family: str, needs: tuple[str, ...], paper: str
) -> Callable[[Callable[[Evidence, int], Floats]], Scorer]:
    """Register a function of evidence and seed as a scorer.

    The first line of its docstring becomes the summary.
    """

    def register(function: Callable[[Evidence, int], Floats]) -> Scorer:
        summary = (function.__doc__ or "").strip().splitlines()[0].rstrip(".")
        return SCORERS.add(name, Scorer(name, family, needs, paper, summary, function))

    return register
