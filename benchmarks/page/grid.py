"""Results laid out in rows and columns: mean and standard deviation over seeds in every cell."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from benchmarks.engine.suite import TableSpec
from chaffinch.core.errors import InputError

LOWER_IS_BETTER = frozenset(
    {"seconds", "peak_mib", "dead", "loss", "error", "gap", "fdr", "rate_error_size", "cost"}
)
"""Metrics of which less is better; of all others, more is."""

Key = tuple[Any, ...]

_CELL = ("experiment", "protocol", "data", "model", "glitch", "rate", "settings")


@dataclass(frozen=True)
class Entry:
    """A cell of a grid.

    Attributes:
        by_seed: Values by seed, each the mean over what is neither row nor column.
        partial: Whether it rests on fewer measurements than another row of its column.
    """

    by_seed: dict[int, float]
    partial: bool = False

    @property
    def mean(self) -> float:
        """Mean over seeds."""
        return sum(self.by_seed.values()) / len(self.by_seed)

    @property
    def deviation(self) -> float:
        """Standard deviation over seeds (of a sample, n - 1); NaN of a single one."""
        return float(pd.Series(self.by_seed).std())


@dataclass
class Grid:
    """A table of results.

    Attributes:
        rows: Names of the dimensions down the side.
        columns: Names of the dimensions across.
        row_keys: Their values, in the order to show: best mean first, controls last.
        column_keys: Their values, in the order of the suite.
        entries: By (row, column); where nothing was measured there is none.
        lower: The columns in which less is better.
        averaged: Other dimensions that have several values, with how many.
        origins: Origin by method.
    """

    rows: list[str]
    columns: list[str]
    row_keys: list[Key] = field(default_factory=list)
    column_keys: list[Key] = field(default_factory=list)
    entries: dict[tuple[Key, Key], Entry] = field(default_factory=dict)
    lower: set[Key] = field(default_factory=set)
    averaged: dict[str, int] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)

    def method(self, row: Key) -> str:
        """The method of a row, or "" if rows are no methods."""
        return str(row[self.rows.index("method")]) if "method" in self.rows else ""

    def origin(self, row: Key) -> str:
        """The origin of a row's method."""
        return self.origins.get(self.method(row), "")

    def others(self, row: Key) -> Key:
        """The values of a row without its method: rows that share them are rivals."""
        return tuple(v for name, v in zip(self.rows, row, strict=True) if name != "method")

    def ranked_columns(self) -> list[Key]:
        """The columns that rows are ordered by: those of the first metric."""
        if "metric" not in self.columns:
            return self.column_keys
        place = self.columns.index("metric")
        return [key for key in self.column_keys if key[place] == self.column_keys[0][place]]

    def row_mean(self, row: Key) -> float:
        """Mean over the columns of the first metric; NaN for a row that lacks one."""
        found = [self.entries.get((row, column)) for column in self.ranked_columns()]
        if any(entry is None or entry.partial for entry in found):
            return math.nan
        return sum(entry.mean for entry in found if entry) / len(found)

    def best(self, row: Key, column: Key) -> set[Key]:
        """The best among a row and its rivals in a column, controls apart."""
        means = {
            key: self.entries[key, column].mean
            for key in self.row_keys
            if (key, column) in self.entries
            and self.others(key) == self.others(row)
            and self.origin(key) != "control"
        }
        if not means:
            return set()
        top = min(means.values()) if column in self.lower else max(means.values())
        return {key for key, mean in means.items() if mean == top}


def lay_out(table: pd.DataFrame, spec: TableSpec) -> Grid:
    """Select, average within seeds, and lay out.

    Several protocols are never averaged: they become columns.

    Args:
        table: The long table, with columns for the settings.
        spec: What to show.

    Raises:
        InputError: A dimension that there is not.
    """
    rows = [resolve(table, name) for name in spec.rows]
    columns = [resolve(table, name) for name in spec.columns]
    if len(spec.metric) > 1 and "metric" not in rows + columns:
        columns.append("metric")
    part = select(table, spec.metric, spec.where, spec.methods, rows + columns)
    if part["protocol"].nunique() > 1 and "protocol" not in rows + columns:
        columns.append("protocol")
    grid = Grid(rows, columns)
    grid.origins = dict(zip(part["method"], part["origin"], strict=True))
    grid.averaged = {
        name: part[name].nunique()
        for name in (*_CELL, "method", "group", "x")
        if name not in rows + columns and part[name].nunique() > 1
    }
    _fill(grid, part)
    grid.lower = {key for key in grid.column_keys if _lower(spec, grid, key)}
    grid.row_keys = sorted(grid.row_keys, key=lambda row: _rank(grid, row))
    return grid


def select(
    table: pd.DataFrame,
    metrics: Sequence[str],
    where: dict[str, Any],
    methods: Sequence[str],
    shown: Sequence[str],
) -> pd.DataFrame:
    """The measurements that a table or a plot is made of; NaN values are left out.

    Without a word about them, groups and points of curves are not taken.

    Args:
        table: The long table, with columns for the settings.
        metrics: Names of metrics.
        where: A value or a list of values by dimension; ``x = "last"`` is the end of each curve.
        methods: Methods or origins; all if empty.
        shown: Dimensions that may take any value.
    """
    part = table[table["metric"].isin(metrics) & (table["status"] == "ok")]
    if methods:
        part = part[part["method"].isin(methods) | part["origin"].isin(methods)]
    if "group" not in where and "group" not in shown:
        part = part[part["group"] == ""]
    if "x" not in where:
        part = part[part["x"].notna() if "x" in shown else part["x"].isna()]
    for name, wanted in where.items():
        column = resolve(table, name)
        if column == "x" and wanted == "last":
            keys = [*_CELL, "seed", "method", "metric", "group"]
            part = part[part["x"] == part.groupby(keys)["x"].transform("max")]
            continue
        part = part[part[column].isin(wanted if isinstance(wanted, list) else [wanted])]
    return part[part["value"].notna()]


def resolve(table: pd.DataFrame, name: str) -> str:
    """The column that a suite means by the name of a dimension or of a setting.

    Raises:
        InputError: There is neither.
    """
    for column in (name, f"settings.{name}"):
        if column in table.columns:
            return column
    known = [str(one) for one in table.columns]
    raise InputError("a dimension or a setting of the suite", repr(name), ", ".join(known))


def _fill(grid: Grid, part: pd.DataFrame) -> None:
    keys = [*grid.rows, *grid.columns]
    sizes: dict[tuple[Key, Key], int] = {}
    most: dict[Key, int] = {}
    values: dict[tuple[Key, Key], dict[int, float]] = {}
    for key, rows in part.groupby(keys, sort=False, dropna=False):
        row, column = key[: len(grid.rows)], key[len(grid.rows) :]
        means = rows.groupby("seed")["value"].mean()
        values[row, column] = dict(zip(means.index.tolist(), means.tolist(), strict=True))
        sizes[row, column] = len(rows)
        most[column] = max(most.get(column, 0), len(rows))
        if row not in grid.row_keys:
            grid.row_keys.append(row)
        if column not in grid.column_keys:
            grid.column_keys.append(column)
    for place, by_seed in values.items():
        grid.entries[place] = Entry(by_seed, partial=sizes[place] < most[place[1]])
    order = [list(dict.fromkeys(part[name])) for name in grid.columns]
    grid.column_keys.sort(key=lambda key: [order[i].index(one) for i, one in enumerate(key)])


def _lower(spec: TableSpec, grid: Grid, column: Key) -> bool:
    if spec.lower is not None:
        return spec.lower
    several = "metric" in grid.columns
    metric = column[grid.columns.index("metric")] if several else spec.metric[0]
    return metric in LOWER_IS_BETTER


def _rank(grid: Grid, row: Key) -> tuple[Any, ...]:
    """Other dimensions first, in the order of the suite; then methods by mean, controls last."""
    others = [
        list(dict.fromkeys(key[number] for key in grid.row_keys)).index(row[number])
        for number, name in enumerate(grid.rows)
        if name != "method"
    ]
    if "method" not in grid.rows:
        return tuple(others)
    mean = grid.row_mean(row)
    columns = grid.ranked_columns()
    some = [grid.entries[row, key].mean for key in columns if (row, key) in grid.entries]
    score = mean if some and not math.isnan(mean) else sum(some) / max(1, len(some))
    sign = 1 if columns[0] in grid.lower else -1
    control = grid.origin(row) == "control"
    return (*others, control, math.isnan(mean), sign * score, *map(str, row))
