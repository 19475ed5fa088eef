"""Quarantine and its end: samples come back that a later look clears."""

from chaffinch.core.findings import Findings, HasFindings, findings_in
from chaffinch.core.option import real
from chaffinch.repair.plan import Plan, need_plan


def readmit(plan: Plan, findings: Findings | HasFindings, most_suspicion: float = 0.2) -> Plan:
    """Let samples out of quarantine that later findings no longer suspect.

    Findings of a model trained *without* the quarantined samples speak best: nothing of them is
    learned by heart.

    Args:
        plan: With edits ``quarantine``.
        findings: Later ones, on the whole data or on a part of it.
        most_suspicion: Samples of at most this suspicion that are not flagged come back.

    Returns:
        The plan without the quarantine of these samples; its notes tell how many came back.

    Raises:
        InputError: Something else than a plan, findings and a number.
    """
    need_plan(plan)
    most_suspicion = real("most_suspicion", most_suspicion)
    table = findings_in(findings).table
    clear = ~table["flagged"] & (table["suspicion"] <= most_suspicion)
    cleared = {str(one) for one in table.loc[clear, "id"]}
    held = {edit.id for edit in plan.edits if edit.action == "quarantine"}
    back = sorted(held & cleared)
    if not back:
        return plan
    shorter = plan.without(ids=back, action="quarantine")
    note = f"{len(back)} of {len(held)} samples came back from quarantine."
    return Plan(
        shorter.edits,
        plan.fingerprint,
        plan.policy,
        (*plan.notes, note),
        plan.collection,
    )
