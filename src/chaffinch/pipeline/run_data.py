"""The data of a run, and which sample of them is which of the run.

A scan names samples as their data do. A run of `judge` or of a watch goes by positions where nobody
named its samples; the data, opened later, name theirs by content. Rows in the same order, with the
same labels, are the same samples.
"""

import os
from collections.abc import Mapping
from dataclasses import is_dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from chaffinch.core.dataset import Dataset
from chaffinch.core.errors import InputError
from chaffinch.core.findings import Findings
from chaffinch.core.labels import class_named
from chaffinch.pipeline.labelled import refuse_prompts
from chaffinch.pipeline.snapshot import location_of
from chaffinch.pipeline.task_steps import opening_of as opening_of
from chaffinch.pipeline.task_steps import reopened
from chaffinch.repair.plan import Plan
from chaffinch.store.run import RunFolder, RunRecord

OF_EVIDENCE = "evidence"
"""What the configuration of a run of `judge` says that it is of."""

OF_WATCH = "watch"
"""The same for the run of a watch."""


def data_of(record: RunRecord, data: Any = None) -> Any:
    """The data of a run, or where they lie.

    Args:
        record: Of the run.
        data: Data that were named instead, or where they lie now.

    Raises:
        InputError: They were in memory and nobody named others, or the run is on prompts.
    """
    refuse_prompts(record)
    if data is not None:
        return location_of(data) if isinstance(data, str | os.PathLike) else data
    place = record.origin.path if record.origin is not None else ""
    if not place:
        raise InputError(
            "the data of the run",
            "a run that does not keep them: they were in memory, or none were given",
            "Name them with --data (data=, or run.attach(data), in Python)",
        )
    return place


def open_run_data(run: RunFolder, data: Any = None) -> Dataset:
    """Open the data of a run again, or others of the same form.

    Raises:
        InputError: Data that were in memory, or that are no longer there, or without labels.
    """
    return reopened(run.record, data_of(run.record, data))


def open_as_run(record: RunRecord, table: pd.DataFrame, data: Any = None) -> Dataset:
    """Open the data of a run, with the ids that their samples have in it.

    Args:
        record: Of the run.
        table: Its findings.
        data: The data, or where they lie now; by default where the run found them.

    Raises:
        InputError: Any reason of `open_run_data`, or it is not clear which sample is which.
    """
    opened = reopened(record, data_of(record, data))
    names = _match(record, table, opened)
    if names is None:
        return opened
    own = {there: mine for mine, there in names.items()}
    rows = [row for row, name in enumerate(map(str, opened.ids)) if name in own]
    part: Any = opened.take(np.asarray(rows, dtype=np.int64))
    ids = np.asarray([own[str(name)] for name in part.ids], dtype=np.str_)
    if not is_dataclass(part):
        raise InputError(
            "data that chaffinch.open_data opens itself",
            f"a {type(data).__name__} whose ids are not those of the run",
            "Judge with data=, so that both have the same ids",
        )
    own_names: Any = replace
    made: Dataset = own_names(part, ids=ids)
    return made


def matching(record: RunRecord, table: pd.DataFrame, data: Any) -> dict[str, str] | None:
    """The id in the data of each sample of a run, by its id in the run.

    Args:
        record: Of the run.
        table: Its findings.
        data: What `open_data` takes.

    Returns:
        None where both have the same ids, as after a scan.

    Raises:
        InputError: Data of which it is not clear which sample is which.
    """
    if not _by_position(record):
        return None
    return _match(record, table, reopened(record, data))


def _by_position(record: RunRecord) -> bool:
    return record.configuration.get("of") in (OF_EVIDENCE, OF_WATCH)


def _match(record: RunRecord, table: pd.DataFrame, data: Dataset) -> dict[str, str] | None:
    own = table["id"].astype(str).tolist()
    there = [str(one) for one in data.ids]
    if not _by_position(record) or set(own) <= set(there):
        return None
    rows = table["row"].tolist()
    if len(there) < record.data.samples or max(rows, default=0) >= len(there):
        raise InputError(
            "the data that were judged",
            f"{len(there):,} samples, fewer than the run has",
            "Give the same data, in the same order",
        )
    texts, names = data.labels.texts, set(data.labels.names)
    pairs = zip(rows, table["given_label"].tolist(), strict=True)
    known = ((row, given) for row, given in pairs if not pd.isna(given))
    other = [row for row, given in known if class_named(str(given), names) != texts[row]]
    if other:
        raise InputError(
            "the data that were judged, in the same order",
            f"another label in {len(other):,} rows, such as row {other[0]}",
            "Sort them as they were, or name the column of the labels",
        )
    return dict(zip(own, (there[row] for row in rows), strict=True))


def renamed(plan: Plan, names: Mapping[str, str] | None) -> Plan:
    """The plan with other ids of its samples; as it is where there are none."""
    if names is None:
        return plan
    edits = (
        replace(one, id=names.get(one.id, one.id), source=names.get(one.source, one.source))
        for one in plan.edits
    )
    return replace(plan, edits=tuple(edits))


def with_ids_of_data(findings: Findings, names: Mapping[str, str]) -> Findings:
    """The findings with the ids that their samples have in the data."""
    ids = [names[str(one)] for one in findings.table["id"]]
    return replace(findings, table=findings.table.assign(id=ids))


def fitted(plan: Plan, record: RunRecord, table: pd.DataFrame, data: Any) -> Plan:
    """The plan of a run with the ids that its samples have in the data.

    Raises:
        InputError: Data of which it is not clear which sample is which.
    """
    return renamed(plan, matching(record, table, data))
