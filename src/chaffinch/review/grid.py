"""Many samples side by side, to be decided at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from chaffinch.core.errors import InputError
from chaffinch.report import wording
from chaffinch.report.sample import is_image
from chaffinch.review.card import verdict
from chaffinch.review.groups import WAYS, Group, groups_by
from chaffinch.review.queue import Queue
from chaffinch.review.session import Session

MOST_TILES = 60
"""Tiles on a page."""

_EXCERPT = 140


@dataclass(frozen=True)
class View:
    """What the grid shows.

    Attributes:
        way: By what samples are grouped, one of `WAYS`.
        group: The key of the group; "" for the largest with anything to decide.
        state: ``open`` for what this reviewer has not decided, else everything.
    """

    way: str = "pair"
    group: str = ""
    state: str = "open"

    def __post_init__(self) -> None:
        if self.way not in WAYS:
            raise InputError(f"one of {', '.join(WAYS)}", repr(self.way), "Choose another grouping")

    @classmethod
    def read(cls, form: Mapping[str, str]) -> "View":
        """From the fields of a form; other fields are ignored."""
        names = ("way", "group", "state")
        return cls(**{name: form[name] for name in names if form.get(name)})

    @property
    def settings(self) -> dict[str, str]:
        """As the fields of a form."""
        return {"way": self.way, "group": self.group, "state": self.state}


@dataclass(frozen=True)
class Tile:
    """One sample of the grid; ``mine`` is what this reviewer decided, "" for nothing yet."""

    row: int
    id: str
    given: str
    suggested: str
    suspicion: str
    image: str | None
    text: str
    mine: str


def grid(session: Session, view: View, message: str = "") -> dict[str, Any]:
    """What the template of the grid needs.

    Args:
        session: Who reviews what.
        view: What to show.
        message: What was just done.
    """
    decided = session.mine(session.decisions())
    groups = _grouped(session, view.way)
    left = {one.key: [row for row in one.rows if row not in decided] for one in groups}
    chosen = next((one for one in groups if one.key == view.group), None)
    if chosen is None:
        chosen = next((one for one in groups if left[one.key]), None)
    rows = [] if chosen is None else left[chosen.key] if view.state == "open" else chosen.rows
    return {
        "view": view,
        "ways": WAYS,
        "groups": [(one.key, one.title, len(left[one.key]), len(one.rows)) for one in groups],
        "chosen": chosen,
        "tiles": [_tile(session, row, decided) for row in rows[:MOST_TILES]],
        "more": max(0, len(rows) - MOST_TILES),
        "menu": [(code, wording.clean(name)) for code, name in enumerate(session.classes)],
        "message": message,
    }


_GROUPS: WeakKeyDictionary[Queue, dict[str, list[Group]]] = WeakKeyDictionary()


def _grouped(session: Session, way: str) -> list[Group]:
    """The groups; made anew where the samples were judged anew, which makes another queue."""
    known = _GROUPS.setdefault(session.queue, {})
    if way not in known:
        known[way] = groups_by(session, way)
    return known[way]


def _tile(session: Session, row: int, decided: Mapping[int, Mapping[str, Any]]) -> Tile:
    content = dict(session.exhibition.show(session.ids[row]).content)
    image = content.pop("image", None)
    cells = (
        wording.cell(value) if name == "text" else f"{wording.clean(name)} {wording.cell(value)}"
        for name, value in content.items()
    )
    return Tile(
        row,
        wording.clean(session.ids[row]),
        wording.clean(session.given[row]),
        wording.clean(session.suggested(row) or ""),
        wording.score(session.findings["suspicion"].to_numpy(np.float64)[row], 2),
        image if is_image(image) else None,
        wording.clip("; ".join(cells), _EXCERPT),
        verdict(decided[row]) if row in decided else "",
    )
