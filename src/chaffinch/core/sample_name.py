"""What people call a sample: its id, its row in the data, or its file."""

import difflib
import os
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from chaffinch.core.errors import InputError
from chaffinch.core.option import listed

Name = str | int | os.PathLike[str]
"""An id, a row (counted from 0) or a path."""

PLACE_COLUMNS = ("row", "source")
"""Where a sample lies: its position in the data, and its file or the row of one."""


def ids_named(table: pd.DataFrame, names: Name | Iterable[Name], root: str = "") -> list[str]:
    """The ids of samples by what people call them.

    An id goes before a row of the same digits; integers of Python are rows if no id reads so.

    Args:
        table: Findings with ``id``, ``row`` and ``source``.
        names: One name or several.
        root: Folder from which the paths in ``source`` go; "" where there is none.

    Returns:
        One id for each name, in their order.

    Raises:
        InputError: A name of no sample.
    """
    single = isinstance(names, str | os.PathLike | int | np.integer)
    several = [names] if single else listed("ids, rows or files", names)
    ids = table["id"].astype(str).tolist()
    known, by_row = set(ids), {int(row): name for row, name in zip(table["row"], ids, strict=True)}
    by_source = dict(zip(table["source"].astype(str), ids, strict=True))
    by_source.pop("", None)
    found = []
    for name in several:
        text = os.fspath(name) if isinstance(name, os.PathLike) else str(name)
        if text in known:
            found.append(text)
        elif text.isascii() and text.isdigit() and int(text) in by_row:
            found.append(by_row[int(text)])
        else:
            place = next((one for one in _paths(text, root) if one in by_source), None)
            if place is None:
                raise _unknown(text, ids, list(by_source))
            found.append(by_source[place])
    return found


def _paths(text: str, root: str) -> Iterable[str]:
    """How ``source`` may spell a path: as it is, or relative to the folder of the data."""
    yield text.replace(os.sep, "/")
    if root and "://" not in root:
        yield os.path.relpath(os.path.abspath(os.path.expanduser(text)), root).replace(os.sep, "/")


def _unknown(text: str, ids: list[str], sources: list[str]) -> InputError:
    near: list[Any] = difflib.get_close_matches(text, [*ids, *sources], n=1, cutoff=0.6)
    remedy = f"Did you mean {near[0]!r}? " if near else ""
    file = " or a file as in the column 'source'" if sources else ""
    return InputError(
        f"an id of the findings, a row from 0 to {len(ids) - 1}{file}",
        repr(text),
        remedy + "Take it from the columns 'id', 'row' and 'source' of the findings",
    )


def with_places(table: pd.DataFrame) -> pd.DataFrame:
    """A findings table with ``row`` and ``source``; older ones are in the order of the data."""
    if "id" not in table or set(PLACE_COLUMNS) <= set(table.columns):
        return table
    made = table.copy()
    place = list(made.columns).index("id") + 1
    made.insert(place, "row", np.arange(len(made)))
    made.insert(place + 1, "source", "")
    return made
