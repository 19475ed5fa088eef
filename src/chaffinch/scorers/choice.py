"""Which scorers are meant: by name, by family, all, or those that a scan computes by default."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from chaffinch.core.errors import InputError
from chaffinch.core.scorer import SCORERS, Scorer

DEFAULT_SCORERS = (
    "aum",
    "averaged_margin",
    "gradient_forest",
    "gradient_l1",
    "gradient_l2",
    "knn_disagreement",
    "loss_last",
    "loss_mean",
    "normalized_margin",
    "self_confidence",
    "self_influence",
    "validation_influence",
)
"""What a scan computes unless told otherwise: cheap, and in need of no training of its own."""

FAMILIES = ("dynamics", "labels", "neighbours", "outliers", "signals", "uncertainty")

_EVERYTHING = "all"


@dataclass(frozen=True)
class Choice:
    """A scorer that is wanted.

    Attributes:
        scorer: Which.
        by_name: Whether it was asked for by its name, so that it is an error where it cannot run;
            one that came with a family, with ``all`` or by default is left out then.
    """

    scorer: Scorer
    by_name: bool


def choose(names: Sequence[str] | None) -> list[Choice]:
    """The scorers behind names, each once, in the order asked for.

    Args:
        names: Names of scorers, of families, ``"pyod:DETECTOR"``, or ``"all"``; None
            for `DEFAULT_SCORERS` and those that were registered from outside this library.

    Raises:
        InputError: A name that is neither scorer nor family.
    """
    found: dict[str, Choice] = {}
    for name in _default() if names is None else names:
        if name in (*FAMILIES, _EVERYTHING):
            for other, scorer in SCORERS.items():
                if name in (scorer.family, _EVERYTHING):
                    found.setdefault(other, Choice(scorer, by_name=False))
        else:
            found[name] = Choice(_named(name), by_name=names is not None)
    return list(found.values())


def _default() -> list[str]:
    own = [n for n, s in SCORERS.items() if not s.function.__module__.startswith("chaffinch.")]
    return [name for name in SCORERS if name in DEFAULT_SCORERS or name in own]


def _named(name: str) -> Scorer:
    if not isinstance(name, str):
        raise InputError("names of scorers", f"a {type(name).__name__}", "Pass them as text")
    family, _, detector = name.partition(":")
    if family == "pyod" and detector:
        from chaffinch.scorers.outliers.pyod import scorer_named

        return scorer_named(name)
    if name not in SCORERS:
        close = difflib.get_close_matches(name, [*SCORERS, *FAMILIES, _EVERYTHING], n=1)
        hint = f"Did you mean {close[0]!r}? " if close else ""
        raise InputError(
            f"the name of a scorer or of a family ({', '.join(FAMILIES)}), or {_EVERYTHING!r}",
            repr(name),
            f"{hint}The command `chaffinch scorers` lists all",
        )
    return SCORERS[name]
