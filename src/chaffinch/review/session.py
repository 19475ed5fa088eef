"""A session: one reviewer who decides about the samples of one run."""

import secrets
from collections.abc import Mapping
from dataclasses import asdict
from threading import Lock
from typing import Any

import pandas as pd

from chaffinch.core.errors import InputError
from chaffinch.pipeline.ledger import run_id
from chaffinch.report import wording
from chaffinch.report.wording import Naming
from chaffinch.review.exhibition import Exhibition
from chaffinch.review.queue import Queue
from chaffinch.store.decision import WITHDRAW, Decision, disagreements
from chaffinch.store.ledger import Ledger
from chaffinch.store.run import RunFolder

ACTIONS = ("keep", "relabel", "remove", "quarantine", "unsure", WITHDRAW)
"""What can be decided on the page."""

SOURCE = "review"
LONGEST_REASON = 2000
_LONGEST_NAME = 200


class Session:
    """What the page knows and does.

    Args:
        run: The run to review.
        ledger: Where decisions go.
        reviewer: Who decides.
        data: Where the data lie now; by default where the run found them.

    Attributes:
        key: Lets in who has it, once.
        cookie: What the browser that was let in shows from then on; never in an address.
        token: Without it nothing is decided: a foreign page open in the same browser has the
            cookie of this one, but cannot read the token.

    Raises:
        InputError: A reviewer without a name, or data that were named and cannot be opened.
        RunError: The run is damaged.
    """

    def __init__(
        self, run: RunFolder, ledger: Ledger, reviewer: str, data: str | None = None
    ) -> None:
        self.reviewer = " ".join(wording.clean(reviewer).split())
        if not 0 < len(self.reviewer) <= _LONGEST_NAME:
            raise InputError(
                "the name of the reviewer", repr(reviewer[:40]), "Name one with --reviewer"
            )
        self.key, self.cookie, self.token = (secrets.token_urlsafe(24) for _ in range(3))
        self._entered = False
        self.record, self.findings = run.record, run.findings
        self.explanations = {one.id: one for one in run.explanations}
        self.exhibition = Exhibition(run, data)
        self.naming = Naming(self.record.data.classes)
        self.classes = tuple(self.record.data.classes)
        self.ids = [str(one) for one in self.findings["id"]]
        self.given = [self.naming(one) or "" for one in self.findings["given_label"]]
        self.row_of = {name: row for row, name in enumerate(self.ids)}
        self.queue = Queue(self.findings, self.given, self.record.seed, self._searched)
        self._ledger, self._run = ledger, run_id(run.path)
        self._lock = Lock()
        self._done: list[tuple[str, Decision | None]] = []
        self._words: dict[int, str] = {}

    def enter(self, key: str) -> bool:
        """Whether a key lets in; the right one does so once."""
        right = secrets.compare_digest(key.encode("utf-8", "replace"), self.key.encode())
        entered, self._entered = self._entered, self._entered or right
        return right and not entered

    def decisions(self) -> pd.DataFrame:
        """The decisions of all reviewers that count, as `Ledger.decisions` gives them."""
        found = self._ledger.decisions(self._run)
        return found[found["sample"].isin(self.row_of)]

    def mine(self, decisions: pd.DataFrame) -> dict[int, dict[str, Any]]:
        """This reviewer's decisions by row."""
        own = records(decisions[decisions["reviewer"] == self.reviewer])
        return {self.row_of[one["sample"]]: one for one in own}

    def others(self, decisions: pd.DataFrame, row: int) -> list[dict[str, Any]]:
        """What other reviewers decided of a row."""
        wanted = (decisions["sample"] == self.ids[row]) & (decisions["reviewer"] != self.reviewer)
        return records(decisions[wanted])

    def disagreements(self) -> pd.DataFrame:
        """Samples on which reviewers do not say the same, as the ledger gives them."""
        return disagreements(self.decisions())

    def decide(self, row: int, action: str, label: str | None = None, reason: str = "") -> Decision:
        """Record what the reviewer says of a row.

        Args:
            row: Of the findings.
            action: One of `ACTIONS`.
            label: The right class, for ``relabel``; the given one means ``keep``.
            reason: Why, if the reviewer says.

        Returns:
            What was recorded.

        Raises:
            InputError: No such row, action or class, or a reason that is too long.
        """
        self.check(row)
        if action not in ACTIONS:
            raise InputError(
                f"one of {', '.join(ACTIONS)}", repr(action), "Press one of the buttons"
            )
        if action == "relabel" and label not in self.classes:
            raise InputError("one of the classes of the run", repr(label), "Choose one of the menu")
        if len(reason) > LONGEST_REASON:
            raise InputError(
                f"a reason of at most {LONGEST_REASON} letters", str(len(reason)), "Shorten it"
            )
        if action == "relabel" and label == self.given[row]:
            action = "keep"
        new = Decision(
            self.ids[row],
            action,
            self.reviewer,
            label=label if action == "relabel" else None,
            reason=wording.clean(reason).strip(),
            source=SOURCE,
        )
        with self._lock:
            before = self.mine(self.decisions()).get(row)
            self._ledger.decide(self._run, [new])
            self._done.append((new.sample, None if before is None else _decision(before)))
        return new

    def undo(self) -> int | None:
        """Take back the last decision of this session; what stood before it stands again.

        Nothing is deleted: another decision is recorded.

        Returns:
            The row, or None where nothing was decided in this session.
        """
        with self._lock:
            if not self._done:
                return None
            sample, before = self._done[-1]
            if before is None:
                again = Decision(sample, WITHDRAW, self.reviewer, source=SOURCE)
            else:
                again = Decision(**{**asdict(before), "decided_at": "", "source": SOURCE})
            self._ledger.decide(self._run, [again])
            self._done.pop()
            return self.row_of[sample]

    @property
    def decided(self) -> int:
        """How many decisions of this session stand."""
        return len(self._done)

    def check(self, row: int) -> None:
        """Refuse a row that the run does not have.

        Raises:
            InputError: There is no such row.
        """
        if not 0 <= row < len(self.ids):
            raise InputError(
                f"a sample among the {len(self.ids):,} of the run", str(row), "Go back to the queue"
            )

    def _searched(self, row: int) -> str:
        """Everything of a row in which a search looks."""
        if row not in self._words:
            why = self.findings["why"].iat[row] if "why" in self.findings else ""
            parts = (self.ids[row], self.given[row], self.queue.kinds[row], str(why or ""))
            self._words[row] = "\n".join((*parts, self.exhibition.words(self.ids[row]))).casefold()
        return self._words[row]


def records(decisions: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table of decisions; None for what is missing."""
    return [
        {str(name): None if wording.is_missing(value) else value for name, value in row.items()}
        for row in decisions.to_dict("records")
    ]


def _decision(row: Mapping[str, Any]) -> Decision:
    """A row of the ledger as a decision again."""
    known = {name: row[name] for name in ("sample", "action", "reviewer", "reason", "decided_at")}
    return Decision(
        **{name: str(value or "") for name, value in known.items()},
        label=row["label"],
        confidence=row["confidence"],
        source=str(row["source"] or ""),
    )
