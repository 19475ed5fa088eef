"""One sample on the desk: what it is, what was found, and what was decided of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from chaffinch.core.explanation import Influence, Neighbour
from chaffinch.report import wording
from chaffinch.report.sample import Sample, hang
from chaffinch.review.session import Session
from chaffinch.store.run import Exhibit

_NEIGHBOURS = 8
_EXCERPT = 160


@dataclass(frozen=True)
class Near:
    """A neighbour: its row, label, cosine, and what is seen of it."""

    row: int | None
    label: str
    similarity: str
    image: str | None
    text: str


@dataclass(frozen=True)
class Card:
    """One sample on the desk.

    Attributes:
        row: Of the findings.
        sample: As the report shows it.
        layout: ``image``, ``text`` or ``table``.
        shown: Whether anything of it can be shown.
        neighbours: The nearest samples, the nearest first.
        opponents: Those whose gradients pull against its label, the strongest first.
        helpers: Those that pull towards it.
        suggested: Code of the suggested class; None where there is none, or it is the given one.
        new: The suggested label as text, of labels that are no classes; None likewise.
        menu: Code and name of every class but the given one.
        mine: What this reviewer decided; "" for nothing yet.
        reason: Why, in the reviewer's words.
        others: Who decided what; empty until this reviewer has decided, so that nobody is led.
        waiting: How many others have decided, whatever they said.
    """

    row: int
    sample: Sample
    layout: str
    shown: bool
    neighbours: tuple[Near, ...]
    opponents: tuple[Near, ...]
    helpers: tuple[Near, ...]
    suggested: int | None
    new: str | None
    menu: tuple[tuple[int, str], ...]
    mine: str
    reason: str
    others: tuple[tuple[str, str, str], ...]
    waiting: int


def make_card(session: Session, row: int, decisions: pd.DataFrame | None = None) -> Card:
    """The card of a row, with the decisions as they are now, or as they were just read."""
    name = session.ids[row]
    decisions = session.decisions() if decisions is None else decisions
    exhibit, told = session.exhibition.show(name), session.explanations.get(name)
    gallery = hang(
        [exhibit],
        session.findings.iloc[[row]],
        session.naming,
        () if told is None else (told,),
    )
    sample = (*gallery.samples, *gallery.protected)[0]
    suspicion = session.findings["suspicion"].to_numpy(np.float64)
    rank = int((suspicion > suspicion[row]).sum()) + 1
    own, others = session.mine(decisions).get(row), session.others(decisions, row)
    suggested = session.text(session.findings["suggested_label"].iat[row])
    usable = suggested in session.classes and suggested != session.given[row]
    return Card(
        row,
        replace(sample, rank=rank),
        gallery.layout,
        bool(exhibit.content),
        _company(session, () if told is None else told.neighbours),
        _company(session, () if told is None else told.opponents),
        _company(session, () if told is None else told.helpers),
        session.classes.index(str(suggested)) if usable else None,
        None if session.form is None or suggested == session.given[row] else suggested,
        tuple(
            (code, wording.clean(label))
            for code, label in enumerate(session.classes)
            if label != session.given[row]
        ),
        verdict(own) if own else "",
        wording.clean(own["reason"] or "") if own else "",
        tuple(
            (wording.clean(one["reviewer"]), verdict(one), wording.clean(one["reason"] or ""))
            for one in (others if own else ())
        ),
        len(others),
    )


def verdict(decision: Mapping[str, Any]) -> str:
    """A decision in words."""
    action, label = str(decision["action"]), decision["label"]
    return wording.clean(f"relabel to {label}" if action == "relabel" else action)


def _company(session: Session, others: Sequence[Neighbour | Influence]) -> tuple[Near, ...]:
    return tuple(_near(session, one) for one in others[:_NEIGHBOURS])


def _near(session: Session, neighbour: Neighbour | Influence) -> Near:
    row = session.row_of.get(neighbour.id)
    shown = session.exhibition.show(neighbour.id)
    own = None if row is None else session.given[row]
    image = None
    content: dict[str, Any] = dict(shown.content)
    content.pop("audio", None)
    if "image" in content:
        image = _image(shown)
        content.pop("image")
    text = "; ".join(
        wording.cell(value) if name == "text" else f"{name} {wording.cell(value)}"
        for name, value in content.items()
    )
    label = own or str(neighbour.label)
    return Near(
        row,
        wording.clean(label),
        f"{neighbour.similarity:.2f}",
        image,
        wording.clip(wording.clean(text), _EXCERPT),
    )


def _image(shown: Exhibit) -> str | None:
    """The image, if it is one that a page may draw."""
    value = shown.content.get("image")
    return value if isinstance(value, str) and value.startswith("data:image/") else None
