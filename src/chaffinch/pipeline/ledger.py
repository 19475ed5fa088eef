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
from chaffinch.core.errors import InputError, RunError
from chaffinch.core.plan import Plan
from chaffinch.data import open_data
from chaffinch.pipeline.labelled import need_labels
from chaffinch.pipeline.repaired import repaired_rows
from chaffinch.pipeline.snapshot import location_of, snapshot
from chaffinch.store.ledger import FILE, FOLDER, LEDGER, Ledger, NoLedgerError, default_ledger
from chaffinch.store.run import FINDINGS, RECORD, OriginRecord, RunFolder
from chaffinch.store.schema import RUN
from chaffinch.store.version import record

NONE = "none"
"""As the place of the ledger: write none."""

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
        InputError: A ledger that cannot be opened, or none although none is to be made.
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
    return ledger


def ledger_near(data: str | Path | None = None, url: str | None = None) -> Ledger:
    """The ledger that knows data: the named one, else one here, else one beside the data.

    Of a run, the one beside it comes first; without data, the one here is the only one.

    Raises:
        InputError: There is none, or none is wanted.
    """
    named = url or os.environ.get(LEDGER)
    if url == NONE:
        raise InputError("a ledger", "'none'", "Name one with --ledger")
    if named and named != NONE:
        return Ledger(named, create=False)
    folders = [Path.cwd()]
    if data is not None:
        folders.insert(0 if is_run(data) else 1, Path(location_of(data) or ".").parent)
    for folder in folders:
        if (folder / FOLDER / FILE).is_file():
            return Ledger(folder / FOLDER / FILE)
    raise NoLedgerError(
        f"a ledger at {FOLDER}/{FILE} here" + (f" or beside {data}" if data else ""),
        "none",
        "Scan the data with --out first, or name a ledger with --ledger",
    )


def is_run(place: str | Path) -> bool:
    """Whether a path is a finished run."""
    return (Path(place).expanduser() / RECORD).is_file()


def run_id(run: str | Path) -> str:
    """What names a run in the ledger: 16 hexadecimal digits of its record and findings."""
    folder = RunFolder(run).path
    hasher = hashlib.sha256()
    for name in (RECORD, FINDINGS):
        try:
            content = (folder / name).read_bytes()
        except OSError as error:
            raise RunError(
                f"a whole run in {folder}", str(error), "Scan again with --overwrite"
            ) from error
        hasher.update(hashlib.sha256(content).digest())
    return hasher.hexdigest()[:16]


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
        "findings": hashlib.sha256((folder.path / FINDINGS).read_bytes()).hexdigest(),
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
) -> tuple[str, str] | None:
    """Record the data before and after a plan, with their bytes, so that both can be restored.

    Args:
        run: The run folder from which the plan came.
        plan: What was applied.
        out: Where the repaired data were written.
        ledger: Where to; None for nowhere.
        data: The data before, a path; by default those of the run.
        seed: With which the plan was applied.

    Returns:
        The ids of both versions, or None where no ledger is kept.
    """
    if ledger is None:
        return None
    folder = RunFolder(run)
    location = location_of(data) if data is not None else _origin(folder).path or None
    dataset = open_run_data(folder, location)
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
        fingerprint=open_run_data(folder, location_of(out)).fingerprint,
    )
    return before, record(ledger, shot, whole=True)


def open_run_data(run: RunFolder, location: str | None = None) -> Dataset:
    """Open the data of a run again, or others of the same form.

    Raises:
        InputError: Data that were in memory, or that are no longer there, or without labels.
    """
    need_labels(run.record)
    found, origin = run.record, _origin(run)
    place = location or origin.path
    if not place:
        raise InputError(
            f"data on disk for the run {run.path}",
            "data that were in memory",
            "Name them with --data, or call the function with the data in Python",
        )
    names = ("id_column", "text_column", "max_pixels")
    options = {key: found.configuration.get(key) for key in names}
    return open_data(place, label=origin.label, trainable=False, **options)


def _origin(run: RunFolder) -> OriginRecord:
    return run.record.origin or OriginRecord()


def _edit_row(plan: str, edit: Edit) -> dict[str, Any]:
    return {"plan": plan, "sample": edit.id, **{name: getattr(edit, name) for name in _EDIT}}


def _plain(value: Any) -> Any:
    return None if value is None or pd.isna(value) else value


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
