"""What scans, plans, repairs and verifications write into the ledger."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy import select

from chaffinch.core.dataset import Dataset
from chaffinch.core.edit import Edit
from chaffinch.core.errors import RunError
from chaffinch.pipeline.repaired import repaired_rows
from chaffinch.pipeline.run_data import data_of
from chaffinch.pipeline.snapshot import location_of, snapshot
from chaffinch.pipeline.task_steps import reopened
from chaffinch.repair.plan import Plan
from chaffinch.store.ledger import FOLDER, Ledger, default_ledger
from chaffinch.store.nearby import NONE
from chaffinch.store.run import FINDINGS, RECORD, RunFolder, RunRecord
from chaffinch.store.schema import RUN
from chaffinch.store.version import record

UNKNOWN = "it does not know this run, nor what reviewers decided on it elsewhere"

_FINDING = (
    "given_label",
    "kind",
    "suggested_label",
    "suspicion",
    "kind_probability",
    "suggestion_confidence",
    "q_value",
    "flagged",
)
_EDIT = ("action", "kind", "old_label", "new_label", "reason", "who", "weight", "confidence")


def ledger_for(run: str | Path, url: str | None = None, *, create: bool = True) -> Ledger | None:
    """The ledger of a run.

    Args:
        run: The run folder.
        url: The ledger; by default what CHAFFINCH_LEDGER says, else ``.chaffinch/ledger.db``
            beside the run. "none" stands for no ledger.
        create: Whether it is to be written to: then an SQLite file is made where there is none,
            and one that has lost entries is refused.

    Raises:
        InputError: A ledger that cannot be opened or written to, or none although none is to be
            made.
        RunError: A ledger that has lost entries, or of a newer version of Chaffinch.
    """
    folder = Path(run).expanduser().absolute().parent
    place = url or default_ledger(folder)
    if place == NONE:
        return None
    artifacts = None if "://" not in place else folder / FOLDER / "artifacts"
    ledger = Ledger(place, os.environ.get("CHAFFINCH_ARTIFACTS") or artifacts, create=create)
    if create:
        ledger.need_whole()
        ledger.database.need_writable()
    return ledger


def run_id(run: str | Path) -> str:
    """What names a run in the ledger: the id in its record.

    Runs of older versions have none: they go by 16 hexadecimal digits of their record and findings.
    """
    found = RunFolder(run)
    if found.record.id:
        return found.record.id
    hasher = hashlib.sha256()
    for name in (RECORD, FINDINGS):
        hasher.update(bytes.fromhex(_sha256(found.path / name)))
    return hasher.hexdigest()[:16]


def fault_of(run: str | Path, ledger: Ledger) -> str | None:
    """Whether a ledger knows a run as it is now.

    Returns:
        None where it does, else what is the matter, as a sentence without the full stop.
    """
    folder = RunFolder(run).path
    known = ledger.table("run", id=run_id(run))
    if not len(known):
        return UNKNOWN
    kept = known.iloc[-1]
    changed = [FINDINGS] if _sha256(folder / FINDINGS) != kept["findings"] else []
    if (folder / RECORD).read_text("utf-8") != kept["record"]:
        changed.insert(0, RECORD)
    if not changed:
        return None
    return f"{' and '.join(changed)} of this run changed since it was recorded"


def _sha256(file: Path) -> str:
    try:
        with file.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise RunError(
            f"a whole run in {file.parent}", str(error), "Scan again with --overwrite"
        ) from error


def record_run(run: str | Path, data: Dataset, ledger: Ledger, location: str | None = None) -> str:
    """Record a finished run and, without its bytes, the version of the data; once.

    Returns:
        The id of the run.
    """
    folder, name = RunFolder(run), run_id(run)
    if len(ledger.table("run", id=name)):
        return name
    version = record(ledger, snapshot(data, location, run=name), whole=False)
    table = folder.findings
    told = table[table["flagged"].astype(bool) | (table["kind"] != "clean")]
    findings = [
        {"run": name, "sample": row["id"], **{key: _plain(row[key]) for key in _FINDING}}
        for row in told.to_dict("records")
    ]
    row = {
        "id": name,
        "folder": os.path.abspath(folder.path),
        "source": data.source,
        "location": location,
        "fingerprint": data.fingerprint,
        "version": version,
        "findings": _sha256(folder.path / FINDINGS),
        "record": (folder.path / RECORD).read_text("utf-8"),
        "samples": len(table),
    }
    known = select(RUN.c.id).where(RUN.c.id == name)
    ledger.append(
        "run",
        {"run": [row], "finding": findings},
        unless=lambda connection: connection.execute(known).first() is not None,
    )
    return name


def record_plan(run: str | Path, plan: Plan, ledger: Ledger | None) -> str:
    """Record a plan with its edits, once.

    Returns:
        The id of the plan, ``plan.digest``.
    """
    if ledger is None or len(ledger.table("plan", id=plan.digest)):
        return plan.digest
    row = {
        "id": plan.digest,
        "run": run_id(run),
        "policy": plan.policy,
        "fingerprint": plan.fingerprint,
        "document": plan.to_json(),
        "edits": len(plan.edits),
    }
    edits = [_edit_row(plan.digest, edit) for edit in plan.edits]
    ledger.append("plan", {"plan": [row], "edit": edits})
    return plan.digest


def record_verification(run: str | Path, outcome: Mapping[str, Any], ledger: Ledger | None) -> None:
    """Record what a verification found.

    Args:
        run: The run folder.
        outcome: A document that JSON can hold; of its keys ``plan``, ``verdict``, ``difference``,
            ``low`` and ``high`` become columns.
        ledger: Where to; None for nowhere.
    """
    if ledger is None:
        return
    row = {
        "run": run_id(run),
        "plan": outcome.get("plan"),
        "verdict": outcome.get("verdict"),
        "document": json.dumps(outcome, sort_keys=True, default=str),
        "difference": _number(outcome.get("difference")),
        "lowest": _number(outcome.get("low")),
        "highest": _number(outcome.get("high")),
    }
    ledger.append("verification", {"verification": [row]})


def record_repair(
    run: str | Path,
    plan: Plan,
    out: str | Path,
    ledger: Ledger | None,
    *,
    data: Any = None,
    seed: int = 0,
    told: RunRecord | None = None,
) -> tuple[str, str] | None:
    """Record the data before and after a plan, with their bytes, so that both can be restored.

    Args:
        run: The run folder from which the plan came.
        plan: What was applied.
        out: Where the repaired data were written.
        ledger: Where to; None for nowhere.
        data: The data before, a path; by default those of the run.
        seed: With which the plan was applied.
        told: The record of the run, where it says more of the data than that in the folder.

    Returns:
        The ids of both versions, or None where no ledger is kept.
    """
    if ledger is None:
        return None
    record_of_run = RunFolder(run).record if told is None else told
    location = location_of(data_of(record_of_run, data))
    dataset = reopened(record_of_run, location)
    name = run_id(run)
    record_plan(run, plan, ledger)
    before = record(ledger, snapshot(dataset, location, run=name), whole=True)
    rows = repaired_rows(plan, dataset, seed)
    shot = snapshot(
        dataset,
        location_of(out),
        rows,
        run=name,
        parent=before,
        plan=plan.digest,
        source=Path(out).name,
        fingerprint=reopened(record_of_run, out).fingerprint,
    )
    return before, record(ledger, shot, whole=True)


def _edit_row(plan: str, edit: Edit) -> dict[str, Any]:
    return {"plan": plan, "sample": edit.id, **{name: getattr(edit, name) for name in _EDIT}}


def _plain(value: Any) -> Any:
    return None if value is None or pd.isna(value) else value


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
