"""Whether the plan of a run helps, by training as the run did."""

import os
from dataclasses import replace
from typing import Any, TypedDict, Unpack

import pandas as pd

from chaffinch.core.errors import InputError
from chaffinch.core.findings import Findings
from chaffinch.data.column import need_name
from chaffinch.data.file import read_table
from chaffinch.data.opening import columns_of
from chaffinch.encoders.opening import is_in_memory
from chaffinch.pipeline.labelled import task_name
from chaffinch.pipeline.ledger import ledger_for, record_verification
from chaffinch.pipeline.outcome import findings_of
from chaffinch.pipeline.repairing import PROPOSED, REDUCED, REPAIR
from chaffinch.pipeline.run_data import data_of, matching, opening_of, renamed, with_ids_of_data
from chaffinch.pipeline.task_steps import steps_of
from chaffinch.pipeline.verification import Outcome, verify
from chaffinch.pipeline.verification.page import PAGE, write_page
from chaffinch.repair.plan import Plan
from chaffinch.store.mark import mark
from chaffinch.store.run import OriginRecord, RunFolder, RunRecord

_TRAINING = ("epochs", "batch_size", "learning_rate", "weight_decay", "embedder", "length")


class VerifyKeywords(TypedDict, total=False):
    """Keyword arguments of `verify_for`.

    Attributes:
        seeds: At most so many pairs of trainings.
        ablate: Whether the parts of the plan are tried one by one.
        control: Whether as many samples are left out at random, for comparison.
        group: Column of the held-out data to break accuracies down by.
        device: As for `ScanOptions`.
        model: The user's model; by default that of the run.
        encoder: The pre-trained encoder, or vectors; by default that of the run.
    """

    seeds: int
    ablate: bool
    control: bool
    group: str | None
    device: str
    model: Any
    encoder: Any


def verify_run(
    run: RunFolder,
    plan: Plan,
    data: Any = None,
    validation: Any = None,
    *,
    record: RunRecord | None = None,
    ledger: str | None = None,
    own: bool = False,
    **options: Unpack[VerifyKeywords],
) -> Outcome:
    """Verify a plan by training as the run did; keep the outcome in its folder.

    Where parts of the plan are withheld, the rest is kept: as the plan of the run if it was that
    one, with the plan as proposed beside it, else as ``repair-reduced.json``.

    Args:
        run: The run.
        plan: The plan.
        data: The data, or where they lie now; by default where the run found them.
        validation: Clean data; by default those of the run, if it had any.
        record: Of the run, where it says more of the data than that in the folder.
        ledger: See `ledger_for`.
        own: Whether it is the plan that the run keeps.
        **options: See `verify_for`.

    Raises:
        InputError: Any reason of `verify`.
    """
    book = ledger_for(run.path, ledger)
    told_of = run.record if record is None else record
    outcome = verify_for(told_of, findings_of(run), plan, data, validation, **options)
    outcome.write(run.path)
    write_page(outcome, run.path / PAGE)
    d = outcome.difference
    told = {**outcome.to_dict(), "plan": plan.digest}
    told |= {"difference": d.mean, "low": d.low, "high": d.high}
    record_verification(run.path, told, book)
    if outcome.withheld:
        if own:
            plan.to_json(run.path / PROPOSED)
        place = run.path / (REPAIR if own else REDUCED)
        outcome.plan.to_json(place)
        mark(place)
    return outcome


def verify_for(
    record: RunRecord,
    findings: Findings,
    plan: Plan,
    data: Any = None,
    validation: Any = None,
    **options: Unpack[VerifyKeywords],
) -> Outcome:
    """Verify a plan by training as the run did.

    Args:
        record: Of the run.
        findings: Of the run.
        plan: The plan.
        data: The data, or where they lie now; by default where the run found them.
        validation: Clean data; by default those of the run, if it had any.
        **options: See `VerifyKeywords`.

    Raises:
        InputError: Any reason of `verify`.
    """
    place, origin = data_of(record, data), record.origin or OriginRecord()
    if record.task is not None:
        return _by_task(record, findings, plan, place, validation, options)
    kept = record.configuration
    held = (origin.validation or None) if validation is None else validation
    group, how = options.get("group"), opening_of(record)
    training: Any = {name: kept[name] for name in _TRAINING if kept.get(name) is not None}
    model = options.get("model")
    encoder = _encoder(kept, options.get("encoder"))
    if encoder is not None:
        training = {**training, "encoder": encoder, "embedder": None}
    matched = matching(record, findings.table, place)
    outcome = verify(
        renamed(plan, matched),
        place,
        held,
        model=(origin.model or None) if model is None else model,
        findings=findings if matched is None else with_ids_of_data(findings, matched),
        groups=None if group is None else _groups(group, place if held is None else held, how),
        seeds=options.get("seeds", 5),
        ablate=options.get("ablate", True),
        control=options.get("control", True),
        seed=record.seed,
        device=options.get("device", "auto"),
        **how,
        **training,
    )
    if matched is None:
        return outcome
    back = {name: own for own, name in matched.items()}
    return replace(outcome, plan=renamed(outcome.plan, back))


def _by_task(
    record: RunRecord,
    findings: Findings,
    plan: Plan,
    data: Any,
    validation: Any,
    options: VerifyKeywords,
) -> Outcome:
    """Verify a plan on labels that are no classes.

    Raises:
        InputError: The task is not there any more, or any reason of its own.
    """
    steps = steps_of(record)
    if steps is None:
        raise InputError(
            f"the task {task_name(record)!r}, to train as it does",
            "a run whose task cannot be found any more",
            "Name its file or install its package as when the run was made",
        )
    plan = replace(plan, open_labels=True)
    return steps.verify(record, findings, plan, data, validation, options)


def _encoder(kept: dict[str, Any], given: Any) -> Any:
    """The encoder of a run, or the one that was named instead; None where there was none.

    Raises:
        InputError: It was in memory, and nobody named it.
    """
    known = kept.get("encoder") or kept.get("embeddings")
    if given is None and is_in_memory(known):
        raise InputError(
            "the encoder of the run",
            f"a run that does not keep it: {known}",
            "Pass it again in Python: run.verify(..., encoder=...)",
        )
    return known if given is None else given


def _groups(column: str, data: Any, opening: dict[str, Any]) -> Any:
    frame = data
    if isinstance(data, str | os.PathLike):
        frame = read_table(os.fspath(data), columns_of(**opening))
    if not isinstance(frame, pd.DataFrame):
        raise InputError(
            "held-out data in a table, whose column names the groups",
            f"a {type(data).__name__}",
            "Use cf.verify(..., groups=[...]) in Python",
        )
    where = str(data) if isinstance(data, str | os.PathLike) else "the held-out data"
    name = need_name([str(one) for one in frame.columns], column, "group", where)
    return frame.set_axis([str(one) for one in frame.columns], axis=1)[name].astype(str)
