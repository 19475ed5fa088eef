"""What reviewers decided, put into a plan: a person's word goes before the tool's."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from chaffinch.core.edit import Edit
from chaffinch.core.findings import Findings
from chaffinch.core.labels import class_names
from chaffinch.core.sample_name import PLACE_COLUMNS
from chaffinch.repair.plan import Plan
from chaffinch.store.decision import consensus

_STEPS = {"remove": "trim", "quarantine": "quarantine", "relabel": "relabel", "unsure": "review"}


def follow(plan: Plan, findings: Findings, decisions: pd.DataFrame) -> Plan:
    """A plan that does what reviewers decided, whatever the policy proposed.

    ``keep`` and ``readmit`` leave a sample as it is, ``relabel`` gives it the reviewers' class,
    ``remove`` trims it and ``quarantine`` sets it apart; ``unsure``, or reviewers who do not say
    the same, asks for another look and changes nothing. The budgets of the policy do not bind
    people.

    Args:
        plan: As proposed from the findings.
        findings: Of the run that was reviewed.
        decisions: The last decision of each reviewer on each sample, as `Ledger.decisions` gives
            them; those on samples that the findings lack are left out.

    Returns:
        The plan with a note that says how many samples were decided, in the order of the findings.
    """
    table = findings.table
    order = {str(name): row for row, name in enumerate(table["id"])}
    decisions = decisions[decisions["sample"].astype(str).isin(order)]
    if not len(decisions):
        return located(plan, findings)
    votes = {str(name): group for name, group in decisions.groupby("sample", sort=True)}
    joint = {str(row["sample"]): row for row in consensus(decisions).to_dict("records")}
    edits = {edit.id: edit for edit in plan.edits if edit.id not in joint}
    for name, verdict in joint.items():
        row = table.iloc[order[name]]
        given = None if pd.isna(row["given_label"]) else str(row["given_label"])
        told = {"kind": str(row["kind"]), "old_label": given}
        made = _edit(name, told, verdict, votes[name])
        if made is not None:
            edits[name] = made
    _keep_a_twin(edits, {name for name, edit in edits.items() if name in joint and edit.leaves_out})
    open_questions = sum(not verdict["agreed"] for verdict in joint.values())
    note = f"{len(joint):,} samples follow reviewers' decisions"
    note += f"; on {open_questions:,} of them they disagree." if open_questions else "."
    ordered = sorted(edits.values(), key=lambda edit: order[edit.id])
    decided = replace(plan, edits=tuple(ordered), notes=(*plan.notes, note))
    return located(decided, findings)


def located(plan: Plan, findings: Findings) -> Plan:
    """The plan with the row and the file of each sample, as the findings know them."""
    table = findings.table
    if not set(PLACE_COLUMNS) <= set(table.columns):
        return plan
    rows = zip(table["row"].tolist(), table["source"].astype(str).tolist(), strict=True)
    place = dict(zip(table["id"].astype(str), rows, strict=True))
    edits = (
        replace(edit, row=int(place[edit.id][0]), location=place[edit.id][1])
        if edit.id in place
        else edit
        for edit in plan.edits
    )
    return replace(plan, edits=tuple(edits))


def answered(findings: Findings) -> pd.DataFrame:
    """The answers by which findings were calibrated, as decisions for `follow`.

    A label that is right is kept and a wrong one gets the label that was named; where none was, or
    nobody could tell, there is no decision.
    """
    columns = ["sample", "action", "label", "reviewer", "reason", "confidence"]
    if findings.answers is None:
        return pd.DataFrame(columns=columns)
    given = {str(k): str(v) for k, v in findings.table[["id", "given_label"]].to_numpy().tolist()}
    names = class_names(findings.classes)
    rows: list[tuple[Any, ...]] = []
    for one in findings.answers.to_dict("records"):
        name, named = str(one["id"]), int(one["label"]) >= 0
        label = names[int(one["label"])] if named else None
        who = one["reviewer"] or "the one who checked it"
        if label == given[name] or one["wrong"] == 0:
            rows.append((name, "keep", None, who, "", math.nan))
        elif named:
            rows.append((name, "relabel", label, who, "", math.nan))
    return pd.DataFrame(rows, columns=columns)


def _edit(
    name: str, told: Mapping[str, Any], verdict: Mapping[Any, Any], votes: pd.DataFrame
) -> Edit | None:
    who = ", ".join(sorted(set(votes["reviewer"].astype(str))))
    if not verdict["agreed"]:
        reason = f"Reviewers disagree ({verdict['votes']})."
        return Edit(name, "review", **told, reason=reason, who=who)
    step = _STEPS.get(str(verdict["action"]))
    label = str(verdict["label"]) if step == "relabel" else None
    if step is None or label == told["old_label"]:
        return None
    said = "; ".join(dict.fromkeys(text for text in votes["reason"].fillna("") if text))
    known = votes["confidence"].astype(float).dropna()
    return Edit(
        name,
        step,
        **told,
        new_label=label,
        reason=f"reviewed by {who}" + (f": {said}" if said else ""),
        confidence=round(float(known.mean()), 6) if len(known) else math.nan,
        who=who,
    )


def _keep_a_twin(edits: dict[str, Edit], gone: set[str]) -> None:
    """A copy must not go because of a twin that a reviewer has taken out: both would be lost."""
    for name, edit in edits.items():
        if edit.source and edit.source in gone:
            reason = f"Its twin {edit.source} was taken out by a reviewer; does the same hold here?"
            edits[name] = Edit(
                name, "review", kind=edit.kind, old_label=edit.old_label, reason=reason
            )
