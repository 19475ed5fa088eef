"""Edits as rows of a table, for people and spreadsheets."""

import json
from collections.abc import Sequence
from typing import Any

from chaffinch.core.edit import Edit
from chaffinch.core.errors import InputError
from chaffinch.core.parsing import parse_json

COLUMNS = (
    "id",
    "row",
    "location",
    "action",
    "kind",
    "old_label",
    "new_label",
    "weight",
    "soft_label",
    "copies",
    "source",
    "reason",
    "confidence",
    "who",
)
"""Columns of a plan as a table; an empty cell is what is not set, ``soft_label`` is JSON."""


def row_of(edit: Edit) -> dict[str, Any]:
    """The cells of an edit by column; None for what is not set."""
    cells = edit.to_dict()
    row = {name: cells.get(name) for name in COLUMNS}
    if row["soft_label"] is not None:
        row["soft_label"] = json.dumps(row["soft_label"], ensure_ascii=False)
    return row


def edits_of(rows: Sequence[dict[Any, Any]]) -> tuple[Edit, ...]:
    """The edits of the rows of a table; cells of further columns are ignored.

    Raises:
        InputError: A cell that cannot be read, or an impossible edit.
    """
    edits = []
    for row in rows:
        cells = {str(k): v for k, v in row.items() if k in COLUMNS and not _empty(v)}
        if isinstance(cells.get("soft_label"), str):
            try:
                cells["soft_label"] = parse_json(cells["soft_label"])
            except ValueError as error:
                raise InputError(
                    'a soft label such as {"cat": 0.7, "dog": 0.3}',
                    repr(cells["soft_label"]),
                    "Correct the cell",
                ) from error
        edits.append(Edit.from_dict(cells))
    return tuple(edits)


def separator_of(text: str) -> str:
    """What stands between the cells of a CSV text, as its header shows.

    Spreadsheets write semicolons where the comma is the decimal sign.
    """
    header = text.partition("\n")[0]
    return ";" if ";" in header and "," not in header else ","


def check_columns(names: Sequence[str], where: str) -> None:
    """Refuse a table that cannot hold edits.

    Raises:
        InputError: It has no column ``id`` or ``action``.
    """
    if not {"id", "action"} <= set(names):
        raise InputError(
            f"the columns id and action in {where}",
            ", ".join(names) or "no columns",
            "Keep the names of the columns as 'chaffinch propose' wrote them",
        )


def _empty(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, float) and value != value)
