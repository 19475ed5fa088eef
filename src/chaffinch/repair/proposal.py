"""`propose`: a plan of repair from findings and a policy."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from chaffinch.core.edit import LEAVE_OUT, Edit
from chaffinch.core.errors import InputError
from chaffinch.core.evidence import Evidence
from chaffinch.core.findings import Findings
from chaffinch.core.plan import Plan
from chaffinch.core.types import Codes, Floats
from chaffinch.repair.collection import regions
from chaffinch.repair.policy import KINDS, PROTECTED, Policy, find_policy
from chaffinch.scorers.neighbours.duplicates import duplicate_groups

_SUFFIX = re.compile(r"^(.*)-(\d+)$")
_CONTENT = re.compile(r"^[0-9a-f]{16}$")


def propose(
    findings: Findings,
    policy: str | Path | Policy = "balanced",
    evidence: Evidence | None = None,
    fingerprint: str = "",
) -> Plan:
    """Propose what to do about the findings. Nothing is changed.

    Args:
        findings: Of `scan` or `judge`.
        policy: ``gentle``, ``balanced``, ``strict``, the path of a TOML file, or a `Policy`.
        evidence: Of the same samples; finds groups of near-duplicates and regions that need more
            data. Without it only exact copies are grouped.
        fingerprint: Of the data, kept in the plan.

    Returns:
        A plan with at most one edit a sample, in the order of the data.

    Raises:
        InputError: No such policy, or evidence on other samples.
    """
    rules = find_policy(policy)
    rows = _Rows.of(findings, evidence)
    chosen: dict[int, Edit] = {}
    _by_kind(rows, rules, chosen)
    _deduplicate(rows, rules, chosen)
    kept_notes = _keep_within_budget(rows, rules, chosen)
    _weigh_down(rows, rules, chosen)
    _thicken(rows, rules, chosen)
    _ask_for_review(rows, rules, chosen)
    return Plan(
        tuple(chosen[row] for row in sorted(chosen)),
        fingerprint,
        rules.name,
        (*findings.notes, *kept_notes),
        regions(findings, evidence),
    )


@dataclass(frozen=True, eq=False)
class _Rows:
    """The columns that decide, row by row; labels as text."""

    ids: list[str]
    given: list[str]
    kinds: list[str]
    flagged: list[bool]
    suspicion: Floats
    q_value: Floats
    kind_probability: Floats
    suggested: list[str | None]
    certainty: Floats
    groups: Codes

    @classmethod
    def of(cls, findings: Findings, evidence: Evidence | None) -> "_Rows":
        table = findings.table
        ids = [str(one) for one in table["id"]]
        if evidence is not None and list(evidence.ids) != ids:
            raise InputError(
                "evidence on the samples of the findings, in their order",
                f"{len(evidence)} others",
                "Pass the evidence of the same run",
            )
        suggested = table["suggested_label"]
        return cls(
            ids,
            [str(one) for one in table["given_label"].tolist()],
            [str(one) for one in table["kind"]],
            [bool(one) for one in table["flagged"]],
            table["suspicion"].to_numpy(np.float64),
            table["q_value"].to_numpy(np.float64),
            table["kind_probability"].to_numpy(np.float64),
            [None if pd.isna(one) else str(one) for one in suggested.tolist()],
            table["suggestion_confidence"].fillna(0).to_numpy(np.float64),
            _groups(ids, evidence),
        )

    def edit(self, row: int, action: str, reason: str, confidence: float, **more: object) -> Edit:
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


def _by_kind(rows: _Rows, rules: Policy, chosen: dict[int, Edit]) -> None:
    for row, kind in enumerate(rows.kinds):
        step = rules.step(kind)
        if kind in PROTECTED:
            if step == "augment":
                reason = "It is rare but right; more samples like it would help."
                sure = rows.kind_probability[row]
                chosen[row] = rows.edit(row, step, reason, sure, copies=rules.copies)
            elif step == "review":
                chosen[row] = rows.edit(row, step, f"It is {kind}.", rows.kind_probability[row])
            continue
        if step in ("keep", "deduplicate") or not _comes_into_question(rows, row, rules):
            continue
        made = _make(rows, row, step, rules)
        if made is not None:
            chosen[row] = made


def _comes_into_question(rows: _Rows, row: int, rules: Policy) -> bool:
    doubtful = rows.flagged[row] or rows.kinds[row] == "ambiguous"
    if rules.least_suspicion < 0.5:  # a policy may ask for more than what is flagged
        doubtful = doubtful or rows.suspicion[row] >= rules.least_suspicion
    least = 0.0 if rows.kinds[row] == "ambiguous" else rules.least_suspicion
    return bool(doubtful and rows.suspicion[row] >= least and rows.q_value[row] <= rules.fdr)


def _make(rows: _Rows, row: int, step: str, rules: Policy) -> Edit | None:
    suspicion, certainty = float(rows.suspicion[row]), float(rows.certainty[row])
    other = rows.suggested[row]
    harm = f"It is likely {rows.kinds[row].replace('_', ' ')} (suspicion {suspicion:.2f})"
    if step == "relabel":
        if other is not None and other != rows.given[row] and certainty >= rules.relabel_confidence:
            reason = f"{harm}; {other!r} is right with probability {certainty:.2f}."
            return rows.edit(row, step, reason, certainty, new_label=other)
        step = rules.unsure
        harm += ", and no other label is sure enough"
    if step == "soften":
        if other is None or other == rows.given[row]:
            step = "reweight"
        else:
            share = round(min(max(certainty, 0.0), 1.0), 6)
            pairs = ((rows.given[row], round(1 - share, 6)), (other, share))
            return rows.edit(row, step, f"{harm}; both labels count.", suspicion, soft_label=pairs)
    if step == "reweight":
        weight = round(max(rules.least_weight, 1 - suspicion), 6)
        return rows.edit(row, step, f"{harm}; it counts less.", suspicion, weight=weight)
    return None if step == "keep" else rows.edit(row, step, f"{harm}.", suspicion)


def _deduplicate(rows: _Rows, rules: Policy, chosen: dict[int, Edit]) -> None:
    """Keep one of each group of the same label: the least suspicious, the first of equals."""
    if rules.near_duplicate == "keep":
        return
    for group in range(rows.groups.max(initial=-1) + 1):
        members = [int(row) for row in np.flatnonzero(rows.groups == group)]
        by_label: dict[str, list[int]] = {}
        for row in members:
            if row not in chosen:
                by_label.setdefault(rows.given[row], []).append(row)
        for alike in by_label.values():
            stays = min(alike, key=lambda row: (rows.suspicion[row], row))
            for row in alike:
                if row != stays:
                    chosen[row] = rows.edit(
                        row,
                        rules.near_duplicate,
                        f"It repeats the sample {rows.ids[stays]}, which stays.",
                        1.0 if rows.kinds[row] == "clean" else rows.kind_probability[row],
                        source=rows.ids[stays],
                    )


def _keep_within_budget(rows: _Rows, rules: Policy, chosen: dict[int, Edit]) -> tuple[str, ...]:
    """Weigh down, rather than leave out, what is beyond the budget of the set or of its class."""
    out = [row for row, edit in chosen.items() if edit.action in LEAVE_OUT]
    out.sort(key=lambda row: (chosen[row].action == "deduplicate", -rows.suspicion[row], row))
    sizes = pd.Series(rows.given).value_counts()
    left: dict[str, int] = {}
    most, spent = int(rules.budget * len(rows.ids)), 0
    beyond = 0
    for row in out:
        label = rows.given[row]
        of_class = left.get(label, 0)
        if spent < most and of_class < int(rules.class_share * sizes[label]):
            spent, left[label] = spent + 1, of_class + 1
            continue
        beyond += 1
        repeats = chosen.pop(row).action == "deduplicate"
        if not repeats and rows.kinds[row] in KINDS:
            weight = round(max(rules.least_weight, 1 - float(rows.suspicion[row])), 6)
            reason = "The budget of samples to leave out is spent; it counts less."
            chosen[row] = rows.edit(row, "reweight", reason, rows.suspicion[row], weight=weight)
    if not beyond:
        return ()
    return (f"{beyond} samples beyond the policy's budget stay; what may harm counts less.",)


def _weigh_down(rows: _Rows, rules: Policy, chosen: dict[int, Edit]) -> None:
    if rules.reweight_from >= 1 or not any(edit.changes for edit in chosen.values()):
        return  # where nothing is wrong enough for another edit, doubts alone prove nothing
    for row in np.flatnonzero(rows.suspicion >= rules.reweight_from).tolist():
        if row in chosen or rows.kinds[row] in (*PROTECTED, "near_duplicate"):
            continue
        suspicion = float(rows.suspicion[row])
        weight = round(max(rules.least_weight, 1 - suspicion), 6)
        reason = f"It is doubtful (suspicion {suspicion:.2f}); it counts less."
        chosen[row] = rows.edit(row, "reweight", reason, suspicion, weight=weight)


def _thicken(rows: _Rows, rules: Policy, chosen: dict[int, Edit]) -> None:
    """Bring thin classes up to their least size by copies of unsuspicious samples, evenly."""
    sizes = pd.Series(rows.given).value_counts()
    target = int(rules.thin_classes * float(sizes.median()))
    for label in sorted(sizes.index[sizes < target]):
        own = [
            row
            for row in range(len(rows.ids))
            if rows.given[row] == label and row not in chosen and not rows.flagged[row]
        ]
        missing = target - int(sizes[label])
        for place, row in enumerate(own):
            copies = missing // len(own) + (place < missing % len(own))
            if copies:
                reason = f"Its class has {sizes[label]} samples, few beside the others."
                sure = 1 - float(rows.suspicion[row])
                chosen[row] = rows.edit(row, "augment", reason, sure, copies=copies)


def _ask_for_review(rows: _Rows, rules: Policy, chosen: dict[int, Edit]) -> None:
    order = np.argsort(np.abs(rows.suspicion - 0.5), kind="stable").tolist()
    free = [row for row in order if row not in chosen][: rules.review]
    for row in free:
        suspicion = float(rows.suspicion[row])
        chosen[row] = rows.edit(row, "review", "It is the most doubtful that is left.", suspicion)
