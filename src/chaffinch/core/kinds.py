"""The kinds of samples that a diagnosis tells apart."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

Treatment = Literal["harmful", "keep", "redundant", "look"]
"""What follows from a kind: take out, keep, one of several will do, or ask a person."""


@dataclass(frozen=True)
class Kind:
    """A kind of sample in the words of the task that tells it apart.

    Attributes:
        title: Two or three words ("Wrong target").
        treatment: What follows from it; the suspicion is the sum over ``harmful`` kinds.
        meaning: A clause that continues "a sample that ..." ("lies far from all that fits").
        several: What follows a number of them ("with a wrong target").
        step: What a plan does about it: ``relabel`` (where the suggested label is sure enough),
            ``trim``, ``quarantine``, ``reweight``, ``review`` or ``keep``; by default ``relabel``
            for harmful kinds, ``review`` for those to look at.
    """

    title: str
    treatment: Treatment
    meaning: str
    several: str
    step: str = ""


MISLABELLED: Final = "mislabelled"
AMBIGUOUS: Final = "ambiguous"
NEAR_CLUSTER: Final = "near_cluster"
FAR_CLUSTER: Final = "far_cluster"
OUTLIER: Final = "outlier"
NEAR_DUPLICATE: Final = "near_duplicate"
CONFLICTING_DUPLICATE: Final = "conflicting_duplicate"
HARD: Final = "hard"
CLEAN: Final = "clean"

KINDS: Final = (
    MISLABELLED,
    AMBIGUOUS,
    NEAR_CLUSTER,
    FAR_CLUSTER,
    OUTLIER,
    NEAR_DUPLICATE,
    CONFLICTING_DUPLICATE,
    HARD,
    CLEAN,
)
"""All kinds, in the order of the columns of probabilities."""

HARMFUL: Final = (MISLABELLED, FAR_CLUSTER, OUTLIER, CONFLICTING_DUPLICATE)
"""Kinds whose samples do harm; the suspicion is the sum of their probabilities."""

WRONG_LABEL: Final = (MISLABELLED, CONFLICTING_DUPLICATE)
"""Kinds of samples that belong to another class than the one given."""

UNREADABLE: Final = "unreadable"
EMPTY: Final = "empty"
UNLABELLED: Final = "unlabelled"
TOO_RARE: Final = "too_rare"

SET_ASIDE: Final = (UNREADABLE, EMPTY, UNLABELLED, TOO_RARE)
"""Kinds of samples that cannot be judged: they are named in the findings and left out elsewhere."""

UNUSABLE: Final = (UNREADABLE, EMPTY)
"""Kinds of samples that nothing can be learned from."""

PROBABILITY_COLUMNS: Final = tuple(f"p_{kind}" for kind in KINDS)
"""Names of the columns of findings that hold the probability of each kind."""


def probability_columns(columns: Iterable[str]) -> list[str]:
    """Those columns of findings that hold the probability of a kind, of whatever task."""
    return [name for name in columns if name.startswith("p_")]


def place(kind: str) -> int:
    """The column of a kind in an (N, 9) array of probabilities."""
    return KINDS.index(kind)
