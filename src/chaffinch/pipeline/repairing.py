"""From a run folder to a plan, to repaired data and to a verification."""

import itertools
import logging
import os
from pathlib import Path
from typing import Any

from chaffinch.core.errors import ChaffinchError, InputError, RunError
from chaffinch.core.plan import Plan
from chaffinch.pipeline.answers import decisions_of
from chaffinch.pipeline.labelled import need_labels
from chaffinch.pipeline.ledger import (
    ledger_for,
    opening_of,
    record_plan,
    record_repair,
    record_verification,
)
from chaffinch.pipeline.outcome import findings_of
from chaffinch.pipeline.verification import Outcome, verify
from chaffinch.pipeline.verification.page import PAGE, write_page
from chaffinch.repair.proposal import propose
from chaffinch.repair.reviewed import follow
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

_TRAINING = ("epochs", "batch_size", "learning_rate", "weight_decay", "embedder", "length")


def propose_run(
    run: RunFolder, policy: str = "balanced", out: Path | None = None, ledger: str | None = None
) -> Plan:
    """Propose a plan for a run and keep it in its folder as ``repair.json``.

    Decisions of reviewers on the run that the ledger holds go before what the policy says, and the
    policy goes by the findings as answers of people recalibrated them, where they did. A plan in
    the folder that somebody changed is kept under another name.

    Args:
        run: The run.
        policy: Name of a policy, or a TOML file.
        out: A further .json or .csv file for the plan; an earlier one is replaced, if nobody
            changed it.
        ledger: Where it is recorded and decisions are looked up; see `ledger_for`.

    Raises:
        InputError: No such policy, another ending of ``out``, something else that exists there,
            or a run on prompts.
    """
    need_labels(run.record)
    if out is not None and out.suffix.lower() not in (".json", ".csv"):
        raise InputError(
            "a plan in a .json or .csv file", repr(str(out)), "Check the ending of --out"
        )
    if out is not None:
        free(out, overwrite=True)
    folder = EvidenceFolder(run.path / EVIDENCE)
    evidence = folder.load() if folder.whole else None
    findings = findings_of(run, latest=True)
    judged = findings.judged.table["id"].astype(str).tolist()
    if evidence is not None and list(evidence.ids) != judged:
        evidence = None
    plan = propose(findings, policy, evidence, run.record.data.fingerprint)
    book = ledger_for(run.path, ledger)
    plan = follow(plan, findings, decisions_of(run, findings, book))
    _kept(run, plan)
    if out is not None:
        text = plan.to_csv() if out.suffix.lower() == ".csv" else plan.to_json()
        delivered({out: lambda draft: draft.write_text(text, "utf-8")}, overwrite=True)
    record_plan(run.path, plan, book)
    return plan


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
    if file is not None:
        return Plan.read(file)
    kept = run.path / REPAIR
    return Plan.from_json(kept) if kept.is_file() else propose_run(run)


def apply_run(
    run: RunFolder, plan: Plan, out: Path, data: str | None = None, **options: Any
) -> Path:
    """Apply a plan to the data of a run.

    Args:
        run: The run.
        plan: The plan.
        out: Where to write.
        data: Where the data lie now; by default where the run found them.
        **options: ``overwrite``, ``links`` and ``seed`` of `apply`, ``ledger`` of `ledger_for`.

    Returns:
        ``out``.

    Raises:
        InputError: The run does not know where its data lie, or any reason of `apply`.
        RunError: The repaired data are there, but could not be recorded.
    """
    ledger = options.pop("ledger", None)
    place = _data_of(run.record, data)
    target, own = out.expanduser().resolve(), run.path.resolve()
    if target in (own, *own.parents):
        raise InputError(
            "a place that does not hold the run", repr(str(out)), "Choose another --out"
        )
    book = ledger_for(run.path, ledger)  # one that cannot be opened is an error before the work
    plan.apply(place, out=out, **opening_of(run.record), **options)
    seed = int(options.get("seed", 0))
    try:
        record_repair(run.path, plan, out, book, data=place, seed=seed)
    except (ChaffinchError, OSError) as error:
        raise RunError(
            f"to record the repair in the ledger of {run.path}",
            error.got if isinstance(error, ChaffinchError) else str(error),
            f"The repaired data in {out} are whole; mend this, then apply again with --overwrite",
        ) from error
    return out


def verify_run(
    run: RunFolder,
    plan: Plan,
    data: str | None = None,
    validation: str | None = None,
    **options: Any,
) -> Outcome:
    """Verify a plan by training as the run did; keep the outcome in its folder.

    Args:
        run: The run.
        plan: The plan.
        data: Where the data lie now; by default where the run found them.
        validation: Clean data; by default those of the run, if it had any.
        **options: ``seeds``, ``ablate``, ``control``, ``group`` (a column of the validation data)
            and ``ledger``.

    Raises:
        InputError: Any reason of `verify`.
    """
    record, book = run.record, ledger_for(run.path, options.pop("ledger", None))
    origin, kept = record.origin, record.configuration
    held = validation or (origin.validation if origin is not None else "") or None
    group = options.pop("group", None)
    outcome = verify(
        plan,
        _data_of(record, data),
        held,
        model=(origin.model if origin is not None else "") or None,
        findings=findings_of(run),
        groups=None
        if group is None
        else _groups(group, held or _data_of(record, data), opening_of(record)),
        seed=record.seed,
        device=options.pop("device", "auto"),
        **opening_of(record),
        **{name: kept[name] for name in _TRAINING if kept.get(name) is not None},
        **options,
    )
    outcome.write(run.path)
    write_page(outcome, run.path / PAGE)
    d = outcome.difference
    told = {**outcome.to_dict(), "plan": plan.digest}
    told |= {"difference": d.mean, "low": d.low, "high": d.high}
    record_verification(run.path, told, book)
    return outcome


def _data_of(record: RunRecord, data: str | None) -> str:
    need_labels(record)
    place = data or (record.origin.path if record.origin is not None else "")
    if not place:
        raise InputError(
            "data in a file or folder",
            "a run on data in memory",
            "Name them with --data, or use propose and plan.apply in Python",
        )
    return place


def _groups(column: str, place: str, opening: dict[str, Any]) -> Any:
    from chaffinch.data.column import need_name
    from chaffinch.data.file import read_table
    from chaffinch.data.opening import columns_of

    frame = read_table(place, columns_of(**opening))
    name = need_name([str(one) for one in frame.columns], column, "group", place)
    return frame[name].astype(str)
