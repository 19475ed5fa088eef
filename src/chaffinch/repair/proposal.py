"""`propose`: a plan of repair from findings and a policy."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import pandas as pd

from chaffinch.core.edit import LEAVE_OUT, Edit
from chaffinch.core.evidence import Evidence
from chaffinch.core.findings import Findings, HasFindings, findings_in
from chaffinch.core.kinds import UNUSABLE
from chaffinch.repair.collection import regions
from chaffinch.repair.plan import Plan
from chaffinch.repair.policy import KINDS, PROTECTED, Policy, find_policy
from chaffinch.repair.reviewed import answered, follow
from chaffinch.repair.rows import LABEL_KINDS, LEAST_SHARE, Rows
from chaffinch.repair.trimming import Trimming

_DOUBTFUL = "ambiguous"


@runtime_checkable
class Proposes(Protocol):
    """A run, of whatever kind."""

    def propose(self, policy: Policy | Trimming, /) -> Plan:
        """Propose what to do about its findings."""
        ...


def propose(
    findings: Findings | HasFindings,
    policy: str | Path | Policy | Trimming = "balanced",
    evidence: Evidence | None = None,
    fingerprint: str = "",
) -> Plan:
    """Propose what to do about the findings. Nothing is changed.

    Args:
        findings: A run of `scan`, `judge` or a watch, which knows its evidence and reviewers'
            decisions (see `Run.propose`), or findings alone.
        policy: ``gentle``, ``balanced``, ``strict``, the path of a TOML file, a `Policy`, or a
            `Trimming` by one score.
        evidence: Of the samples that were judged, in their order. With it, a second look is taken
            at the labels by what is learned without the suspects: it says how sure new labels are,
            and clears samples that were flagged in error. It also finds groups of near-duplicates
            and regions that need more data; without it only exact copies are grouped.
        fingerprint: Of the data, kept in the plan.

    Returns:
        A plan with at most one edit a sample, in the order of the data. Of samples whose labels
        people checked (`Findings.calibrate`), it does what they said.

    Raises:
        InputError: No such policy, or evidence on other samples.
    """
    # Refused before the second look, which takes a while.
    rules = policy if isinstance(policy, Trimming) else find_policy(policy)
    if isinstance(findings, Proposes) and evidence is None:
        return findings.propose(rules)
    findings = findings_in(findings)
    judged = findings.judged
    if isinstance(rules, Trimming):
        plan = rules.plan(judged, evidence, fingerprint)
        return follow(with_set_aside(plan, findings), findings, answered(findings))
    plan = propose_from(Rows.of(judged, evidence), judged, rules, evidence, fingerprint)
    return follow(with_set_aside(plan, findings), findings, answered(findings))


def with_set_aside(plan: Plan, findings: Findings) -> Plan:
    """Leave out what nothing can be learned from, and ask a person about labels that are missing.

    No budget binds these: the samples were not trained on in the first place.
    """
    aside = findings.table[~findings.is_judged]
    if not len(aside):
        return plan
    edits = {edit.id: edit for edit in plan.edits}
    for row in aside.to_dict("records"):
        kind, given, other = str(row["kind"]), row["given_label"], row["suggested_label"]
        told = not pd.isna(other) and row["suggestion_confidence"] == 1.0  # by a person
        hint = "" if pd.isna(other) else f" The model would say {str(other)!r}."
        edits[str(row["id"])] = Edit(
            str(row["id"]),
            "relabel" if told else "trim" if kind in UNUSABLE else "review",
            kind=kind,
            old_label=None if pd.isna(given) else str(given),
            new_label=str(other) if told else None,
            reason=f"A person says {str(other)!r}." if told else f"{row['why']}{hint}",
            confidence=1.0 if told or kind in UNUSABLE else math.nan,
        )
    order = {str(name): place for place, name in enumerate(findings.table["id"])}
    return replace(plan, edits=tuple(sorted(edits.values(), key=lambda edit: order[edit.id])))


def propose_from(
    rows: Rows,
    findings: Findings,
    policy: str | Path | Policy,
    evidence: Evidence | None = None,
    fingerprint: str = "",
) -> Plan:
    """As `propose`, from rows that were read, and looked at a second time, before.

    Args:
        rows: Of the findings and the evidence.
        findings: As for `propose`.
        policy: As for `propose`.
        evidence: As for `propose`.
        fingerprint: As for `propose`.

    Raises:
        InputError: No such policy.
    """
    rules = find_policy(policy)
    chosen: dict[int, Edit] = {}
    _by_kind(rows, rules, chosen, doubts=False)
    wrong = len(chosen)
    _deduplicate(rows, rules, chosen)
    # Where hardly anything is wrong, doubts alone prove nothing: most doubtful samples are right.
    doubts = wrong > 0 and wrong >= rules.least_share * len(rows.ids)
    if doubts:
        _by_kind(rows, rules, chosen, doubts=True)
    kept_notes = _keep_within_budget(rows, rules, chosen)
    if doubts:
        _lessen(rows, rules, chosen)
    _thicken(rows, rules, chosen)
    _ask_for_review(rows, rules, chosen)
    return Plan(
        tuple(chosen[row] for row in sorted(chosen)),
        fingerprint,
        rules.name,
        (*findings.notes, *kept_notes),
        regions(findings, evidence),
    )


def _by_kind(rows: Rows, rules: Policy, chosen: dict[int, Edit], doubts: bool) -> None:
    """Propose the step of each kind: for ambiguous samples that are not flagged, or the others."""
    for row, kind in enumerate(rows.kinds):
        doubted = kind == _DOUBTFUL and not rows.flagged[row]
        if doubted != doubts or row in chosen:
            continue
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


def _comes_into_question(rows: Rows, row: int, rules: Policy) -> bool:
    doubtful = rows.flagged[row] or rows.kinds[row] == _DOUBTFUL
    if rules.least_suspicion < 0.5:  # a policy may ask for more than what is flagged
        doubtful = doubtful or rows.suspicion[row] >= rules.least_suspicion
    least = 0.0 if rows.kinds[row] == _DOUBTFUL else rules.least_suspicion
    return bool(doubtful and rows.suspicion[row] >= least and rows.q_value[row] <= rules.fdr)


def _make(rows: Rows, row: int, step: str, rules: Policy) -> Edit | None:
    suspicion, certainty = float(rows.suspicion[row]), float(rows.certainty[row])
    other = rows.suggested[row]
    harm = f"It is likely {rows.kinds[row].replace('_', ' ')} ({rows.doubt(row)})"
    if step == "relabel":
        if other is not None and other != rows.given[row] and certainty >= rules.relabel_confidence:
            reason = f"{harm}; {other!r} is right with probability {certainty:.2f}."
            return rows.edit(row, step, reason, certainty, new_label=other)
        step = "trim" if rules.unsure == "soften" and rows.spread is None else rules.unsure
        harm += ", and no other label is sure enough"
    if step == "soften":
        if rows.spread is not None:
            if suspicion < LEAST_SHARE:  # all but surely right after all
                return None
            reason = f"{harm}; its label is spread over the classes that it may be."
            return rows.edit(row, step, reason, suspicion, soft_label=rows.shares(row))
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


def _deduplicate(rows: Rows, rules: Policy, chosen: dict[int, Edit]) -> None:
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


def _keep_within_budget(rows: Rows, rules: Policy, chosen: dict[int, Edit]) -> tuple[str, ...]:
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


def _lessen(rows: Rows, rules: Policy, chosen: dict[int, Edit]) -> None:
    """Let doubtful labels do less: spread over the classes, or counted for less."""
    least = min(rules.soften_from, rules.reweight_from)
    for row in np.flatnonzero(rows.suspicion >= least).tolist() if least < 1 else ():
        if row in chosen or rows.kinds[row] in (*PROTECTED, "near_duplicate"):
            continue
        suspicion = float(rows.suspicion[row])
        doubtful = f"It is doubtful (suspicion {suspicion:.2f})"
        spread = rows.spread is not None and rows.kinds[row] in LABEL_KINDS
        if spread and rules.soften_from < 1 and suspicion >= rules.soften_from:
            reason = f"{doubtful}; its label is spread over the classes that it may be."
            edit = rows.edit(row, "soften", reason, suspicion, soft_label=rows.shares(row))
        elif suspicion >= rules.reweight_from and rules.reweight_from < 1:
            weight = round(max(rules.least_weight, 1 - suspicion), 6)
            reason = f"{doubtful}; it counts less."
            edit = rows.edit(row, "reweight", reason, suspicion, weight=weight)
        else:
            continue
        chosen[row] = edit


def _thicken(rows: Rows, rules: Policy, chosen: dict[int, Edit]) -> None:
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


def _ask_for_review(rows: Rows, rules: Policy, chosen: dict[int, Edit]) -> None:
    order = np.argsort(np.abs(rows.suspicion - 0.5), kind="stable").tolist()
    free = [row for row in order if row not in chosen][: rules.review]
    for row in free:
        suspicion = float(rows.suspicion[row])
        chosen[row] = rows.edit(row, "review", "It is the most doubtful that is left.", suspicion)
