"""Why a sample cannot be judged."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """Why one sample cannot be judged.

    Attributes:
        kind: One of `chaffinch.core.kinds.SET_ASIDE`.
        reason: In a few words, for people.
    """

    kind: str
    reason: str
