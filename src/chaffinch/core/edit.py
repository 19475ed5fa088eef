"""An edit: what a plan of repair does to one sample, and why."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np

from chaffinch.core.errors import InputError

Action = Literal[
    "trim", "deduplicate", "quarantine", "relabel", "reweight", "soften", "augment", "review"
]
ACTIONS: tuple[str, ...] = get_args(Action)
"""What can be done to a sample.

``trim``, ``deduplicate`` and ``quarantine`` leave it out (for good, because a twin stays, or until
somebody has looked), ``relabel`` gives it another class, ``reweight`` lets its loss count less,
``soften`` spreads its label over several classes, ``augment`` adds changed copies of it, and
``review`` changes nothing but asks for a look.
"""

LEAVE_OUT = ("trim", "deduplicate", "quarantine")
"""Actions after which the sample is not trained on."""

_SUM_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Edit:
    """One change of one sample.

    Labels are text, as in `Labels.names`, so that a plan survives any file format; where it is
    applied they become the data's own values again.

    Attributes:
        id: Of the sample.
        action: One of `ACTIONS`.
        kind: What is wrong with the sample ("mislabelled", ...); "" where nobody said.
        old_label: Given label that the edit was made for; applying to another one is refused.
        new_label: Of ``relabel``.
        weight: Of ``reweight``: what the loss counts, 0 < weight <= 1.
        soft_label: Of ``soften``: (class, share) pairs whose shares sum to 1.
        copies: Of ``augment``: how many changed copies are added, at least 1.
        source: Of ``deduplicate``: id of the twin that stays, if known.
        reason: A sentence for people.
        confidence: Probability in 0..1 that the edit is right; NaN where nobody said.
        who: Who proposed it.
        row: Position of the sample in the data, from 0; None where nobody said.
        location: Its file, or ``FILE:ROW``; "" where nobody said. (``source`` is the twin.)

    Raises:
        InputError: An unknown action, or one without what it needs.
    """

    id: str
    action: str
    kind: str = ""
    old_label: str | None = None
    new_label: str | None = None
    weight: float | None = None
    soft_label: tuple[tuple[str, float], ...] | None = None
    copies: int = 0
    source: str = ""
    reason: str = ""
    confidence: float = math.nan
    who: str = "chaffinch"
    row: int | None = None
    location: str = ""

    def __post_init__(self) -> None:
        wrong = _complaint(self)
        if wrong:
            raise InputError(wrong[0], f"{wrong[1]} for sample {self.id!r}", "Correct the edit")

    def __eq__(self, other: object) -> bool:
        # NaN, the unknown confidence, must equal itself for plans to compare.
        return isinstance(other, Edit) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash((self.id, self.action, self.new_label))

    @property
    def leaves_out(self) -> bool:
        """Whether the sample is not trained on afterwards."""
        return self.action in LEAVE_OUT

    @property
    def changes(self) -> bool:
        """Whether the training data differ afterwards."""
        return self.action != "review"

    def to_dict(self) -> dict[str, Any]:
        """What is set, as values that JSON knows; what is at its default is left out."""
        found = {name: value for name, value in asdict(self).items() if value != _DEFAULTS[name]}
        if math.isnan(self.confidence):
            found.pop("confidence", None)
        if self.soft_label is not None:
            found["soft_label"] = dict(self.soft_label)
        return found

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> "Edit":
        """Read what `to_dict` wrote.

        Raises:
            InputError: A key that is missing or unknown, or an impossible value.
        """
        unknown = sorted(set(given) - set(_DEFAULTS))
        if unknown or not {"id", "action"} <= set(given):
            raise InputError(
                f"an edit with id, action and some of {', '.join(_DEFAULTS)}",
                f"the keys {', '.join(map(str, given))}",
                "Correct the edit",
            )
        values = {name: value for name, value in given.items() if value is not None}
        try:
            return cls(**{name: _READ[name](value) for name, value in values.items()})
        except (TypeError, ValueError, OverflowError, AttributeError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                "an edit with usable values", f"{dict(given)!r} ({error})", "Correct the edit"
            ) from error


def _whole(value: Any) -> int:
    number = float(value)  # tables write 2 as 2.0 where other cells of the column are empty
    if number != int(number):
        raise ValueError(f"{value!r} is no whole number")
    return int(number)


def _soft(value: Any) -> tuple[tuple[str, float], ...]:
    pairs = value.items() if isinstance(value, Mapping) else value
    return tuple((str(label), float(share)) for label, share in pairs)


_DEFAULTS: dict[str, Any] = {
    "id": None,
    "action": None,
    "kind": "",
    "old_label": None,
    "new_label": None,
    "weight": None,
    "soft_label": None,
    "copies": 0,
    "source": "",
    "reason": "",
    "confidence": None,
    "who": "chaffinch",
    "row": None,
    "location": "",
}
_READ: dict[str, Any] = dict.fromkeys(_DEFAULTS, str) | {
    "weight": float,
    "confidence": float,
    "copies": _whole,
    "row": _whole,
    "soft_label": _soft,
}


def _complaint(edit: Edit) -> tuple[str, str] | None:
    """What was expected and what came, if the edit is impossible."""
    for name in ("weight", "copies", "confidence"):
        value = getattr(edit, name)
        if value is not None and not isinstance(value, int | float | np.number):
            return f"a number for {name}", repr(value)
    if not isinstance(edit.action, str) or edit.action not in ACTIONS:
        return f"one of the actions {', '.join(ACTIONS)}", repr(edit.action)
    if edit.action == "relabel" and edit.new_label is None:
        return "a new label with the action 'relabel'", "none"
    if edit.action == "reweight" and not (edit.weight is not None and 0 < edit.weight <= 1):
        return "a weight above 0 and at most 1 with the action 'reweight'", repr(edit.weight)
    if edit.action == "augment" and edit.copies < 1:
        return "at least one copy with the action 'augment'", repr(edit.copies)
    if not math.isnan(edit.confidence) and not 0 <= edit.confidence <= 1:
        return "a confidence in 0..1", repr(edit.confidence)
    if edit.action == "soften":
        shares = [share for _, share in edit.soft_label or ()]
        names = {name for name, _ in edit.soft_label or ()}
        fine = len(names) == len(shares) and all(share >= 0 for share in shares)
        if not fine or abs(sum(shares) - 1) > _SUM_TOLERANCE:
            return "shares of different classes that sum to 1 with 'soften'", repr(edit.soft_label)
    return None
