"""Findings: what was judged of every sample, in one table."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from chaffinch.core.kinds import PROBABILITY_COLUMNS, SET_ASIDE
from chaffinch.core.types import Floats, Mask

COLUMNS = (
    "id",
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
    """

    table: pd.DataFrame
    classes: NDArray[Any]
    estimated_errors: float
    flow: Floats | None = None
    notes: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.table)

    @property
    def scorers(self) -> list[str]:
        """Names of the scorer columns."""
        return [name for name in self.table.columns if name not in COLUMNS]

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

    def __repr__(self) -> str:
        flagged = int(self.table["flagged"].sum())
        aside = int((~self.is_judged).sum())
        return (
            f"Findings({len(self):,} samples, {flagged:,} flagged, "
            f"{f'{aside:,} not judged, ' if aside else ''}"
            f"about {self.estimated_errors:,.0f} wrong labels estimated)"
        )
