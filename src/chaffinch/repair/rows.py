"""The samples as a policy sees them: findings, and a second look at their labels."""

import re
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from chaffinch.core.edit import Edit
from chaffinch.core.errors import InputError
from chaffinch.core.evidence import Evidence
from chaffinch.core.findings import Findings
from chaffinch.core.kinds import WRONG_LABEL
from chaffinch.core.types import Codes, Floats
from chaffinch.repair.second_look import SecondLook, look_again
from chaffinch.scorers.neighbours.duplicates import duplicate_groups

_SUFFIX = re.compile(r"^(.*)-(\d+)$")
_CONTENT = re.compile(r"^[0-9a-f]{16}$")
_SUSPECT = 0.5
_CERTAIN = 1e-6
LEAST_SHARE = 0.005
"""Of a soft label: other classes below it are left out, but for the likeliest."""

LABEL_KINDS = (*WRONG_LABEL, "ambiguous", "clean")
"""Kinds of samples whose suspicion is about the label."""


@dataclass(frozen=True, eq=False)
class Rows:
    """The columns that decide, row by row; labels as text.

    Attributes:
        ids: Of the samples.
        given: Their labels.
        kinds: What they are.
        flagged: Whether they are.
        suspicion: (N,) after the second look, where there was one.
        first: (N,) before it.
        q_value: (N,) as in findings.
        kind_probability: (N,) as in findings.
        suggested: Another label, or None.
        certainty: (N,) how likely that is the right one.
        groups: (N,) number of the group of copies of each sample, -1 outside any.
        spread: (N, C) how likely each class is by the second look, None without one.
        classes: (C,) their names.
    """

    ids: list[str]
    given: list[str]
    kinds: list[str]
    flagged: list[bool]
    suspicion: Floats
    first: Floats
    q_value: Floats
    kind_probability: Floats
    suggested: list[str | None]
    certainty: Floats
    groups: Codes
    spread: Floats | None = None
    classes: tuple[str, ...] = ()

    @classmethod
    def of(cls, findings: Findings, evidence: Evidence | None, seed: int = 0) -> "Rows":
        """Read findings, and look again at what is flagged if the evidence allows it.

        Raises:
            InputError: Evidence on other samples.
        """
        table = findings.table
        ids = [str(one) for one in table["id"]]
        if evidence is not None and list(evidence.ids) != ids:
            raise InputError(
                "evidence on the samples of the findings, in their order",
                f"{len(evidence)} others",
                "Pass the evidence of the same run",
            )
        suspicion = table["suspicion"].to_numpy(np.float64)
        rows = cls(
            ids,
            [str(one) for one in table["given_label"].tolist()],
            [str(one) for one in table["kind"]],
            [bool(one) for one in table["flagged"]],
            suspicion,
            suspicion,
            table["q_value"].to_numpy(np.float64),
            table["kind_probability"].to_numpy(np.float64),
            [None if pd.isna(one) else str(one) for one in table["suggested_label"].tolist()],
            table["suggestion_confidence"].fillna(0).to_numpy(np.float64),
            _groups(ids, evidence),
        )
        flagged = np.asarray(rows.flagged, dtype=np.bool_)
        if evidence is None or not flagged.any():
            return rows
        suspects = flagged | (suspicion >= _SUSPECT)
        look = look_again(evidence, suspects, findings.estimated_errors / len(ids), seed)
        return rows if look is None else rows._looked(look, evidence)

    def _looked(self, look: SecondLook, evidence: Evidence) -> "Rows":
        """Take the mean of both log-odds for suspicion; a new label must be that of both looks."""
        codes, names = evidence.labels.codes, evidence.labels.names
        odds = _log_odds(self.suspicion) + _log_odds(look.wrong(codes))
        about_labels = np.isin(self.kinds, LABEL_KINDS)
        best, certainty = look.others(codes)
        # Only what the first look suggests: labels spread over its doubts did harm when measured.
        agreed = [
            first == names[code] for first, code in zip(self.suggested, best.tolist(), strict=True)
        ]
        return replace(
            self,
            suspicion=np.where(about_labels, expit(odds / 2), self.suspicion),
            certainty=np.where(agreed, certainty, 0.0),
            spread=look.right,
            classes=tuple(names),
        )

    def shares(self, row: int) -> tuple[tuple[str, float], ...]:
        """A soft label: the given class as likely as it is right, the others as the second look.

        The given class comes first. Others that hardly count are left out, but never all.
        """
        if self.spread is None:
            return ((self.given[row], 1.0),)
        own = self.classes.index(self.given[row])
        chances = self.spread[row].copy()
        chances[own] = 0
        chances *= self.suspicion[row] / max(float(chances.sum()), _CERTAIN)
        chances[chances < min(LEAST_SHARE, float(chances.max()))] = 0
        chances[own] = 1 - self.suspicion[row]
        chances = np.round(chances / chances.sum(), 6)
        chances[own] = max(0.0, 1 - float(np.delete(chances, own).sum()))
        order = [own, *(k for k in np.argsort(-chances, kind="stable").tolist() if k != own)]
        return tuple(
            (self.classes[k], float(chances[k])) for k in order if chances[k] > 0 or k == own
        )

    def edit(self, row: int, action: str, reason: str, confidence: float, **more: object) -> Edit:
        """An edit of the sample in a row."""
        known = float(np.clip(confidence, 0, 1))
        return Edit(
            self.ids[row],
            action,
            self.kinds[row],
            self.given[row],
            reason=reason,
            confidence=round(known, 6),
            **more,  # type: ignore[arg-type]
        )

    def doubt(self, row: int) -> str:
        """How suspicious the sample is, in words."""
        first, second = float(self.first[row]), float(self.suspicion[row])
        if first == second:
            return f"suspicion {first:.2f}"
        return f"suspicion {first:.2f}, after a second look {second:.2f}"


def _log_odds(chances: Floats) -> Floats:
    odds: Floats = logit(np.clip(chances, _CERTAIN, 1 - _CERTAIN))
    return odds


def _groups(ids: list[str], evidence: Evidence | None) -> Codes:
    """(N,) number of the group of copies of each sample, -1 outside any."""
    if evidence is not None and (evidence.has("embeddings") or evidence.has("features")):
        return duplicate_groups(evidence)
    # Ids made from the content tell exact copies by their suffix.
    place = {name: row for row, name in enumerate(ids)}
    groups = np.full(len(ids), -1, dtype=np.int64)
    for row, name in enumerate(ids):
        match = _SUFFIX.match(name)
        if match and _CONTENT.match(match[1]) and match[1] in place:
            groups[row] = groups[place[match[1]]] = place[match[1]]
    return groups
