"""Long tables: one row a step of time, a column that names the series."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_datetime64_any_dtype, is_numeric_dtype

from chaffinch.core.errors import InputError
from chaffinch.core.identity import ids_from_keys
from chaffinch.core.labels import Labels
from chaffinch.core.sample_groups import SampleGroups
from chaffinch.data.column import Columns, check_scalars, few, need_name
from chaffinch.data.series import SeriesData

TIME_NAMES = ("time", "timestamp", "datetime", "date", "t", "step", "ds", "tick")
"""Columns that are taken for the time, in upper or lower case; else the order of the rows is."""

_MOST_NAMED = 3


def open_long(frame: pd.DataFrame, columns: Columns, label: str, source: str) -> SeriesData:
    """Gather the rows of each series, in order of time.

    Args:
        frame: One row a step; with columns of the series, the label, numbers, perhaps the time.
        columns: Names of the columns; the series are named by theirs.
        label: Column of the labels, one value a series.
        source: Where the table came from, for people.

    Raises:
        InputError: No such column, rows without a series, a series with several labels or groups,
            no column of numbers, or times that cannot be read.
    """
    names = list(frame.columns)
    name = need_name(names, str(columns.series), "series", source)
    if name == label:
        raise InputError("a column of series beside that of the labels", name, "Name another one")
    check_scalars(frame[name], f"the series column {name!r}")
    codes, keys = pd.factorize(frame[name])
    if (codes < 0).any():
        ids_from_keys([None] * int((codes < 0).sum()), name)  # says what is wrong
    time = next(
        (one for one in names if one.lower() in TIME_NAMES and one not in (name, label)), None
    )
    order = np.arange(len(frame)) if time is None else _order(frame[time], time, source)
    order = order[np.argsort(codes[order], kind="stable")]
    members = np.split(order, np.cumsum(np.bincount(codes))[:-1])
    out = {name, label, time, columns.id, columns.group}
    kept = [one for one in names if one not in out]
    numbers = [
        one for one in kept if is_numeric_dtype(frame[one]) and not is_bool_dtype(frame[one])
    ]
    if not numbers:
        raise InputError(
            f"columns of numbers in {source}", few(kept), "Check the column of the series"
        )
    values = frame[numbers].to_numpy(np.float32, na_value=np.nan)
    labels = _constant(frame[label], members, f"label in column {label!r}", source)
    made = SeriesData.of(
        [values[rows] for rows in members],
        Labels.of(labels, f"column {label!r}", allow_missing=True),
        ids=ids_from_keys(keys.tolist(), name),
        source=f"{source} (series {name!r})",
        channels=numbers,
    )
    groups = None
    if columns.group is not None:
        group = need_name(names, columns.group, "group", source)
        groups = SampleGroups.of(
            _constant(frame[group], members, f"group {group!r}", source), group
        )
    left = [one for one in kept if one not in numbers]
    ordered = f"by {time!r}" if time is not None else "as the rows stand"
    notes = [f"Rows were gathered to {len(members):,} series by {name!r}, ordered {ordered}."]
    if left:
        notes.append(f"Columns without numbers were left out: {few(left)}.")
    return replace(made, members=tuple(members), groups=groups, notes=(*notes, *made.notes))


def _order(time: "pd.Series[Any]", name: str, source: str) -> Any:
    column = time
    if not (is_numeric_dtype(column) or is_datetime64_any_dtype(column)):
        try:
            column = pd.to_datetime(column, format="ISO8601", utc=True)
        except (ValueError, TypeError) as error:
            raise InputError(
                f"times in column {name!r} of {source} as numbers or ISO dates",
                " ".join(str(error).split())[:120],
                "Convert the column, or rename it if it is no time",
            ) from error
    if column.isna().any():
        raise InputError(
            f"a time in every row of column {name!r}",
            f"{int(column.isna().sum()):,} empty cells",
            "Fill them, or leave these rows out",
        )
    return np.argsort(column.to_numpy(), kind="stable")


def _constant(
    column: "pd.Series[Any]", members: list[Any], what: str, source: str
) -> "pd.Series[Any]":
    """The one value of each series; a missing one counts where there is no other."""
    found, bad = [], []
    for rows in members:
        different = column.iloc[rows].dropna().unique()
        if len(different) > 1:
            bad.append(f"{few(different, 3)} in the series of row {int(rows.min())}")
        found.append(different[0] if len(different) else None)
    if bad:
        raise InputError(
            f"one {what} for each series of {source}",
            f"several in {len(bad):,} series ({'; '.join(bad[:_MOST_NAMED])})",
            "Check the column of the series, or correct these rows",
        )
    return pd.Series(found, dtype=object)
