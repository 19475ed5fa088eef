"""`Trimming`: leave out the share of the samples that one score finds most suspicious."""

import math
from dataclasses import dataclass

import numpy as np

from chaffinch.core.edit import Edit
from chaffinch.core.errors import InputError
from chaffinch.core.evidence import Evidence
from chaffinch.core.findings import Findings
from chaffinch.core.types import Floats
from chaffinch.repair.plan import Plan
from chaffinch.scorers import SCORERS

SUSPICION = "suspicion"
"""Trimming by the judgement itself rather than by one scorer."""


@dataclass(frozen=True)
class Trimming:
    """A repair by one score and a budget, as papers on data valuation and outlier gradients do it.

    With ``gradient_forest`` and a budget of 5 % this is Outlier Gradient Analysis (Chhabra et al.,
    ICML 2025). Nothing is learned about how many samples do harm: the budget says it. `verify`
    tells whether it helps.

    Attributes:
        by: A scorer, or ``suspicion``.
        budget: Share of the samples that are left out, above 0 and below 1.
        seed: Decides every random choice of a scorer that has not run yet.

    Raises:
        InputError: No such scorer, or a budget out of range.
    """

    by: str
    budget: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        if self.by != SUSPICION:
            SCORERS[self.by]  # an unknown one is refused in words
        share = isinstance(self.budget, int | float) and 0 < self.budget < 1
        if not share:
            raise InputError(
                "a budget above 0 and below 1 (a share of the samples)",
                repr(self.budget),
                "Give --budget 0.05 to leave out 5 %",
            )

    def plan(self, findings: Findings, evidence: Evidence | None, fingerprint: str = "") -> Plan:
        """The plan: the most suspicious samples are left out, the first of equals before others.

        Args:
            findings: Of the samples that were judged.
            evidence: Of the same samples, for a scorer that has not run yet.
            fingerprint: Of the data.

        Raises:
            InputError: The scorer has not run, and there is no evidence that it can run on.
        """
        table = findings.table
        count = math.floor(self.budget * len(table) + 1e-9)
        scores = self._scores(findings, evidence)
        taken = np.argsort(-scores, kind="stable")[:count]
        ids, kinds = table["id"].astype(str).to_numpy(), table["kind"].astype(str).to_numpy()
        given = table["given_label"]
        edits = []
        for place, row in enumerate(taken.tolist()):
            label = given.iloc[row]
            edits.append(
                Edit(
                    ids[row],
                    "trim",
                    kinds[row],
                    None if label is None or label != label else str(label),
                    reason=f"{self.by} ranks it {place + 1} of {len(table):,}.",
                )
            )
        order = {name: row for row, name in enumerate(ids.tolist())}
        edits.sort(key=lambda edit: order[edit.id])
        name = f"{self.budget:.1%} by {self.by}"
        note = (
            f"The {count:,} samples that {self.by} finds most suspicious are left out, because the "
            f"budget is {self.budget:.1%}; whether they do harm was not judged (verify tells)."
        )
        return Plan(tuple(edits), fingerprint, name, (*findings.notes, note))

    def _scores(self, findings: Findings, evidence: Evidence | None) -> Floats:
        if self.by == SUSPICION or self.by in findings.scorers:
            known: Floats = findings.table[self.by].to_numpy(np.float64)
            return known
        if evidence is None or not SCORERS[self.by].runs_on(evidence):
            needs = ", ".join(need.replace("|", " or ") for need in SCORERS[self.by].needs)
            raise InputError(
                f"a score among the findings ({', '.join(findings.scorers) or 'none'})",
                f"{self.by}, which needs {needs}",
                f"Scan with --scorers {self.by}, or choose another",
            )
        return SCORERS[self.by](evidence, self.seed)
