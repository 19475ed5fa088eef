"""Methods of detection under comparison: every scorer, the tool itself, peers and controls."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from benchmarks.situation import Situation
from chaffinch.core.registry import Registry
from chaffinch.core.types import Floats, Mask


@dataclass(frozen=True, eq=False)
class Scored:
    """What a method says.

    Attributes:
        scores: (N,) higher = more suspicious.
        flagged: (N,) the samples beyond the method's own threshold, if it has one.
    """

    scores: Floats
    flagged: Mask | None = None


@dataclass(frozen=True)
class Method:
    """A method of detection.

    Attributes:
        name: Unique; a peer's begins with the peer's name ("cleanlab self_confidence").
        origin: ``chaffinch``, ``scorer``, ``control``, ``paper`` (as published, quirks too), or
            the peer's name.
        summary: One line, with the inputs that it gets and any quirk.
        runs_on: Whether the situation holds what it needs.
        function: Situation and seed in, scores out.
    """

    name: str
    origin: str
    summary: str
    runs_on: Callable[[Situation], bool]
    function: Callable[[Situation, int], Scored]


METHODS: Registry[Method] = Registry("method")


def method(
    name: str, *, origin: str, runs_on: Callable[[Situation], bool] = lambda _: True
) -> Callable[[Callable[[Situation, int], Scored]], Method]:
    """Register a method; the first line of the function's docstring is its summary."""

    def register(function: Callable[[Situation, int], Scored]) -> Method:
        summary = (function.__doc__ or "").strip().splitlines()[0].rstrip(".")
        return METHODS.add(name, Method(name, origin, summary, runs_on, function))

    return register


def choose_methods(names: Iterable[str]) -> list[Method]:
    """Methods by name or by origin (``scorer`` stands for every scorer), each once, sorted.

    Raises:
        InputError: A name that is neither.
    """
    origins = {known.origin for _, known in METHODS.items()}
    found: dict[str, Method] = {}
    for name in names:
        if name in origins:
            found |= {known: one for known, one in METHODS.items() if one.origin == name}
        else:
            found[name] = METHODS[name]
    return [found[name] for name in sorted(found)]
