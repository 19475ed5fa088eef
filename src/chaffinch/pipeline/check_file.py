"""``to_check.csv``: samples to look at, with an empty column for the right label."""

import csv
import io
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pandas as pd

from chaffinch.core.edit_row import separator_of
from chaffinch.core.errors import ChaffinchError, InputError
from chaffinch.core.findings import Findings
from chaffinch.core.labels import class_named, class_names
from chaffinch.core.sample_name import with_places
from chaffinch.core.uneven import need_no_longer
from chaffinch.data.column import few
from chaffinch.data.written import find_separator, plain_text
from chaffinch.pipeline.run_data import open_as_run
from chaffinch.store.run import RunFolder, write_text

TO_CHECK = "to_check.csv"
RIGHT = "right_label"
CANNOT_TELL = "?"

_LONGEST = 300
_OWN = ("id", "row", "source", "given_label", RIGHT)


def write_check_file(
    run: RunFolder, findings: Findings, rows: list[int], out: Path, known: Collection[str] = ()
) -> Path:
    """Write samples to check, in the order given.

    The suspicion is left out on purpose: who knows it answers otherwise.

    Args:
        run: Whose samples they are; what can be shown of them is read from its data.
        findings: Its findings.
        rows: Positions in the table.
        out: The file; an existing one is replaced.
        known: Ids of samples whose answers are on record.

    Raises:
        InputError: The file holds answers that are not on record, which would be lost.
    """
    filled = read_check_file(out, findings)["id"] if out.is_file() else pd.Series(dtype=object)
    unknown = int((~filled.isin(list(known))).sum())
    if unknown:
        raise InputError(
            f"no new answers in {out}, which is to be replaced",
            f"{unknown} that are not on record",
            f"Run 'chaffinch calibrate {run.path} --answers {out}'",
        )
    ids = findings.table["id"].astype(str).to_numpy()
    given = findings.table["given_label"].astype(str).to_numpy()
    shown = _previews(run, [str(ids[row]) for row in rows])
    places = with_places(findings.table).iloc[rows]
    named = {
        "id": ids[rows],
        "row": places["row"].to_numpy(),
        "source": places["source"].to_numpy(),
    }
    table = pd.DataFrame({**named, **shown, "given_label": given[rows], RIGHT: ""})
    write_text(out, table.to_csv(index=False, lineterminator="\n"))
    return out


def read_check_file(file: Path, findings: Findings) -> pd.DataFrame:
    """Read answers: a CSV file with ``id`` and ``right_label`` (or ``label``) or ``wrong``.

    Empty cells are not answered yet; "?" means that the reviewer cannot tell. Encoding and
    separator are found out, as spreadsheets save in those of their country.

    Raises:
        InputError: Another format.
    """
    try:
        content = file.expanduser().read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"a CSV file at {file}", reason, "Check the path") from error
    text = plain_text(content, str(file))
    separator = find_separator(text, separator_of(text))
    need_no_longer(text, separator, str(file))
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator)
        reader.fieldnames = [name.strip() for name in reader.fieldnames or ()]
        lines, names = list(reader), set(reader.fieldnames)
    except csv.Error as error:
        raise InputError(f"a CSV file at {file}", str(error), "Save it again as CSV") from error
    column = next((name for name in (RIGHT, "label", "wrong") if name in names), None)
    if "id" not in names or column is None:
        raise InputError(
            f"a CSV file with the columns id and {RIGHT} or wrong",
            f"the columns {few(sorted(names))}" if names else "no columns",
            "Fill in the file that 'chaffinch calibrate RUN' writes",
        )
    classes = set(class_names(findings.classes))
    told: list[dict[str, Any]] = []
    for line in lines:
        cell = line.get(column) or ""
        cell = cell if cell in classes else cell.strip()
        if not cell:
            continue
        unsure = cell == CANNOT_TELL and cell not in classes
        word = class_named(cell, classes) if column != "wrong" else cell
        told.append(
            {
                "id": (line["id"] or "").strip(),
                "label" if column == RIGHT else column: None if unsure else word,
                "reviewer": (line.get("reviewer") or "").strip(),
            }
        )
    return pd.DataFrame(told, columns=["id", "wrong" if column == "wrong" else "label", "reviewer"])


def _previews(run: RunFolder, ids: list[str]) -> dict[str, list[str]]:
    """What can be shown of samples in cells: values, texts, names of files."""
    try:
        data = open_as_run(run.record, run.findings)
    except (ChaffinchError, OSError):
        data = None
    place = {} if data is None else {str(one): row for row, one in enumerate(data.ids)}
    files = getattr(data, "files", None)
    shown: list[dict[str, str]] = []
    for name in ids:
        if data is None or name not in place:
            shown.append({})
        elif data.modality in ("image", "audio"):
            shown.append({"file": str(files[place[name]])} if files else {})
        else:
            cells = {str(key): value for key, value in data.show(place[name]).items()}
            cells.pop("image", None)
            shown.append({key: str(value)[:_LONGEST] for key, value in cells.items()})
    columns = [key for key in dict.fromkeys(key for one in shown for key in one) if key not in _OWN]
    return {key: [one.get(key, "") for one in shown] for key in columns}
