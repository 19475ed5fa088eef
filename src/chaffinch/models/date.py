"""Dates that a table holds as text."""

import re
from typing import Any

import numpy as np
import pandas as pd

_TIME = r"([T ]\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?( ?[AaPp][Mm])?(Z|[+-]\d{2}:?\d{2})?)?"
_YEAR_FIRST = re.compile(rf"\d{{4}}([-/])\d{{1,2}}\1\d{{1,2}}{_TIME}")
_YEAR_LAST = re.compile(rf"(\d{{1,2}})([./-])(\d{{1,2}})\2\d{{4}}{_TIME}")
_WITH_NAME = re.compile(
    rf"(\d{{1,2}}[ -][A-Za-z]{{3,9}}|[A-Za-z]{{3,9}} \d{{1,2}},?)[ -]\d{{4}}{_TIME}"
)
_LEAST_SHARE = 0.98

ORDERS = {
    "year": "year, month, day",
    "day": "day, month, year",
    "month": "month, day, year",
    "name": "with the name of the month",
    "unclear": "day, month, year, though the month may come first",
}
"""How a column of text writes its dates."""


def date_order(column: "pd.Series[Any]") -> str | None:
    """Find out how a column of text writes dates.

    Args:
        column: (N,) strings and missing cells.

    Returns:
        A key of `ORDERS`; None where fewer than 98% of the cells are dates.
    """
    cells = [str(cell).strip() for cell in column.dropna().unique()]
    if not cells or (not _looks_dated(cells[0]) and not _looks_dated(cells[-1])):
        return None
    for pattern, order in ((_YEAR_FIRST, "year"), (_YEAR_LAST, "last"), (_WITH_NAME, "name")):
        found = [match for cell in cells if (match := pattern.fullmatch(cell))]
        if len(found) >= _LEAST_SHARE * len(cells):
            chosen = _first(found) if order == "last" else order
            if chosen is None:
                return None
            parsed = parse_dates(pd.Series(cells), chosen)
            return chosen if parsed.notna().mean() >= _LEAST_SHARE else None
    return None


def parse_dates(column: "pd.Series[Any]", order: str) -> "pd.Series[Any]":
    """(N,) points in time, without a zone; NaT where a cell is no date."""
    if pd.api.types.is_datetime64_any_dtype(column):
        zone = column.dt.tz
        naive: pd.Series[Any] = column if zone is None else column.dt.tz_convert(None)
        return naive
    codes, uniques = pd.factorize(column)
    texts = pd.Series([str(one).strip() for one in uniques], dtype=object)
    if order == "year":
        texts = texts.str.replace("/", "-", n=2)
        texts = texts.str.replace(r"-(\d)(?=\D|$)", r"-0\1", regex=True)
        known = pd.to_datetime(texts, format="ISO8601", errors="coerce", utc=True)
    else:
        day_first = order in ("day", "unclear")
        known = pd.to_datetime(texts, format="mixed", errors="coerce", dayfirst=day_first, utc=True)
    values = known.dt.tz_convert(None).dt.as_unit("us").to_numpy()
    return pd.Series(np.append(values, np.datetime64("NaT", "us"))[codes], name=column.name)


def _looks_dated(cell: str) -> bool:
    return any(one.fullmatch(cell) for one in (_YEAR_FIRST, _YEAR_LAST, _WITH_NAME))


def _first(found: list[re.Match[str]]) -> str | None:
    """Whether the day or the month comes first in dates such as 3/4/2021."""
    first = max(int(match[1]) for match in found)
    second = max(int(match[3]) for match in found)
    if first > 12 and second > 12:
        return None
    if second > 12:
        return "month"
    return "day" if first > 12 or found[0][2] == "." else "unclear"
