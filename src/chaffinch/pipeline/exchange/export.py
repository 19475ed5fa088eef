"""`export_run`: the findings of a run in the formats of other tools."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from chaffinch.core.dataset import Dataset
from chaffinch.core.durable import need_name
from chaffinch.core.errors import InputError
from chaffinch.core.progress import track
from chaffinch.core.sample_name import PLACE_COLUMNS
from chaffinch.pipeline.exchange import argilla, label_studio
from chaffinch.pipeline.exchange.task import Task, plain, tasks
from chaffinch.pipeline.ledger import run_id
from chaffinch.pipeline.run_data import open_as_run
from chaffinch.store.draft import delivered, free
from chaffinch.store.mark import need_local
from chaffinch.store.run import RunFolder, RunRecord

FORMATS = {
    "csv": ".csv",
    "parquet": ".parquet",
    "json": ".json",
    "cleanlab": ".csv",
    "label-studio": ".json",
    "argilla": ".json",
}
"""What a run can be exported to, and the endings of the files."""

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""

_FOR_PEOPLE = ("label-studio", "argilla")


def export_run(
    run: str | os.PathLike[str],
    to: str,
    out: str | Path | None = None,
    *,
    rows: str | None = None,
    data: Any = None,
    record: RunRecord | None = None,
    overwrite: bool = False,
    safe_csv: bool = False,
) -> Path:
    """Write the findings of a run for another tool, most suspicious samples first.

    Args:
        run: The run folder.
        to: One of `FORMATS`.
        out: The file; by default named after the run and the format, here.
        rows: ``all`` or ``flagged``; by default the flagged ones for tools in which people label,
            else all.
        data: The data, for the tools that show samples; by default those of the run.
        record: Of the run, where it says more of the data than that in the folder.
        overwrite: Whether ``out`` may be replaced, if Chaffinch wrote it.
        safe_csv: Whether texts of a CSV file that a spreadsheet would take for a formula get an
            apostrophe in front, see `safe_cells`.

    Returns:
        The file. For Label Studio the labelling interface is written beside it, as ``.xml``.

    Raises:
        InputError: Another format, nothing to export, a file that exists, or data that cannot be
            opened.
    """
    folder = RunFolder(Path(run))
    rows = rows or ("flagged" if to in _FOR_PEOPLE else "all")
    if to not in FORMATS:
        raise InputError(f"a format among {', '.join(FORMATS)}", repr(to), "Choose one with --to")
    if rows not in ("all", "flagged"):
        raise InputError("the rows 'all' or 'flagged'", repr(rows), "Choose one with --rows")
    if safe_csv and FORMATS[to] != ".csv":
        raise InputError("a format of CSV with --safe-csv", repr(to), "Leave it out")
    need_local(out or "")
    place = Path(out or f"{folder.path.absolute().name}-{to}{FORMATS[to]}").expanduser()
    for file in _files(place, to):
        free(file, overwrite)
    table = folder.latest[1].sort_values("suspicion", ascending=False, kind="stable")
    if rows == "flagged":
        table = table[table["flagged"].astype(bool)]
    if not len(table):
        raise InputError("flagged samples", "none in this run", "Use --rows all")
    if to in _FOR_PEOPLE:
        opened = open_as_run(record or folder.record, folder.findings, data)
        files = _tasks(table, folder, to, place, opened)
    else:
        files = {place: lambda draft: _WRITERS[to](safe_cells(table) if safe_csv else table, draft)}
    delivered(files, overwrite=overwrite)
    return place


def safe_cells(table: pd.DataFrame) -> pd.DataFrame:
    """The table with an apostrophe before every text that begins like a formula (= + - @).

    Spreadsheets would compute such a text, and it may come from whoever wrote the data (CSV
    injection, https://owasp.org/www-community/attacks/CSV_Injection). Numbers stay as they are.
    """

    def quoted(cell: Any) -> Any:
        return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell

    texts = [name for name in table if not pd.api.types.is_numeric_dtype(table[name])]
    return table.assign(**{str(name): table[name].astype(object).map(quoted) for name in texts})


def cleanlab_columns(table: pd.DataFrame) -> pd.DataFrame:
    """The columns of ``Datalab.get_issues()``: booleans, and scores of which low ones are bad."""
    wrong = table["p_mislabelled"] if "p_mislabelled" in table else table["suspicion"]
    suggested = table["suggested_label"]
    columns = {
        **{name: table[name] for name in ("id", *PLACE_COLUMNS) if name in table},
        "is_label_issue": table["flagged"].astype(bool) & (table["kind"] == "mislabelled"),
        "label_score": 1 - wrong,
        "given_label": table["given_label"],
        "predicted_label": suggested.where(suggested.notna(), table["given_label"]),
    }
    for kind in ("outlier", "near_duplicate"):
        if f"p_{kind}" in table:
            columns[f"is_{kind}_issue"] = table["kind"] == kind
            columns[f"{kind}_score"] = 1 - table[f"p_{kind}"]
    return pd.DataFrame(columns)


def _files(place: Path, to: str) -> tuple[Path, ...]:
    """All files that an export writes."""
    if to != "label-studio":
        return (place,)
    if place.suffix.lower() == ".xml":  # where the interface goes
        raise InputError("a file of tasks that ends in .json", repr(str(place)), "Rename --out")
    need_name(place)
    return place, place.with_suffix(".xml")


def _tasks(
    table: pd.DataFrame, run: RunFolder, to: str, place: Path, data: Dataset
) -> dict[Path, Callable[[Path], Any]]:
    """What writes each file of a tool in which people label."""
    name = run_id(run.path)
    made: list[Task] = []
    with track("writing tasks", len(table)) as advance:
        for task in tasks(table, data):
            made.append(task)
            advance()
    if to == "argilla":
        return {place: partial(_write_text, _document(argilla.to_records(made, name)))}
    files = getattr(data, "files", None)
    content = _document(label_studio.to_tasks(made, name, files))
    interface = label_studio.configuration(run.record.data.classes, made[0].field)
    both = zip(_files(place, to), (content, interface), strict=True)
    return {file: partial(_write_text, text) for file, text in both}


def _document(content: Sequence[Mapping[Any, Any]]) -> str:
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _write_text(text: str, draft: Path) -> None:
    draft.write_text(text, "utf-8")


def _write_json(table: pd.DataFrame, draft: Path) -> None:
    rows = [{name: plain(value) for name, value in row.items()} for row in table.to_dict("records")]
    _write_text(_document(rows), draft)


_WRITERS: dict[str, Callable[[pd.DataFrame, Path], Any]] = {
    "csv": lambda table, draft: table.to_csv(draft, index=False),
    "parquet": lambda table, draft: table.to_parquet(draft, index=False),
    "json": _write_json,
    "cleanlab": lambda table, draft: cleanlab_columns(table).to_csv(draft, index=False),
}
