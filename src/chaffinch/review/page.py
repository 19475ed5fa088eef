"""The pages as text: the desk, the page around it, and where reviewers disagree."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, Template

from chaffinch.pipeline.answers import CHECK
from chaffinch.report import wording
from chaffinch.report.calibration import told
from chaffinch.report.kind import several, title_of
from chaffinch.review.agreement import agreements, second_opinions
from chaffinch.review.card import make_card, verdict
from chaffinch.review.entry import LONGEST_REASON, records
from chaffinch.review.grid import View, grid
from chaffinch.review.queue import BLIND, SECOND, SECTIONS, STATES, Wish
from chaffinch.review.session import Session
from chaffinch.store.decision import WITHDRAW, Decision

_SCRIPTS = ("htmx.min.js", "review.js")
_STYLE = "style.css"

MOST_KEYS = 10
"""Up to so many classes have a button and a digit each; more are in a menu."""


@dataclass(frozen=True)
class Progress:
    """How many samples of a queue there are, and how many of them this reviewer has decided."""

    total: int
    done: int


def whole(session: Session, wish: Wish, sample: int | None, after: int | None) -> str:
    """The whole page; see `desk`."""
    return _template("page.html.j2").render(
        **_frame(session),
        **_desk(session, wish, sample, after),
        kinds=[(kind, title_of(kind)) for kind in dict.fromkeys(sorted(session.queue.kinds))],
        labels=[(one, wording.clean(one)) for one in session.classes],
        sections=SECTIONS,
        states=STATES,
    )


def desk(
    session: Session, wish: Wish, sample: int | None, after: int | None, message: str = ""
) -> str:
    """What changes from sample to sample.

    Args:
        session: Who reviews what.
        wish: The queue.
        sample: The row to show; by default the next of the queue.
        after: The row before.
        message: What was just done.
    """
    return _template("desk.html.j2").render(
        session=session, **_desk(session, wish, sample, after, message)
    )


def whole_grid(session: Session, view: View) -> str:
    """The page on which several samples are decided at once."""
    return _template("grid_page.html.j2").render(**_frame(session), **grid(session, view))


def part_grid(session: Session, view: View, message: str = "") -> str:
    """What changes of it from decision to decision."""
    told = grid(session, view, message)
    return _template("grid.html.j2").render(session=session, **told)


def disagreements(session: Session) -> str:
    """The page of the samples on which reviewers do not say the same, and who decided how much."""
    decisions = session.decisions()
    rows = []
    for one in session.disagreements().to_dict("records"):
        row = session.row_of[str(one["sample"])]
        votes = [
            (wording.clean(vote["reviewer"]), verdict(vote), wording.clean(vote["reason"] or ""))
            for vote in records(decisions[decisions["sample"] == one["sample"]])
        ]
        rows.append((row, wording.clean(one["sample"]), wording.clean(session.given[row]), votes))
    counts = decisions["reviewer"].value_counts().sort_index()
    people = [(wording.clean(name), int(number)) for name, number in counts.items()]
    return _template("disagreements.html.j2").render(
        **_frame(session),
        rows=rows,
        people=people,
        total=len(session.ids),
        agreements=agreements(decisions),
    )


def said(decision: Decision) -> str:
    """A decision that was just recorded, as a message."""
    if decision.action == WITHDRAW:
        return "Taken back."
    words = {"keep": "Kept", "remove": "To be removed", "quarantine": "Set apart"}
    done = words.get(decision.action, "Noted as unsure")
    return f"Relabelled to {wording.clean(decision.label)}" if decision.label else done


@cache
def static(name: str) -> bytes | None:
    """A file that the page loads; None where there is none of that name."""
    if name in _SCRIPTS:
        return (files("chaffinch.review") / "static" / name).read_bytes()
    if name == _STYLE:
        own = (files("chaffinch.review") / "static" / "review.css").read_bytes()
        return (files("chaffinch.report") / "templates" / "style.css").read_bytes() + own
    return None


def _frame(session: Session) -> dict[str, object]:
    return {
        "session": session,
        "source": wording.clean(session.record.data.source),
        "note": wording.clean(session.exhibition.note),
    }


def _desk(
    session: Session, wish: Wish, sample: int | None, after: int | None, message: str = ""
) -> dict[str, object]:
    decisions = session.decisions()
    decided = session.mine(decisions)
    if wish.section == SECOND:
        session.queue.ask_again(second_opinions(session, decisions))
    section = session.queue.section(wish)
    row = session.queue.next(wish, section, decided, after) if sample is None else sample
    if row is not None:
        session.check(row)
    return {
        "wish": wish,
        "card": None if row is None else make_card(session, row, decisions),
        "before": None if row is None else _before(section, row),
        "progress": Progress(len(section), sum(one in decided for one in section)),
        "message": message,
        "longest": LONGEST_REASON,
        "checking": wish.section in BLIND,
        "first": wish.section == CHECK,
        "section": wish.section,
        "keys": _keys(session.classes),
        "learned": told(session.learned),
    }


def _keys(classes: tuple[str, ...]) -> dict[int, str]:
    """A digit for each class by its code, its own if classes are digits; none if they are many."""
    if len(classes) > MOST_KEYS:
        return {}
    own = all(len(name) == 1 and name in "0123456789" for name in classes)
    return {code: name if own else f"{(code + 1) % 10}" for code, name in enumerate(classes)}


def _before(section: list[int], row: int) -> int | None:
    """The row that stands before in the queue, decided or not."""
    place = section.index(row) if row in section else 0
    return section[place - 1] if place else None


def _template(name: str) -> Template:
    return _environment().get_template(name)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=ChoiceLoader([PackageLoader("chaffinch.review"), PackageLoader("chaffinch.report")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update({"count": wording.count, "clean": wording.clean, "several": several})
    return environment
