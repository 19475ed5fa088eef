"""Findings: what was judged of every sample, in one table."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from chaffinch.core.answers import frame, join
from chaffinch.core.basis import Basis
from chaffinch.core.calibrated import NOT_DRAWN, basis_of_table, changes, note, to_check
from chaffinch.core.check_sample import weights_of
from chaffinch.core.errors import InputError
from chaffinch.core.group_note import group_notes
from chaffinch.core.judged import wrong_label
from chaffinch.core.kinds import PROBABILITY_COLUMNS, SET_ASIDE, probability_columns
from chaffinch.core.notebook import shown
from chaffinch.core.own_kinds import widened, with_own_kinds, without_new
from chaffinch.core.plot import draw
from chaffinch.core.rate_range import CANNOT_TELL, RateRange
from chaffinch.core.recalibrated import kinds_of
from chaffinch.core.recalibration import before
from chaffinch.core.sample_name import PLACE_COLUMNS, with_places
from chaffinch.core.types import Floats, Mask

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SHOWN = 8
"""Rows of the table that a notebook shows."""

COLUMNS = (
    "id",
    *PLACE_COLUMNS,
    "given_label",
    "suspicion",
    "flagged",
    "kind",
    "kind_probability",
    "suggested_label",
    "suggestion_confidence",
    "q_value",
    *PROBABILITY_COLUMNS,
    "stability",
    "why",
)
"""The columns that every findings table starts with; one column a scorer follows.

``row`` is the position of the sample in the data, from 0. ``source`` is its file, relative to the
folder of the data, or ``FILE:ROW`` for a row of a file; empty for data in memory.

``suspicion`` is the probability that the sample does harm: 0..1, higher = worse. ``p_KIND`` are
the probabilities of the kinds of `chaffinch.core.kinds`, which sum to 1. ``q_value`` is the
false-discovery rate expected if this sample and all more suspicious ones were flagged.
``suggested_label`` is the likeliest other class of samples flagged for a wrong label, and of any
sample for which it is likelier than not; it is missing elsewhere.
``stability`` is the share of epochs and trainings whose losses alone would flag the sample, NaN
where there are none; ``why`` is one sentence, empty for clean samples.

Samples that cannot be judged have one of the kinds `chaffinch.core.kinds.SET_ASIDE`, with
``kind_probability`` 1, all ``p_KIND`` 0 and the lowest scores of the others: ``unreadable`` and
``empty`` ones are flagged with suspicion 1 and q-value 0, ``unlabelled`` (``given_label`` is
missing) and ``too_rare`` ones (the only sample of a class) have suspicion 0 and q-value 1.
"""

INTERVAL_COLUMNS = ("suggested_low", "suggested_high")
"""Where the right label lies, beside ``suggested_label``, where labels are numbers."""


def scorer_columns(columns: Iterable[str]) -> list[str]:
    """Those columns of findings that are scores."""
    names = list(columns)
    others = {*COLUMNS, *INTERVAL_COLUMNS, *probability_columns(names)}
    return [name for name in names if name not in others]


@runtime_checkable
class HasFindings(Protocol):
    """What has findings, such as a run."""

    @property
    def findings(self) -> "Findings":
        """The findings."""
        ...


def findings_in(given: object) -> "Findings":
    """The findings of a run, or findings as they are.

    Raises:
        InputError: Something else.
    """
    if isinstance(given, Findings):
        return given
    if isinstance(given, HasFindings) and isinstance(given.findings, Findings):
        return given.findings
    got = f"a {type(given).__name__}"
    raise InputError("findings, or a run", got, "Pass what scan or judge returned")


@dataclass(frozen=True, eq=False)
class Findings:
    """The result of a scan or a judgement.

    Attributes:
        table: One row a sample, in the order of the data; columns as `COLUMNS`, then scorers.
        classes: (C,) label values, in the order used by `flow`.
        estimated_errors: Expected number of wrong labels in the whole set.
        flow: (C, C) expected number of samples with given label a (row) whose right label is b
            (column); the diagonal holds those expected to be right. None where no model of the
            label noise could be fitted.
        notes: Sentences that a reader must know to read the table rightly.
        details: Further figures for the report (accuracies, calibration).
        basis: The evidence on labels by which answers recalibrate the findings; None in findings
            of older versions, which are recalibrated by their suspicion alone.
        answers: The answers that they were recalibrated by, None before.
        origin: The findings before any answer, None where these are.
    """

    table: pd.DataFrame
    classes: NDArray[Any]
    estimated_errors: float
    flow: Floats | None = None
    notes: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    basis: Basis | None = None
    answers: pd.DataFrame | None = None
    origin: "Findings | None" = None

    def __len__(self) -> int:
        return len(self.table)

    @property
    def scorers(self) -> list[str]:
        """Names of the scorer columns."""
        return scorer_columns(self.table.columns)

    @property
    def is_judged(self) -> Mask:
        """(N,) which samples were judged; the others are of a kind of `SET_ASIDE`."""
        if "kind" not in self.table:  # a table of somebody's own
            return np.ones(len(self), np.bool_)
        return ~self.table["kind"].isin(SET_ASIDE).to_numpy(np.bool_)

    @property
    def judged(self) -> "Findings":
        """The findings without the samples that could not be judged."""
        judged = self.is_judged
        if judged.all():
            return self
        return replace(self, table=self.table[judged].reset_index(drop=True))

    @property
    def flagged(self) -> pd.DataFrame:
        """The flagged rows, most suspicious first."""
        return self.ranked[self.ranked["flagged"]]

    @property
    def ranked(self) -> pd.DataFrame:
        """All rows, most suspicious first; ties in the order of the data."""
        order = np.argsort(-self.table["suspicion"].to_numpy(), kind="stable")
        return self.table.iloc[order]

    @property
    def rates(self) -> pd.DataFrame:
        """Estimated rates of wrong samples, each with its 95 % interval.

        Columns ``of`` ("all", "class", "kind", "group"), ``name``, ``rate``, ``low`` and ``high``:
        shares of all samples, or of those of the class or group. Empty where there are none.
        """
        columns = ["of", "name", "rate", "low", "high"]
        return pd.DataFrame(list(self.details.get("rates", ())), columns=columns)

    def to_check(self, count: int = 30, seed: int = 0) -> pd.DataFrame:
        """Samples for people to look at, so that their answers say most about the whole set.

        They are drawn at random and spread over suspicion and classes, more of them where it is
        unsure whether the label is wrong, and never only the most suspicious ones. What was
        answered before is left out. See `chaffinch.core.check_sample`.

        Args:
            count: How many; all samples where there are fewer.
            seed: Another seed draws others.

        Returns:
            In random order ``id``, ``row`` and ``source`` (see `COLUMNS`), ``weight`` (one over the
            probability of being drawn) and ``stratum`` (0 for the least suspicious).

        Raises:
            InputError: A count below one, or nothing left to check.
        """
        judged = self.judged
        answered = np.zeros(len(judged), dtype=np.bool_)
        if self.answers is not None:
            answered = judged.table["id"].isin(self.answers["id"]).to_numpy()
        drawn = to_check(judged._evidence, judged._chance, answered, count, seed)
        places = with_places(judged.table)[["id", *PLACE_COLUMNS]].iloc[drawn["row"]]
        return places.reset_index(drop=True).join(drawn[["weight", "stratum"]])

    def calibrate(self, answers: Mapping[Any, Any] | pd.DataFrame) -> "Findings":
        """Learn from answers of people which labels are wrong: see docs/calibration.md.

        Args:
            answers: ``{id: right label}``, or ``{id: True or False}`` where True means that the
                label is wrong, or a table with the columns ``id`` and ``label`` or ``wrong``, and
                at will ``weight`` and ``reviewer``. None and NaN stand for "cannot tell". Without a
                column ``weight``, the samples are taken as drawn by `to_check`; in it, NaN means
                that a sample was chosen in another way: it helps to tell wrong labels from right
                ones, but does not count for the unbiased rate. Answers given before are kept,
                unless the same reviewer answers anew.

        Returns:
            New findings, in which the columns from ``suspicion`` to ``q_value``, the probabilities
            of the kinds, ``estimated_errors``, ``flow`` and ``details["rates"]`` are learned anew
            from the evidence and the answers; answered samples are as told.
            ``details["calibration"]`` holds the rate of wrong labels with its 90 % interval, and
            what changed.

        Raises:
            InputError: No answers, ids or labels that are not in the findings.
        """
        if not self.is_judged.all():
            told, aside = self._told(answers), set(self.table["id"][~self.is_judged])
            other, judged = told["id"].isin(aside), self.judged
            if isinstance(answers, pd.DataFrame):
                answers = answers[~other.to_numpy()]
            else:
                pairs = zip(answers.items(), other, strict=True)
                answers = dict(pair for pair, apart in pairs if not apart)
            learned = judged if other.all() else judged.calibrate(answers)
            return self.with_judged(learned)._with_labels(told[other])
        first = self if self.origin is None else self.origin
        told, notes = self._weighed(self._told(answers))
        if self.answers is not None:
            told = pd.concat([self.answers, told]).drop_duplicates(["id", "reviewer"], keep="last")
        basis = first._evidence
        joined = join(told, first.table["id"].tolist(), basis.given)
        made = changes(first.table, first.classes, basis, joined)
        made = with_own_kinds(made, first.table, first.details)
        flagged = int(first.table["flagged"].sum())
        then = {"flagged": flagged, "estimated_errors": round(first.estimated_errors, 6)}
        calibration = {**made["details"]["calibration"], "before": then}
        known = {**first.details, **made["details"], "calibration": calibration}
        made["details"] = {name: known[name] for name in known if name != "cannot_tell"}
        stale = {CANNOT_TELL, *_group_notes(first.table, basis)}
        kept = (one for one in first.notes if one not in stale)
        made["notes"] = (
            *_group_notes(made["table"], basis),
            *kept,
            note(calibration),
            *notes,
        )
        return replace(first, **made, answers=told, origin=first)

    def _with_labels(self, told: pd.DataFrame) -> "Findings":
        """The findings with labels that people gave to samples that were not judged."""
        named = told[told["label"] >= 0].drop_duplicates("id", keep="last")
        if not len(named):
            return self
        table = self.table.copy()
        rows = pd.Index(table["id"]).get_indexer(pd.Index(named["id"]))
        suggested = table["suggested_label"].astype(object)
        suggested.iloc[rows] = self.classes[named["label"].to_numpy(np.int64)]
        table["suggested_label"] = suggested.infer_objects()
        table.loc[table.index[rows], "suggestion_confidence"] = 1.0
        return replace(self, table=table)

    def placed(self, rows: Iterable[int], sources: Iterable[str]) -> "Findings":
        """The findings with the columns ``row`` and ``source``.

        Args:
            rows: (N,) position of each sample in the data.
            sources: (N,) its file, ``FILE:ROW`` or "".
        """
        bare = self.table.drop(columns=list(PLACE_COLUMNS), errors="ignore")
        bare.insert(1, "row", np.asarray(list(rows), dtype=np.int64))
        bare.insert(2, "source", np.asarray(list(sources), dtype=object))
        return replace(self, table=bare)

    def with_judged(self, made: "Findings") -> "Findings":
        """Findings made anew of the `judged` samples, with the rows of the others as they are."""
        judged, rows = self.judged.table, np.flatnonzero(self.is_judged)
        table = self.table.copy()
        for name in made.table.columns:
            if name in judged and made.table[name].equals(judged[name]):
                continue
            column = pd.Series([None] * len(table), dtype=object)
            if name in table:
                column = table[name].astype(object)
            column.iloc[rows] = made.table[name].to_numpy(dtype=object)
            table[name] = column.infer_objects()
        return replace(made, table=table)

    def _told(self, answers: Mapping[Any, Any] | pd.DataFrame) -> pd.DataFrame:
        """Answers as `frame` reads them; a label that no sample has says "wrong"."""
        classes = widened(self.classes, answers, self.details)
        return without_new(frame(answers, classes), len(self.classes))

    def _weighed(self, told: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
        """Answers with the weights of `to_check` where none were given, and notes on them."""
        if "weight" in told:
            return told, ()
        place = {one: row for row, one in enumerate(self.table["id"].tolist())}
        rows = told["id"].map(place)
        weights, drawn = weights_of(self._chance, rows.to_numpy())
        return told.assign(weight=weights), () if drawn else (NOT_DRAWN,)

    @property
    def _evidence(self) -> Basis:
        return basis_of_table(self.table, self.classes) if self.basis is None else self.basis

    @property
    def _chance(self) -> Floats:
        """(N,) probability that each label is wrong, by which samples are drawn."""
        if self.answers is None:
            return before(self._evidence)
        return wrong_label(kinds_of(self.table))

    def plot(
        self,
        kind: str = "scores",
        axes: "Axes | None" = None,
        *,
        points: Floats | None = None,
        colour: str = "kind",
    ) -> "Axes":
        """Draw the findings with matplotlib: see `chaffinch.core.plot.draw`.

        Args:
            kind: ``scores``, ``classes``, ``curves`` or ``map``.
            axes: Where to draw; a new figure by default.
            points: (N, 2) where the samples lie, for ``map``; a run knows them itself.
            colour: Column whose values colour the map.

        Raises:
            InputError: Another kind, a map without points, or no such column.
        """
        return draw(self.table, kind, axes, points=points, colour=colour)

    def _repr_html_(self) -> str:
        columns = ["id", "given_label", "suggested_label", "suspicion", "q_value", "why"]
        columns = [name for name in columns if name in self.table]
        worst = self.flagged[columns].head(_SHOWN)
        rows = [["" if one is None or one != one else one for one in row] for row in worst.values]
        return shown(repr(self), self.notes, [(columns, rows)] if rows else ())

    def __repr__(self) -> str:
        flagged = int(self.table["flagged"].sum())
        aside = int((~self.is_judged).sum())
        counted = f"Findings({len(self):,} samples, {flagged:,} flagged"
        counted += f", {aside:,} not judged" if aside else ""
        rate = RateRange.of(self.details, self.estimated_errors / max(len(self) - aside, 1))
        if rate is not None:
            return f"{counted}; {rate.words})"
        return f"{counted}, about {self.estimated_errors:,.0f} wrong labels estimated)"


def _group_notes(table: pd.DataFrame, basis: Basis) -> tuple[str, ...]:
    """What a table says of the groups of the samples."""
    return group_notes(wrong_label(kinds_of(table)), basis.groups)
