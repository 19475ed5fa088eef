"""From a run to a plan and to repaired data."""

import itertools
import logging
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from chaffinch.core.errors import ChaffinchError, InputError, RunError
from chaffinch.core.evidence import Evidence
from chaffinch.core.findings import Findings
from chaffinch.pipeline.answers import decisions_of
from chaffinch.pipeline.labelled import refuse_prompts
from chaffinch.pipeline.ledger import (
    ledger_for,
    record_plan,
    record_repair,
)
from chaffinch.pipeline.outcome import findings_of
from chaffinch.pipeline.run_data import data_of, fitted
from chaffinch.pipeline.task_steps import written
from chaffinch.repair.kind_proposal import propose_by_kind
from chaffinch.repair.plan import Plan
from chaffinch.repair.policy import Policy
from chaffinch.repair.proposal import propose
from chaffinch.repair.reviewed import follow
from chaffinch.repair.trimming import Trimming
from chaffinch.store import EvidenceFolder
from chaffinch.store.draft import delivered, free
from chaffinch.store.mark import mark, marked
from chaffinch.store.run import EVIDENCE, RunFolder, RunRecord

_LOG = logging.getLogger("chaffinch")

REPAIR = "repair.json"
"""File of the plan in a run folder."""

PROPOSED = "repair-proposed.json"
"""The plan before a verification took parts out of it."""

REDUCED = "repair-reduced.json"
"""What a verification left of another plan than that of the run."""


def propose_run(
    run: RunFolder,
    policy: str | Path | Policy | Trimming = "balanced",
    out: Path | None = None,
    ledger: str | None = None,
) -> Plan:
    """Propose a plan for a run and keep it in its folder as ``repair.json``.

    Decisions of reviewers on the run that the ledger holds go before what the policy says, and the
    policy goes by the findings as answers of people recalibrated them, where they did. A plan in
    the folder that somebody changed is kept under another name.

    Args:
        run: The run.
        policy: A policy, the name of one, a TOML file, or a trimming by one score.
        out: A further .json or .csv file for the plan; an earlier one is replaced, if nobody
            changed it.
        ledger: Where it is recorded and decisions are looked up; see `ledger_for`.

    Raises:
        InputError: No such policy, another ending of ``out``, something else that exists there,
            or a run on prompts.
    """
    refuse_prompts(run.record)
    if out is not None:
        _free_for_plan(out)
    folder = EvidenceFolder(run.path / EVIDENCE)
    evidence = folder.load() if run.record.task is None and folder.whole else None
    findings = findings_of(run, latest=True)
    plan = propose_for(run.record, findings, evidence, policy)
    book = ledger_for(run.path, ledger)
    plan = follow(plan, findings, decisions_of(run, findings, book))
    _kept(run, plan)
    if out is not None:
        write_plan(plan, out)
    record_plan(run.path, plan, book)
    return plan


def propose_for(
    record: RunRecord,
    findings: Findings,
    evidence: Evidence | None,
    policy: str | Path | Policy | Trimming = "balanced",
) -> Plan:
    """Propose a plan by findings and evidence; evidence on other samples is left out.

    Raises:
        InputError: No such policy, or a run on prompts.
    """
    refuse_prompts(record)
    if record.task is not None:
        return propose_by_kind(findings, record.task.kinds, policy, record.data.fingerprint)
    judged = findings.judged.table["id"].astype(str).tolist()
    if evidence is not None and list(evidence.ids) != judged:
        evidence = None
    return propose(findings, policy, evidence, record.data.fingerprint)


def write_plan(plan: Plan, out: Path) -> None:
    """Write a plan to a .json or .csv file; an earlier one is replaced, if nobody changed it.

    Raises:
        InputError: Another ending, or something else that exists there.
    """
    _free_for_plan(out)
    text = plan.to_csv() if out.suffix.lower() == ".csv" else plan.to_json()
    delivered({out: lambda draft: draft.write_text(text, "utf-8")}, overwrite=True)


def _free_for_plan(out: Path) -> None:
    if out.suffix.lower() not in (".json", ".csv"):
        raise InputError(
            "a plan in a .json or .csv file", repr(str(out)), "Check the ending of --out"
        )
    free(out, overwrite=True)


def _kept(run: RunFolder, plan: Plan) -> None:
    """Keep the plan of a run; an earlier one that a person changed gets another name."""
    place = run.path / REPAIR
    if place.is_file() and not marked(place) and place.read_text("utf-8") != plan.to_json():
        names = (run.path / f"repair-changed-{number}.json" for number in itertools.count(1))
        other = next(name for name in names if not os.path.lexists(name))
        place.rename(other)
        _LOG.warning("The plan in %s was changed by hand: it is kept in %s", place, other)
    plan.to_json(place)
    mark(place)


def plan_of(run: RunFolder, file: Path | None) -> Plan:
    """The plan in a file, or that of the run, which is proposed if there is none yet."""
    kept = Plan.read(file) if file is not None else plan_kept(run)
    return propose_run(run) if kept is None else kept


def plan_kept(run: RunFolder) -> Plan | None:
    """The plan of a run; None if there is none yet."""
    file = run.path / REPAIR
    return Plan.from_json(file) if file.is_file() else None


def apply_run(
    run: RunFolder,
    plan: Plan,
    out: str | Path | None = None,
    data: Any = None,
    *,
    record: RunRecord | None = None,
    ledger: str | None = None,
    overwrite: bool = False,
    links: bool = False,
    seed: int = 0,
) -> Any:
    """Apply a plan to the data of a run; what is written is recorded.

    Args:
        run: The run.
        plan: The plan.
        out: Where to write; None for a repaired copy in memory, which is not recorded.
        data: The data, or where they lie now; by default where the run found them.
        record: Of the run, where it says more of the data than that in the folder.
        ledger: See `ledger_for`.
        overwrite: Whether ``out`` may be replaced, if Chaffinch wrote it.
        links: Whether images are linked instead of copied.
        seed: Decides every random choice.

    Returns:
        What `Plan.apply` returns: ``out`` where it is given.

    Raises:
        InputError: The run does not know where its data lie, or any reason of `apply`.
        RunError: The repaired data are there, but could not be recorded.
    """
    record = run.record if record is None else record
    place = data_of(record, data)
    _refuse_within(run, out)
    # One that cannot be opened is an error before the work.
    book = None if out is None else ledger_for(run.path, ledger)
    plan = fitted(with_form(plan, record), record, run.findings, place)
    how: Any = {"overwrite": overwrite, "links": links, "seed": seed}
    made = written(record, plan, place, out=out, **how)
    if out is None:
        return made
    try:
        record_repair(run.path, plan, out, book, data=place, seed=seed, told=record)
    except (ChaffinchError, OSError) as error:
        raise RunError(
            f"to record the repair in the ledger of {run.path}",
            error.got if isinstance(error, ChaffinchError) else str(error),
            f"The repaired data in {out} are whole; mend this, then apply again with --overwrite",
        ) from error
    return made


def with_form(plan: Plan, record: RunRecord) -> Plan:
    """The plan as one whose labels may be new where they are no classes; tables do not say so."""
    return plan if record.task is None else replace(plan, open_labels=True)


def _refuse_within(run: RunFolder, out: str | Path | None) -> None:
    target, own = Path(out or "").expanduser().resolve(), run.path.resolve()
    if out is not None and target in (own, *own.parents):
        raise InputError(
            "a place that does not hold the run", repr(str(out)), "Choose another --out"
        )
