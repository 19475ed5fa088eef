"""`propose` for labels that are no classes: each kind of the task says what is done about it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from chaffinch.core.edit import LEAVE_OUT, Edit
from chaffinch.core.findings import Findings
from chaffinch.core.kinds import Kind
from chaffinch.core.types import Floats
from chaffinch.repair.open_labels import LabelForm
from chaffinch.repair.plan import Plan
from chaffinch.repair.policy import Policy, find_policy
from chaffinch.repair.proposal import with_set_aside
from chaffinch.repair.reviewed import answered, follow
from chaffinch.repair.trimming import Trimming

_STEPS = {"harmful": "relabel", "redundant": "deduplicate", "look": "review", "keep": "keep"}
"""What is done about a kind by its treatment, where it does not say."""


def propose_by_kind(
    findings: Findings,
    kinds: Mapping[str, Kind],
    policy: str | Path | Policy | Trimming = "balanced",
    fingerprint: str = "",
) -> Plan:
    """Propose what to do about findings on labels that are no classes. Nothing is changed.

    A flagged sample gets the suggested label where that is as sure as the policy asks for
    (`Policy.relabel_confidence`); else what the policy does where it is not sure enough. A label
    that is no class cannot be spread over others: where a policy would do that, the sample counts
    less instead.

    Args:
        findings: Of a task.
        kinds: Those that the task tells apart.
        policy: As for `chaffinch.repair.propose`; of its steps those of ``mislabelled`` and
            ``near_duplicate`` count, for kinds that do harm and for those that repeat others.
        fingerprint: Of the data, kept in the plan.

    Raises:
        InputError: No such policy.
    """
    rules = policy if isinstance(policy, Trimming) else find_policy(policy)
    judged = findings.judged
    if isinstance(rules, Trimming):
        plan = rules.plan(judged, None, fingerprint)
    else:
        plan = _by_policy(judged, kinds, rules, fingerprint)
    plan = Plan(plan.edits, fingerprint, plan.policy, plan.notes, open_labels=True)
    return follow(with_set_aside(plan, findings), findings, answered(findings))


def _by_policy(
    findings: Findings, kinds: Mapping[str, Kind], rules: Policy, fingerprint: str
) -> Plan:
    form = LabelForm.of_table(findings.table)
    edits: dict[int, Edit] = {}
    for row, one in enumerate(findings.table.to_dict("records")):
        least = one["suspicion"] >= rules.least_suspicion and one["q_value"] <= rules.fdr
        if one["flagged"] and least:
            made = _edit({str(k): v for k, v in one.items()}, kinds, rules, form)
            if made is not None:
                edits[row] = made
    suspicion = findings.table["suspicion"].to_numpy(np.float64)
    beyond = _keep_within_budget(edits, suspicion, rules)
    for row in np.argsort(np.abs(suspicion - 0.5), kind="stable").tolist():
        if sum(edit.action == "review" for edit in edits.values()) >= rules.review:
            break
        if row not in edits:
            one = findings.table.iloc[row]
            reason = "It is the most doubtful that is left."
            name, kind, given = (str(one[key]) for key in ("id", "kind", "given_label"))
            edits[row] = Edit(name, "review", kind, given, reason=reason)
    ordered = tuple(edits[row] for row in sorted(edits))
    return Plan(ordered, fingerprint, rules.name, (*findings.notes, *beyond))


def _edit(
    row: Mapping[str, Any], kinds: Mapping[str, Kind], rules: Policy, form: LabelForm
) -> Edit | None:
    kind = kinds.get(str(row["kind"]))
    step = "review" if kind is None else kind.step or _STEPS[kind.treatment]
    if step == "relabel":
        step = rules.mislabelled
    elif step == "deduplicate":
        step = "trim" if rules.near_duplicate == "deduplicate" else rules.near_duplicate
    title = str(row["kind"]).replace("_", " ") if kind is None else kind.title.lower()
    suspicion, given = float(row["suspicion"]), str(row["given_label"])
    reason = f"{title.capitalize()} (suspicion {suspicion:.2f})"
    more: dict[str, Any] = {}
    sure = suspicion
    if step == "relabel":
        other = None if pd.isna(row["suggested_label"]) else form.text(row["suggested_label"])
        known = float(row["suggestion_confidence"])
        if other is not None and other != given and known >= rules.relabel_confidence:
            more, sure = {"new_label": other}, known
            reason += f"; {other!r} is right with probability {known:.2f}"
        else:
            step = rules.unsure
            reason += ", and no other label is sure enough"
    if step in ("soften", "reweight"):
        step = "reweight"
        more = {"weight": round(max(rules.least_weight, 1 - suspicion), 6)}
        reason += "; it counts less"
    if step == "keep":
        return None
    return Edit(
        str(row["id"]),
        step,
        str(row["kind"]),
        given,
        reason=f"{reason}.",
        confidence=round(min(max(sure, 0.0), 1.0), 6),
        **more,
    )


def _keep_within_budget(
    edits: dict[int, Edit], suspicion: Floats, rules: Policy
) -> tuple[str, ...]:
    """Weigh down, rather than leave out, the least suspicious of what is beyond the budget."""
    out = [row for row, edit in edits.items() if edit.action in LEAVE_OUT]
    out.sort(key=lambda row: (-suspicion[row], row))
    beyond = out[int(rules.budget * len(suspicion)) :]
    for row in beyond:
        edit = edits[row]
        edits[row] = Edit(
            edit.id,
            "reweight",
            edit.kind,
            edit.old_label,
            weight=round(max(rules.least_weight, 1 - float(suspicion[row])), 6),
            reason="The budget of samples to leave out is spent; it counts less.",
            confidence=edit.confidence,
        )
    if not beyond:
        return ()
    return (f"{len(beyond)} samples beyond the policy's budget stay, and count less.",)
