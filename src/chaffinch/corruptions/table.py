"""Corruptions of table rows: DataFrames, or numeric arrays of shape (n, I).

Column types stay as they are: what a whole-number column cannot hold is rounded and cut to its
range. A row in which a draw happens to change nothing (two equal values swapped) is drawn again, a
few times; a row that cannot change, such as one of zeros that is scaled, stays.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from chaffinch.core.errors import InputError
from chaffinch.core.types import Floats
from chaffinch.corruptions.sample_corruption import Transform, sample_corruption
from chaffinch.corruptions.text import misspell

_SHARE = (0.15, 0.3, 0.5, 0.75, 1.0)  # of the columns that can be changed, by severity; so below
_PAIRS = (1, 2, 3, 5, 8)
_FACTOR = 10.0
_TRIES = 20

OnNumbers = Callable[[Floats, int, np.random.Generator], Floats]


def numeric(change: OnNumbers) -> Transform:
    """Make a change of the numbers (n, I) of a table a transformation of the whole table.

    The change gets float64, with NaN for missing values.
    """

    @wraps(change)
    def transform(rows: Any, severity: int, random: np.random.Generator) -> Any:
        frame = pd.DataFrame(rows)
        columns = [
            place
            for place, kind in enumerate(frame.dtypes)
            if pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_bool_dtype(kind)
        ]
        if not columns:
            raise InputError(
                f"at least one column of numbers for {change.__name__!r}",
                "none",
                "Choose a corruption of strings, such as 'typo'",
            )
        numbers = frame.iloc[:, columns].to_numpy(dtype=np.float64, na_value=np.nan)
        kinds = [frame.dtypes.iloc[place] for place in columns]
        changed, stuck = numbers.copy(), np.ones(len(numbers), dtype=np.bool_)
        for _ in range(_TRIES):
            drawn = change(numbers[stuck].copy(), severity, random)
            changed[stuck] = _held(drawn, numbers[stuck], kinds)
            stuck = ((changed == numbers) | np.isnan(numbers)).all(axis=1)
            if not stuck.any():
                break
        if isinstance(rows, np.ndarray):
            return changed.astype(rows.dtype)
        out = frame.copy()
        for place, kind, values in zip(columns, kinds, changed.T, strict=True):
            out.isetitem(place, pd.Series(values, index=frame.index).astype(kind).array)
        return out

    return transform


def _held(drawn: Floats, before: Floats, kinds: list[Any]) -> Floats:
    """What the columns can hold; a whole-number cell that would become missing stays as it was."""
    held = drawn.copy()
    for place, kind in enumerate(kinds):
        if pd.api.types.is_integer_dtype(kind):
            limits = np.iinfo(getattr(kind, "numpy_dtype", kind))
            # Numbers beyond 2**53 are not exact as floats; the next lower float is in range.
            high = float(limits.max) if limits.max < 2**53 else np.nextafter(float(limits.max), 0)
            values = np.clip(np.rint(held[:, place]), float(limits.min), high)
            held[:, place] = np.where(np.isnan(values), before[:, place], values)
    return held


def _some(shape: tuple[int, ...], count: int, random: np.random.Generator) -> NDArray[np.intp]:
    """(n, count) different columns for each row."""
    return random.random(shape).argsort(axis=1)[:, :count]


def _count(severity: int, columns: int) -> int:
    return max(1, round(_SHARE[severity - 1] * columns))


@sample_corruption("table")
@numeric
def scale(numbers: Floats, severity: int, random: np.random.Generator) -> Floats:
    """Multiply some columns of each row by ten, as a wrong unit does."""
    rows = np.arange(len(numbers))[:, None]
    numbers[rows, _some(numbers.shape, _count(severity, numbers.shape[1]), random)] *= _FACTOR
    return numbers


@sample_corruption("table")
@numeric
def swap(numbers: Floats, severity: int, random: np.random.Generator) -> Floats:
    """Swap the values of pairs of columns of each row: one, two, three, five or eight pairs."""
    pairs = min(_PAIRS[severity - 1], numbers.shape[1] // 2)
    rows = np.arange(len(numbers))[:, None]
    columns = _some(numbers.shape, 2 * pairs, random)
    others = columns.reshape(len(numbers), pairs, 2)[:, :, ::-1].reshape(len(numbers), -1)
    numbers[rows, columns] = numbers[rows, others]
    return numbers


@sample_corruption("table")
@numeric
def scramble(numbers: Floats, severity: int, random: np.random.Generator) -> Floats:
    """Shuffle the values of some columns of each row among these columns."""
    count = min(numbers.shape[1], max(2, _count(severity, numbers.shape[1])))
    rows = np.arange(len(numbers))[:, None]
    columns = _some(numbers.shape, count, random)
    order = random.random(columns.shape).argsort(axis=1)
    numbers[rows, columns] = numbers[rows, np.take_along_axis(columns, order, axis=1)]
    return numbers


@sample_corruption("table")
@numeric
def missing_as_zero(numbers: Floats, severity: int, random: np.random.Generator) -> Floats:
    """Write zero into some columns of each row, as a careless export of missing values does."""
    rows = np.arange(len(numbers))[:, None]
    numbers[rows, _some(numbers.shape, _count(severity, numbers.shape[1]), random)] = 0
    return numbers


@sample_corruption("table")
def typo(rows: Any, severity: int, random: np.random.Generator) -> Any:
    """Misspell up to ``severity`` cells of each row of a DataFrame with columns of strings."""
    if not isinstance(rows, pd.DataFrame):
        raise InputError("a DataFrame for 'typo'", "an array of numbers", "Choose another one")
    cells = rows.map(lambda value: isinstance(value, str) and bool(value)).to_numpy()
    free = np.array(
        [
            pd.api.types.is_object_dtype(kind) or pd.api.types.is_string_dtype(kind)
            for kind in rows.dtypes
        ],
        dtype=np.bool_,
    ) & np.array([not isinstance(kind, pd.CategoricalDtype) for kind in rows.dtypes])
    if not free.any():
        raise InputError(
            "at least one column of strings for 'typo'",
            "none",
            "Turn categorical columns into strings, or choose another corruption",
        )
    out = rows.copy()
    for place in range(len(rows)):
        columns = np.flatnonzero(cells[place] & free)
        for column in random.permutation(columns)[:severity]:
            out.iat[place, column] = misspell(str(rows.iat[place, column]), 1, random)
    return out
