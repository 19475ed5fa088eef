"""Reading tags from a table: columns of 0 and 1, lists, joined texts, indicator arrays.

All become one text per sample, see `chaffinch.tasks.multilabel.texts`.
"""

import ast
import fnmatch
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from chaffinch.core.errors import InputError
from chaffinch.core.parsing import parse_json
from chaffinch.data.column import LABEL_NAMES, need_name, usual_label
from chaffinch.tasks.multilabel.tags import ABSENT, PRESENT, UNKNOWN
from chaffinch.tasks.multilabel.texts import NO_TAG, UNSURE, find_separator, separator_for

_COLUMN = re.compile(r"(labels?|tags?|class|y|target)[ _.-]?(.+)", re.IGNORECASE)
YES, NO = frozenset(("1", "1.0", "true", "yes")), frozenset(("0", "0.0", "false", "no"))

Form = Literal["columns", "lists", "joined"]


@dataclass(frozen=True)
class TagFormat:
    """How tags are written in a table.

    Attributes:
        form: "columns" of 0 and 1, one of "lists", or one of "joined" texts.
        columns: The columns that hold them.
        separator: Between tags of a joined text; "" where no text has two.
        classes: Names of the codes that lists hold, as of a Hugging Face `ClassLabel`; else ().
    """

    form: Form
    columns: tuple[str, ...]
    separator: str = ""
    classes: tuple[str, ...] = ()


def find_format(
    frame: pd.DataFrame, label: str | None = None, classes: Sequence[str] = ()
) -> TagFormat | None:
    """How the tags of a table are written; None where there are none.

    Args:
        frame: The table.
        label: Of the column of tags, several with commas between them, or a pattern such as
            ``label*``; None for the usual label column, or columns of 0 and 1 named ``label...``,
            ``tag...`` and the like.
        classes: Names of the codes that lists hold.

    Raises:
        InputError: A named column is not there.
    """
    names = [str(name) for name in frame.columns]
    if label is not None and label not in names:
        chosen = _named(names, label)
        return TagFormat("columns", chosen)
    column = usual_label(names, label)
    if column is None:
        found = _indicators(frame, names)
        return TagFormat("columns", found) if found else None
    cells = [cell for cell in frame[column].tolist() if not is_missing(cell)]
    if cells and all(_is_list(cell) for cell in cells):
        return TagFormat("lists", (column,), classes=tuple(classes))
    if cells and all(isinstance(cell, str) for cell in cells):
        if all(cell.strip().startswith("[") and cell.strip().endswith("]") for cell in cells):
            return TagFormat("lists", (column,))
        separator = find_separator(cells)
        if separator:
            return TagFormat("joined", (column,), separator)
    return None


def read_texts(frame: pd.DataFrame, form: TagFormat) -> list[str | None]:
    """(N,) the tags of each row as one text; None where a row has no label.

    Args:
        frame: The table.
        form: How its tags are written.

    Raises:
        InputError: A cell that is not what the form says.
    """
    if form.form == "columns":
        return _of_columns(frame, form.columns)
    cells = frame[form.columns[0]].tolist()
    if form.form == "joined":
        return [None if is_missing(cell) else str(cell).strip() or NO_TAG for cell in cells]
    rows = [None if is_missing(cell) else _listed(cell, form.classes) for cell in cells]
    separator = separator_for(name for row in rows if row for name in row)
    return [None if row is None else separator.join(row) or NO_TAG for row in rows]


def read_indicators(values: Any, names: Sequence[str] | None = None) -> list[str | None]:
    """(N,) the rows of an indicator array (N, K) as texts.

    Args:
        values: 1 or True where a sample has a tag, 0 where not, NaN or -1 where nobody knows.
        names: (K,) the tags; by default ``tag0``, ``tag1``, ..., with as many digits as the last.

    Raises:
        InputError: Another shape, or other values.
    """
    array = np.asarray(values)
    if array.ndim != 2 or not array.shape[1]:
        raise InputError(
            "an indicator array (N, K)", f"shape {array.shape}", "Pass one column per tag"
        )
    told = default_names(array.shape[1]) if names is None else list(names)
    frame = pd.DataFrame({name: array[:, place] for place, name in enumerate(told)})
    return _of_columns(frame.replace(-1, np.nan), tuple(told))


def default_names(count: int) -> list[str]:
    """Names of K tags that have none, which sort as they are numbered."""
    digits = len(str(count - 1))
    return [f"tag{place:0{digits}}" for place in range(count)]


def _named(names: list[str], label: str) -> tuple[str, ...]:
    found: list[str] = []
    for part in (part.strip() for part in label.split(",")):
        fitting = fnmatch.filter(names, part) if "*" in part else []
        found += fitting or [need_name(names, part, "label", "the table")]
    return tuple(dict.fromkeys(found))


def _indicators(frame: pd.DataFrame, names: list[str]) -> tuple[str, ...]:
    """The columns of 0 and 1 whose names begin alike, as labels do; () for fewer than two."""
    found: dict[str, list[str]] = {}
    for name in names:
        match = _COLUMN.fullmatch(name)
        if match and name.lower() not in LABEL_NAMES and _is_binary(frame[name]):
            found.setdefault(match[1].lower(), []).append(name)
    most = max(found.values(), key=len, default=[])
    return tuple(most) if len(most) > 1 else ()


def _is_binary(column: "pd.Series[Any]") -> bool:
    known = {_word(cell) for cell in column.dropna().unique()}
    return bool(known) and known <= YES | NO


def _word(cell: Any) -> str:
    return str(cell).strip().lower()


def _of_columns(frame: pd.DataFrame, columns: tuple[str, ...]) -> list[str | None]:
    separator = separator_for(columns)
    values = np.full((len(frame), len(columns)), UNKNOWN, np.int8)
    for place, name in enumerate(columns):
        for row, cell in enumerate(frame[name].tolist()):
            if not is_missing(cell):
                values[row, place] = _indicator(cell, name)
    marks = {PRESENT: "", UNKNOWN: UNSURE}
    told: list[str | None] = []
    for known in values.tolist():
        parts = [
            marks[value] + name
            for value, name in zip(known, columns, strict=True)
            if value in marks
        ]
        unlabelled = all(value == UNKNOWN for value in known)
        told.append(None if unlabelled else separator.join(parts) or NO_TAG)
    return told


def _indicator(cell: Any, column: str) -> int:
    word = _word(cell)
    if word in YES:
        return PRESENT
    if word in NO:
        return ABSENT
    raise InputError(
        f"1 and 0 (or yes and no) in the tag column {column!r}",
        repr(cell),
        "Leave the column out, or leave the cell empty where nobody knows",
    )


def is_missing(cell: Any) -> bool:
    """Whether a cell says nothing: not even that no tag holds."""
    if _is_list(cell):
        return False
    return cell is None or (isinstance(cell, str) and not cell.strip()) or bool(pd.isna(cell))


def _is_list(cell: Any) -> bool:
    return isinstance(cell, list | tuple | set | frozenset) or getattr(cell, "ndim", 0) == 1


def _listed(cell: Any, classes: tuple[str, ...]) -> list[str]:
    """The tags of a list, or of its text in JSON."""
    parts = _parsed(cell) if isinstance(cell, str) else list(cell)
    if isinstance(cell, set | frozenset):
        parts.sort(key=str)
    try:
        named = [classes[int(part)] for part in parts] if classes else [str(x) for x in parts]
    except (IndexError, ValueError) as error:
        raise InputError(
            f"codes of tags in 0..{len(classes) - 1}", repr(parts), "Check the features"
        ) from error
    return list(dict.fromkeys(name.strip() for name in named))


def _parsed(cell: str) -> list[Any]:
    """The list of a text in JSON, or as Python writes lists."""
    found: Any = None
    with suppress(ValueError, SyntaxError):
        found = ast.literal_eval(cell)
    if not isinstance(found, list):
        with suppress(ValueError):
            found = parse_json(cell)
    if not isinstance(found, list):
        raise InputError("a list of tags", repr(cell), 'Write it as ["a", "b"]')
    return found
