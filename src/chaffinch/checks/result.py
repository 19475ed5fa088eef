"""What checks of a data set found."""

import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from chaffinch.checks.registry import SEVERITIES, Check, Finding, Severity
from chaffinch.core.errors import InputError
from chaffinch.core.plain_text import clean

_MOST_NAMED = 5
_MOST_EXAMPLES = 3


@dataclass(frozen=True, eq=False)
class CheckResult:
    """The issues of a data set.

    Attributes:
        issues: One row an issue that was found, the most severe first: ``issue``, ``severity``
            ("low", "medium", "high"), ``count``, ``unit`` (what is counted), ``share`` (of the
            samples, or NaN), ``description``, ``names`` (columns or classes, the worst first),
            ``examples`` (where the worst samples are) and ``remedy``.
        table: One row a sample, in the order of the data: ``id``, ``row`` (position in its data
            set, from 0), ``source`` (file, or file and row), ``split`` where there are several,
            and for each check of samples ``check_NAME`` (whether flagged) and
            ``check_NAME_score`` (0 to 1, higher is worse); for copies also ``check_NAME_group``.
        checked: Names of the checks that ran.
        notes: What was interpreted when the data were read.
    """

    issues: pd.DataFrame
    table: pd.DataFrame
    checked: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def _names(self) -> list[str]:
        return list(map(str, self.table))

    @property
    def flagged(self) -> pd.DataFrame:
        """The rows of the table that have any issue."""
        names = [name for name in self._names if self._is_flag(name)]
        return self.table[self.table[names].any(axis=1)]

    def samples(self, issue: str) -> pd.DataFrame:
        """The samples that have an issue, the worst first, copies of one another together.

        Raises:
            InputError: No check of samples of that name ran.
        """
        flag = f"check_{issue}"
        if flag not in self.table:
            known = [name.removeprefix("check_") for name in self._names if self._is_flag(name)]
            raise InputError(
                "the name of an issue of samples that was looked for",
                repr(issue),
                f"Known: {', '.join(known) or 'none'}",
            )
        kept = [name for name in ("id", "row", "source", "split") if name in self.table]
        own = [name for name in (f"{flag}_score", f"{flag}_group") if name in self.table]
        found = self.table.loc[self.table[flag], [*kept, *own]]
        by = [f"{flag}_group"] if f"{flag}_group" in found else [f"{flag}_score"]
        return found.sort_values(by, ascending=len(own) > 1, kind="stable")

    def worst(self, severity: Severity = "medium") -> bool:
        """Whether an issue of at least this severity was found."""
        least = SEVERITIES.index(severity)
        return any(SEVERITIES.index(one) >= least for one in self.issues["severity"])

    def summary(self) -> str:
        """The issues as text, for people."""
        head = f"{len(self.table):,} samples, {len(self.checked)} checks: "
        if self.issues.empty:
            return head + "no issue found."
        kinds = "issue" if len(self.issues) == 1 else "issues"
        lines = [head + f"{len(self.issues)} {kinds} found."]
        for one in self.issues.to_dict("records"):
            lines.append(f"{one['severity']:<7}{one['issue']}: {told_count(one)}.")
            lines.append(f"       {one['description']}.")
            lines += [f"       Such as {told}." for told in [told_names(one)] if told]
            lines.append(f"       {one['remedy']}.")
        return clean("\n".join(lines))

    def __str__(self) -> str:
        return self.summary()

    def _repr_html_(self) -> str:
        shown = self.issues.drop(columns=["examples"]).to_html(index=False, escape=True)
        return f"<p>{escape(self.summary().splitlines()[0])}</p>{shown}"

    def to_csv(self, path: str | Path) -> None:
        """Write the table, one row a sample."""
        self.table.to_csv(path, index=False)

    def to_dict(self) -> dict[str, Any]:
        """Issues, with the rows that have them, as plain values."""
        found = []
        for one in self.issues.to_dict("records"):
            flag = f"check_{one['issue']}"
            rows = np.flatnonzero(self.table[flag]).tolist() if flag in self.table else []
            share = None if np.isnan(one["share"]) else one["share"]
            found.append({**one, "count": int(one["count"]), "share": share, "rows": rows})
        return {
            "samples": len(self.table),
            "checked": list(self.checked),
            "issues": found,
            "notes": list(self.notes),
        }

    def to_json(self, path: str | Path | None = None) -> str:
        """The issues as JSON, with the positions in the table of the samples that have them.

        Args:
            path: Where to write it too.
        """
        text = json.dumps(self.to_dict(), indent=1, ensure_ascii=False)
        if path is not None:
            Path(path).write_text(text + "\n", "utf-8")
        return text

    @staticmethod
    def _is_flag(name: str) -> bool:
        return name.startswith("check_") and not name.endswith(("_score", "_group"))


def told_count(issue: Mapping[Hashable, Any]) -> str:
    """The count of a row of the issues with its unit: ``1 sample``, ``2 classes``."""
    count, unit = int(issue["count"]), str(issue["unit"])
    if unit == "data set":
        return "the data set"
    singular = {"samples": "sample", "columns": "column", "classes": "class"}[unit]
    return f"{count:,} {singular if count == 1 else unit}"


def told_names(issue: Mapping[Hashable, Any]) -> str:
    """The first columns, classes and samples of a row of the issues, with commas between."""
    told = [*issue["names"][:_MOST_NAMED], *issue["examples"][:_MOST_EXAMPLES]]
    return ", ".join(" ".join(clean(one).split()) for one in told)


def result_of(
    found: Sequence[tuple[Check, Finding]],
    table: pd.DataFrame,
    notes: tuple[str, ...],
) -> CheckResult:
    """Put findings together.

    Args:
        found: The checks that ran and what they found.
        table: One row a sample with ``id``, ``row`` and ``source``.
        notes: What was interpreted when the data were read.
    """
    columns: dict[str, Any] = {}
    for check, finding in found:
        if finding.flagged is not None:
            columns[f"check_{check.name}"] = finding.flagged
            scores = finding.flagged if finding.scores is None else finding.scores
            columns[f"check_{check.name}_score"] = np.asarray(scores, np.float64)
        if finding.groups is not None:
            columns[f"check_{check.name}_group"] = finding.groups
    rows = [_row(check, finding, table) for check, finding in found if finding.count]
    rows.sort(key=lambda row: (-SEVERITIES.index(row["severity"]), row["issue"]))
    issues = pd.DataFrame(rows, columns=list(_ISSUE_COLUMNS))
    whole = pd.concat([table, pd.DataFrame(columns, index=table.index)], axis=1)
    return CheckResult(issues, whole, tuple(check.name for check, _ in found), notes)


_ISSUE_COLUMNS = (
    *("issue", "severity", "count", "unit", "share"),
    *("description", "names", "examples", "remedy"),
)


def _row(check: Check, finding: Finding, table: pd.DataFrame) -> dict[str, Any]:
    examples: list[str] = []
    if finding.flagged is not None:
        flagged = np.flatnonzero(finding.flagged)
        scores = np.ones(len(flagged)) if finding.scores is None else finding.scores[flagged]
        # Of copies a whole group, else the worst.
        order = -scores if finding.groups is None else finding.groups[flagged]
        worst = flagged[np.argsort(order, kind="stable")[:_MOST_EXAMPLES]]
        examples = [str(table["source"].iloc[row]) for row in worst]
    share = finding.count / len(table) if finding.flagged is not None else np.nan
    told = f"{check.summary}: {finding.message}" if finding.message else check.summary
    return dict(
        zip(
            _ISSUE_COLUMNS,
            (
                *(check.name, finding.severity, finding.count, check.unit, share),
                *(told, list(finding.names), examples, check.remedy),
            ),
            strict=True,
        )
    )
