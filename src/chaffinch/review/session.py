"""A session: one reviewer who decides about the samples of one run."""

import secrets
from collections.abc import Sequence
from dataclasses import asdict
from threading import Lock
from typing import Any

import numpy as np
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
from chaffinch.review.entry import SOURCE, SUGGESTED, decision_again, make_decision, records
from chaffinch.review.exhibition import Exhibition
from chaffinch.review.queue import Queue
from chaffinch.store.decision import WITHDRAW, Decision, disagreements
from chaffinch.store.ledger import Ledger
from chaffinch.store.run import RunFolder

LEARN_EVERY = 10
"""After so many decisions the samples are judged anew."""

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
        self._ledger, self._run, self.folder = ledger, run_id(run.path), run
        self._lock, self._learning = Lock(), Lock()
        self._done: list[list[tuple[str, Decision | None]]] = []
        self._words: dict[int, str] = {}
        self._read: tuple[str, pd.DataFrame, dict[int, dict[str, Any]]] = "", pd.DataFrame(), {}
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
        head = self._ledger.head()
        if head == self._read[0]:  # nobody has written since
            return self._read[1]
        found = self._ledger.decisions(self._run)
        # Not with isin, which would look through all samples of the run for every decision.
        known = np.asarray([one in self.row_of for one in found["sample"]], np.bool_)
        self._read = head, found[known], {}
        return self._read[1]

    def mine(self, decisions: pd.DataFrame) -> dict[int, dict[str, Any]]:
        """This reviewer's decisions by row."""
        _, last, kept = self._read
        if decisions is last and kept:
            return kept
        own = records(decisions[decisions["reviewer"] == self.reviewer])
        found = {self.row_of[one["sample"]]: one for one in own}
        if decisions is last:
            self._read = (*self._read[:2], found)
        return found

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
            action: One of `chaffinch.review.entry.ACTIONS`.
            label: The right class, for ``relabel``; the given one means ``keep``.
            reason: Why, if the reviewer says.
            source: ``check`` for a sample that was checked without seeing what the scan says.

        Returns:
            What was recorded.

        Raises:
            InputError: No such row, action or class, or a reason that is too long.
        """
        new = make_decision(self, row, action, label, reason, source)
        self._record([new])
        return new

    def decide_all(
        self, rows: Sequence[int], action: str, label: str | None = None, reason: str = ""
    ) -> int:
        """Record the same of several rows at once; `undo` takes all of them back.

        Args:
            rows: Of the findings.
            action: As for `decide`, or ``suggested`` to relabel each as suggested.
            label: The right class of all, for ``relabel``.
            reason: Why, if the reviewer says.

        Returns:
            How many were recorded; those without a suggestion are left out of ``suggested``.

        Raises:
            InputError: No rows, or anything that `decide` refuses.
        """
        wanted = list(dict.fromkeys(rows))
        if not wanted:
            raise InputError("at least one sample", "none", "Choose some of the samples")
        made = []
        for row in wanted:
            self.check(row)
            own = self.suggested(row) if action == SUGGESTED else label
            if action != SUGGESTED or own is not None:
                named = "relabel" if action == SUGGESTED else action
                made.append(make_decision(self, row, named, own, reason, SOURCE))
        if made:
            self._record(made)
        return len(made)

    def suggested(self, row: int) -> str | None:
        """The suggested class of a row; None where there is none, or it is the given one."""
        name = self.text(self.findings["suggested_label"].iat[row])
        known = self.form is not None or name in self.classes
        return name if known and name != self.given[row] else None

    def _record(self, made: list[Decision]) -> None:
        """Into the ledger, as one entry, with what stood before for `undo`."""
        with self._lock:
            mine = self.mine(self.decisions())
            before = [mine.get(self.row_of[one.sample]) for one in made]
            self._ledger.decide(self._run, made)
            stood = [None if one is None else decision_again(one) for one in before]
            self._done.append([(one.sample, was) for one, was in zip(made, stood, strict=True)])
            self._fresh += len(made)

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
                made = recalibrate(self.folder, self._ledger)
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
            record_calibration(self.folder, self._ledger)
            write(self.folder)

    def _show_latest(self) -> None:
        """Take up the findings as they are in the run now."""
        self.record, self.findings = self.folder.latest
        self.learned: dict[str, Any] | None = self.record.judgement.details.get("calibration")
        self.queue = Queue(self.findings, self.given, self.record.seed, self._searched, self.checks)

    def undo(self) -> int | None:
        """Take back the last thing decided in this session, of one sample or of several at once.

        Nothing is deleted: other decisions are recorded, so that what stood before stands again.

        Returns:
            The row, the first of several; None where nothing was decided in this session.
        """
        with self._lock:
            if not self._done:
                return None
            again = [
                Decision(sample, WITHDRAW, self.reviewer, source=SOURCE)
                if before is None
                else Decision(**{**asdict(before), "decided_at": "", "source": SOURCE})
                for sample, before in self._done[-1]
            ]
            self._ledger.decide(self._run, again)
            sample = self._done.pop()[0][0]
            self._fresh += len(again)
            return self.row_of[sample]

    @property
    def decided(self) -> int:
        """How many decisions of this session stand."""
        return sum(map(len, self._done))

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
