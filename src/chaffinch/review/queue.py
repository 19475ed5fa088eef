"""The order in which samples come up for review, and which of them a reviewer wants to see."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np
import pandas as pd

from chaffinch.core import kinds
from chaffinch.core.errors import InputError
from chaffinch.core.randomness import stream
from chaffinch.diagnosis.relearning import worth_of_look
from chaffinch.report.kind import PROTECTED

SECTIONS = {
    "check": "Check first",
    "flagged": "Flagged",
    "protected": "Protected",
    "spot": "Spot checks",
    "second": "Second opinion",
    "all": "All samples",
}
"""What can be looked through. Those to check first are drawn at random among all samples, so that
the answers say how far to trust the rest; spot checks among the clean ones, so that a reviewer sees
what the tool overlooks. A second opinion is asked on samples that others have decided, drawn at
random and shown without what they or the scan said, so that agreement can be measured."""

BLIND = ("check", "second")
"""Sections that show a sample without what anybody says of it."""

SECOND = "second"
SECOND_OPINIONS = 30

STATES = {"open": "to decide", "done": "decided by me", "both": "both"}

SPOT_CHECKS = 50


@dataclass(frozen=True)
class Wish:
    """What a reviewer wants to see.

    Attributes:
        section: One of `SECTIONS`.
        state: One of `STATES`.
        kind: Only this kind; "" for all.
        label: Only this given label; "" for all.
        words: Only samples in which this text occurs, in whatever case.
    """

    section: str = "flagged"
    state: str = "open"
    kind: str = ""
    label: str = ""
    words: str = ""

    def __post_init__(self) -> None:
        for value, known in ((self.section, SECTIONS), (self.state, STATES)):
            if value not in known:
                raise InputError(f"one of {', '.join(known)}", repr(value), "Choose another filter")

    @classmethod
    def read(cls, form: Mapping[str, str]) -> "Wish":
        """From the fields of a form; other fields are ignored."""
        names = (field.name for field in fields(cls))
        return cls(**{name: form[name] for name in names if form.get(name)})

    @property
    def settings(self) -> dict[str, str]:
        """What differs from what everyone sees first."""
        plain = asdict(Wish())
        return {name: value for name, value in asdict(self).items() if value != plain[name]}


class Queue:
    """The samples of a run in the order of review: those first that a look settles most of.

    Args:
        findings: The findings table, N rows.
        labels: (N,) given labels as text.
        seed: Of the run; decides which samples are spot-checked.
        told: What can be searched of a row, in lower case.
        checks: Rows that were drawn to be checked first.
    """

    def __init__(
        self,
        findings: pd.DataFrame,
        labels: Sequence[str],
        seed: int,
        told: Callable[[int], str],
        checks: Sequence[int] = (),
    ) -> None:
        self.kinds = [str(kind) for kind in findings["kind"]]
        self.labels = list(labels)
        self._told = told
        order = np.argsort(-worth_of_look(findings), kind="stable")
        flagged = findings["flagged"].to_numpy(bool)
        aside = np.isin(self.kinds, kinds.SET_ASIDE)
        protected = np.isin(self.kinds, PROTECTED) & ~flagged
        clean = np.flatnonzero((np.asarray(self.kinds) == kinds.CLEAN) & ~flagged)
        drawn = stream(seed, "spot checks").permutation(clean)[:SPOT_CHECKS]
        rest = np.flatnonzero(aside)
        self._sections: dict[str, list[int]] = {
            "check": list(checks),
            # What was not judged comes last: there may be a great deal of it.
            "flagged": [*order[(flagged & ~aside)[order]].tolist(), *rest.tolist()],
            "protected": order[protected[order]].tolist(),
            "spot": drawn.tolist(),
            "second": [],
            "all": order.tolist(),
        }

    def ask_again(self, rows: Sequence[int]) -> None:
        """Set the rows on which a second opinion is asked."""
        self._sections["second"] = list(rows)

    def section(self, wish: Wish) -> list[int]:
        """The rows of a section that fit, decided or not."""
        words = wish.words.casefold().strip()
        return [
            row
            for row in self._sections[wish.section]
            if (not wish.kind or self.kinds[row] == wish.kind)
            and (not wish.label or self.labels[row] == wish.label)
            and (not words or words in self._told(row))
        ]

    def next(
        self, wish: Wish, section: Sequence[int], decided: Collection[int], after: int | None = None
    ) -> int | None:
        """The row that comes next; after the last one, the first.

        Args:
            wish: What is wanted.
            section: What `section` gave for it.
            decided: Rows that the reviewer has decided.
            after: The row before; None at the start.

        Returns:
            None where no row is left.
        """
        start = section.index(after) + 1 if after in section else 0
        for row in (*section[start:], *section[:start]):
            if self.fits(wish, row, decided):
                return row
        return None

    @staticmethod
    def fits(wish: Wish, row: int, decided: Collection[int]) -> bool:
        """Whether the row is decided, or not yet, as wanted."""
        return wish.state == "both" or (row in decided) == (wish.state == "done")
