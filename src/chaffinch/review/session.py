"""A session: one reviewer who decides about the samples of one run."""

import secrets
from collections.abc import Mapping
from dataclasses import asdict
from threading import Lock
from typing import Any

import pandas as pd

from chaffinch.core.errors import ChaffinchError, InputError
from chaffinch.pipeline.calibrate import (
    COUNT,
    drawn_rows,
    recalibrate,
    record_calibration,
    samples_to_check,
)
from chaffinch.pipeline.explain import explain_run_of_task
from chaffinch.pipeline.ledger import run_id
from chaffinch.repair.open_labels import LabelForm
from chaffinch.report import wording, write
from chaffinch.report.wording import Naming
from chaffinch.review.exhibition import Exhibition
from chaffinch.review.queue import Queue
from chaffinch.store.decision import WITHDRAW, Decision, disagreements
from chaffinch.store.ledger import Ledger
from chaffinch.store.run import RunFolder

ACTIONS = ("keep", "relabel", "remove", "quarantine", "unsure", WITHDRAW)
"""What can be decided on the page."""

SOURCE = "review"
LEARN_EVERY = 10
"""After so many decisions the samples are judged anew."""

LONGEST_REASON = 2000
_LONGEST_NAME = 200


class Session:
    """What the page knows and does.

    Args:
        run: The run to review.
        ledger: Where decisions go.
        reviewer: Who decides.
        data: The data, or where they lie now; by default where the run found them.
        checks: How many samples, drawn at random, are to be checked before the queue; 0 for none.

    Attributes:
        key: Lets in who has it, once.
        cookie: What the browser that was let in shows from then on; never in an address.
        token: Without it nothing is decided: a foreign page open in the same browser has the
            cookie of this one, but cannot read the token.

        learned: What answers have changed so far, as `Findings.calibrate` tells it; None for
            nothing.
        trouble: Why nothing could be learned; "" if all is well.

    Raises:
        InputError: A reviewer without a name, or data that were named and cannot be opened.
        RunError: The run is damaged.
    """

    def __init__(
        self,
        run: RunFolder,
        ledger: Ledger,
        reviewer: str,
        data: Any = None,
        *,
        checks: int = COUNT,
    ) -> None:
        self.reviewer = " ".join(wording.clean(reviewer).split())
        if not 0 < len(self.reviewer) <= _LONGEST_NAME:
            raise InputError(
                "the name of the reviewer", repr(reviewer[:40]), "Name one with --reviewer"
            )
        self.key, self.cookie, self.token = (secrets.token_urlsafe(24) for _ in range(3))
        self._entered = False
        self.record, self.findings = run.latest
        self.explanations = {one.id: one for one in run.explanations}
        if self.record.task is not None:
            told = explain_run_of_task(self.record, self.findings)
            self.explanations = {one.id: one for one in told}
        self.exhibition = Exhibition(run, data)
        self.naming = Naming(self.record.data.classes, self.record.task)
        self.classes = tuple(self.record.data.classes)
        self.ids = [str(one) for one in self.findings["id"]]
        self.form = None if self.record.task is None else LabelForm.of_table(self.findings)
        self.given = [self.text(one) or "" for one in self.findings["given_label"]]
        self.row_of = {name: row for row, name in enumerate(self.ids)}
        self._ledger, self._run, self._folder = ledger, run_id(run.path), run
        self._lock, self._learning = Lock(), Lock()
        self._done: list[tuple[str, Decision | None]] = []
        self._words: dict[int, str] = {}
        self._fresh, self.trouble = 0, ""
        if checks and not run.calibration.drawn:
            samples_to_check(run, ledger, checks)
        self.checks = tuple(drawn_rows(run)) if checks else ()
        self._show_latest()

    def text(self, label: Any) -> str | None:
        """A label as text, as decisions name it; None where it is missing."""
        if self.form is None or wording.is_missing(label):
            return self.naming(label)
        return self.form.text(label)

    def usable(self, label: str | None) -> str:
        """The label that a reviewer named, as text.

        Raises:
            InputError: It is no class of the run, or of another type than the labels.
        """
        if self.form is None:
            if label not in self.classes:
                raise InputError(
                    "one of the classes of the run", repr(label), "Choose one of the menu"
                )
            return str(label)
        if not (label or "").strip():
            raise InputError("the right label", "nothing", "Write it into the field")
        return self.form.text(self.form.value(str(label).strip()))

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

    def decide(
        self,
        row: int,
        action: str,
        label: str | None = None,
        reason: str = "",
        source: str = SOURCE,
    ) -> Decision:
        """Record what the reviewer says of a row.

        Args:
            row: Of the findings.
            action: One of `ACTIONS`.
            label: The right class, for ``relabel``; the given one means ``keep``.
            reason: Why, if the reviewer says.
            source: ``check`` for a sample that was checked without seeing what the scan says.

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
        if action == "relabel":
            label = self.usable(label)
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
            source=source,
        )
        with self._lock:
            before = self.mine(self.decisions()).get(row)
            self._ledger.decide(self._run, [new])
            self._done.append((new.sample, None if before is None else _decision(before)))
            self._fresh += 1
        return new

    def unchecked(self, decisions: pd.DataFrame) -> list[int]:
        """The samples to be checked first that this reviewer has not decided."""
        mine = self.mine(decisions)
        return [row for row in self.checks if row not in mine]

    def learn_if_due(self) -> bool:
        """Judge the samples anew once those to check are answered, then every ten decisions.

        Returns:
            Whether the queue is another one now.
        """
        to_learn = 1 if self.learned is None and self.checks else LEARN_EVERY
        if self._fresh < to_learn or self.unchecked(self.decisions()):
            return False
        return self.learn()

    def learn(self) -> bool:
        """Judge the samples anew by all decisions so far, see `chaffinch.pipeline.calibrate`.

        Returns:
            Whether anything was learned; where not, ``trouble`` says why.
        """
        with self._learning:
            self._fresh, self.trouble = 0, ""
            try:
                made = recalibrate(self._folder, self._ledger)
            except (ChaffinchError, OSError) as error:  # the decision stands all the same
                self.trouble = f"Nothing was learned from the decisions: {error}"
                return False
            if made is None:
                self.trouble = "Nothing to learn from yet: no decision says which label is right."
                return False
            self._show_latest()
            return True

    def finish(self) -> None:
        """Learn from the last decisions, and write down in ledger and report what they changed."""
        if self._fresh:
            self.learn()
        if self._done and self.learned is not None and not self.trouble:
            record_calibration(self._folder, self._ledger)
            write(self._folder)

    def _show_latest(self) -> None:
        """Take up the findings as they are in the run now."""
        self.record, self.findings = self._folder.latest
        self.learned: dict[str, Any] | None = self.record.judgement.details.get("calibration")
        self.queue = Queue(self.findings, self.given, self.record.seed, self._searched, self.checks)

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
            self._fresh += 1
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
