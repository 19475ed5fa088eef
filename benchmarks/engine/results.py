"""The long table of results: one row a measurement."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.catalogue import origin_of
from benchmarks.cell import Cell
from benchmarks.engine.part import CellFolder
from benchmarks.engine.plan import Plan
from benchmarks.engine.worker import Failure
from benchmarks.experiment import Measurement

COLUMNS = (
    "suite",
    "experiment",
    "protocol",
    "data",
    "model",
    "glitch",
    "rate",
    "seed",
    "settings",
    "method",
    "origin",
    "metric",
    "value",
    "group",
    "x",
    "status",
    "message",
    "seconds",
)
"""``seconds`` is how long the call took that measured the row and perhaps others with it."""


def gather(plan: Plan, cache: Path, failures: Sequence[Failure]) -> pd.DataFrame:
    """All results of a plan in its order, whatever order they came in; failures are rows, too."""
    wrong: dict[str, list[Failure]] = {}
    for failure in failures:
        wrong.setdefault(failure.job.cell.key, []).append(failure)
    origins = {name: origin_of(name) for name in plan.methods}
    rows: list[dict[str, Any]] = []
    for job in plan.jobs:
        columns = _cell_columns(job.cell)
        folder = CellFolder(cache, job.cell)
        for method in job.methods:
            part = folder.read(method)
            if part is not None:
                named = {**columns, "method": method, "origin": origins[method]}
                rows += [{**named, **_measured(one, part.seconds)} for one in part.measurements]
        for failure in wrong.get(job.cell.key, ()):
            told = {"method": failure.method, "status": "failed", "message": failure.message}
            rows.append({**columns, **told})
    return _typed(pd.DataFrame(rows, columns=list(COLUMNS)))


def with_settings(table: pd.DataFrame) -> pd.DataFrame:
    """The table with a column ``settings.NAME`` for every setting of any cell."""
    settings = {text: json.loads(text) for text in table["settings"].unique()}
    names = sorted({name for values in settings.values() for name in values})
    plain = {
        f"settings.{name}": [_plain(settings[text].get(name, "")) for text in table["settings"]]
        for name in names
    }
    return pd.concat([table, pd.DataFrame(plain, index=table.index)], axis=1)


def _measured(one: Measurement, seconds: float) -> dict[str, Any]:
    return {
        "metric": one.metric,
        "value": one.value,
        "group": one.group,
        "x": one.x,
        "status": "ok",
        "message": "",
        "seconds": seconds,
    }


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    text = ["origin", "metric", "group", "message"]
    table[text] = table[text].fillna("")
    number = ["rate", "value", "x", "seconds"]
    table[number] = table[number].astype("float64")
    return table


def _cell_columns(cell: Cell) -> dict[str, Any]:
    columns = cell.model_dump()
    columns["settings"] = json.dumps(cell.settings, sort_keys=True)
    return columns


def _plain(value: object) -> object:
    """A value that can be compared and grouped by."""
    return json.dumps(value) if isinstance(value, list | dict) else value
