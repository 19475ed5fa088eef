"""Decisions as they go into the ledger and come out of it."""

from collections.abc import Mapping
from typing import Any, Protocol

import pandas as pd

from chaffinch.core.errors import InputError
from chaffinch.report import wording
from chaffinch.store.decision import WITHDRAW, Decision

ACTIONS = ("keep", "relabel", "remove", "quarantine", "unsure", WITHDRAW)
"""What can be decided on the page."""

SUGGESTED = "suggested"
"""Of several samples at once: relabel each as suggested."""

SOURCE = "review"
LONGEST_REASON = 2000


class Reviewed(Protocol):
    """What is decided about, and by whom."""

    reviewer: str
    ids: list[str]
    given: list[str]

    def check(self, row: int) -> None:
        """Refuse a row that the run does not have."""
        ...

    def usable(self, label: str | None) -> str:
        """The label that a reviewer named, as text; refuses what is none."""
        ...


def make_decision(
    session: Reviewed, row: int, action: str, label: str | None, reason: str, source: str
) -> Decision:
    """What the reviewer says of a row, checked.

    Raises:
        InputError: No such row, action or class, or a reason that is too long.
    """
    session.check(row)
    if action not in ACTIONS:
        raise InputError(f"one of {', '.join(ACTIONS)}", repr(action), "Press one of the buttons")
    if action == "relabel":
        label = session.usable(label)
    if len(reason) > LONGEST_REASON:
        raise InputError(
            f"a reason of at most {LONGEST_REASON} letters", str(len(reason)), "Shorten it"
        )
    if action == "relabel" and label == session.given[row]:
        action = "keep"
    told, said = label if action == "relabel" else None, wording.clean(reason).strip()
    name = session.ids[row]
    return Decision(name, action, session.reviewer, label=told, reason=said, source=source)


def records(decisions: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table of decisions; None for what is missing."""
    return [
        {str(name): None if wording.is_missing(value) else value for name, value in row.items()}
        for row in decisions.to_dict("records")
    ]


def decision_again(row: Mapping[str, Any]) -> Decision:
    """A row of the ledger as a decision again."""
    known = {name: row[name] for name in ("sample", "action", "reviewer", "reason", "decided_at")}
    return Decision(
        **{name: str(value or "") for name, value in known.items()},
        label=row["label"],
        confidence=row["confidence"],
        source=str(row["source"] or ""),
    )
