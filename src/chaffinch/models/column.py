"""What a column of a table becomes: standardised numbers, categories, or the text in it."""

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from chaffinch.core.errors import InputError
from chaffinch.models.date import parse_dates

MAX_CATEGORIES = 50
MAX_DEVIATIONS = 10.0

_TEXT_FEATURES = 32
_TEXT_LENGTH = 20.0
_TEXT_WORDS = 4.0
_LEAST_IDENTIFIED = 20
_EXACT = 2**53
_KEY_NAME = re.compile(
    r"(^|[_\W])(id|ids|uid|uuid|guid|key|pk|index|idx|row|rownum|row_?nr|row_?number|nr|no|number|"
    r"serial|record|unnamed: \d+)$",
    re.IGNORECASE,
)
_CAMEL_KEY = re.compile(r"[a-z](Id|ID|Key|Nr|No|Number|Index)$")

Single = NDArray[np.float32]


class Encoder(Protocol):
    """Turns a column of the training table, or of another one like it, into features."""

    @property
    def name(self) -> str:
        """Of the column."""
        ...

    @property
    def width(self) -> int:
        """How many features there are."""
        ...

    def encode(self, column: "pd.Series[Any]") -> NDArray[Any]:
        """(N, width) features."""
        ...


@dataclass(frozen=True)
class Numeric:
    """Standardised numbers; missing ones become the median, with a feature that says so.

    Numbers are divided by the largest first, so that squares of huge ones stay finite.
    """

    name: str
    peak: float
    median: float
    mean: float
    scale: float
    indicator: bool
    order: str | None = None

    @classmethod
    def fit(cls, column: "pd.Series[Any]", order: str | None = None) -> "Numeric":
        """Learn from a column; ``order`` is that of dates in text (`chaffinch.models.date`)."""
        values = numbers_of(column, order)
        finite = np.isfinite(values)
        known = values[finite]
        peak = float(np.abs(known).max()) if known.size else 0.0
        # A power of two: dividing by it loses nothing. Numbers of everyday size stay as they are.
        peak = 2.0 ** np.floor(np.log2(peak)) if peak > 1e100 else 1.0
        values = values / peak
        median = float(np.median(known / peak)) if known.size else 0.0
        values[~finite] = median
        scale, mean = float(values.std()), float(values.mean())
        # A constant column has only rounding error for a spread.
        constant = scale <= 1e-9 * abs(mean)
        scale = 1.0 if constant else scale
        return cls(str(column.name), peak, median, mean, scale, not finite.all(), order)

    @property
    def width(self) -> int:
        """One, and one for missing cells."""
        return 1 + self.indicator

    def encode(self, column: "pd.Series[Any]") -> NDArray[Any]:
        """(N, 1) or (N, 2) numbers; further than 10 deviations from the mean counts as 10."""
        values = numbers_of(column, self.order) / self.peak
        missing = ~np.isfinite(values)
        values[missing] = self.median
        values -= self.mean
        values /= self.scale
        np.clip(values, -MAX_DEVIATIONS, MAX_DEVIATIONS, out=values)
        return np.column_stack([values, missing]) if self.indicator else values[:, None]


@dataclass(frozen=True)
class Categorical:
    """One feature a category; rare and unseen categories have none."""

    name: str
    categories: tuple[str, ...]

    @classmethod
    def fit(cls, column: "pd.Series[Any]") -> "Categorical":
        """Learn the 50 most frequent categories."""
        codes, names = _coded(column)
        counts: Counter[str] = Counter()
        for name, count in zip(names, np.bincount(codes, minlength=len(names)), strict=True):
            counts[name] += int(count)
        ranked = sorted((-count, name) for name, count in counts.items() if count)
        return cls(str(column.name), tuple(name for _, name in ranked[:MAX_CATEGORIES]))

    @property
    def width(self) -> int:
        """How many categories are known."""
        return len(self.categories)

    def encode(self, column: "pd.Series[Any]") -> NDArray[Any]:
        """(N, categories) zeros and ones."""
        place = {name: position for position, name in enumerate(self.categories)}
        codes, names = _coded(column)
        places = np.asarray([place.get(name, -1) for name in names], np.int64)[codes]
        hot = np.zeros((len(codes), len(self.categories)), np.float32)
        known = np.flatnonzero(places >= 0)
        hot[known, places[known]] = 1
        return hot


class Prose:
    """The words of a column of text as 32 numbers: TF-IDF and its strongest directions.

    Deerwester et al., "Indexing by latent semantic analysis" (JASIS 1990).

    Raises:
        ValueError: No word occurs in two cells.
    """

    def __init__(self, column: "pd.Series[Any]") -> None:
        self.name = str(column.name)
        self._words = TfidfVectorizer(min_df=2, max_features=20_000, sublinear_tf=True)
        matrix = self._words.fit_transform(_sentences(column))
        if matrix.shape[1] < 2:
            raise ValueError("no words")
        count = min(_TEXT_FEATURES, matrix.shape[1] - 1, max(1, matrix.shape[0] - 1))
        self._directions = TruncatedSVD(count, random_state=0).fit(matrix)
        found = self._directions.transform(matrix)
        self._mean, spread = found.mean(axis=0), found.std(axis=0)
        # One scale for all, so that weak directions stay weak.
        self._scale = float(spread.max()) or 1.0

    @property
    def width(self) -> int:
        """How many directions there are."""
        return len(self._mean)

    def encode(self, column: "pd.Series[Any]") -> NDArray[Any]:
        """(N, width) coordinates."""
        found = self._directions.transform(self._words.transform(_sentences(column)))
        scaled: NDArray[Any] = (found - self._mean) / self._scale
        return scaled.clip(-MAX_DEVIATIONS, MAX_DEVIATIONS)


def is_number(column: "pd.Series[Any]") -> bool:
    """Whether a column holds numbers, days or durations, in whatever type pandas keeps them."""
    types = pd.api.types
    if types.is_numeric_dtype(column) or getattr(column.dtype, "kind", "O") in "mM":
        return True
    if column.dtype != object:
        return False
    kinds = ("decimal", "integer", "floating", "mixed-integer-float", "date", "datetime")
    return types.infer_dtype(column, skipna=True) in (*kinds, "datetime64", "timedelta")


def is_prose(column: "pd.Series[Any]") -> bool:
    """Whether cells are sentences rather than names or codes."""
    cells = column.dropna()
    if not len(cells) or not all(isinstance(cell, str) for cell in cells):
        return False
    return (
        float(np.mean([len(cell) for cell in cells])) >= _TEXT_LENGTH
        and float(np.mean([len(cell.split()) for cell in cells])) >= _TEXT_WORDS
    )


def is_identifier(column: "pd.Series[Any]") -> bool:
    """Whether whole numbers name the rows: all different, and a name or an order that says so.

    That is a column called such as id, key, index or number; numbers without a gap, in any order,
    or rising from row to row with few gaps; and numbers that float64 cannot tell apart.
    """
    if len(column) < _LEAST_IDENTIFIED or column.isna().any() or not column.is_unique:
        return False
    if not pd.api.types.is_integer_dtype(column):
        return False
    name = str(column.name)
    if _KEY_NAME.search(name) or _CAMEL_KEY.search(name):
        return True
    low, high = int(column.min()), int(column.max())
    span = high - low + 1
    if span == len(column) or max(abs(low), abs(high)) > _EXACT:
        return True
    return span <= 2 * len(column) and bool(column.is_monotonic_increasing)


def numbers_of(column: "pd.Series[Any]", order: str | None = None) -> NDArray[np.float64]:
    """(N,) float64, a copy; NaN for missing cells, and microseconds for days and durations.

    Raises:
        InputError: Text where the training table has numbers.
    """
    try:
        if order is not None:
            column = parse_dates(column, order)
        kind = getattr(column.dtype, "kind", "O")
        if kind == "O" and not pd.api.types.is_numeric_dtype(column):
            inferred = pd.api.types.infer_dtype(column, skipna=True)
            if inferred in ("date", "datetime", "datetime64"):
                column = pd.to_datetime(column, utc=True)
            elif inferred == "timedelta":
                column = pd.to_timedelta(column)
            kind = getattr(column.dtype, "kind", "O")
        if kind in "mM":
            # One unit for all tables: a file may keep seconds where another keeps nanoseconds.
            missing = column.isna().to_numpy()
            times = np.array(column.dt.as_unit("us").astype("int64"), np.float64)
            times[missing] = np.nan
            return times
        if isinstance(column.dtype, np.dtype) and kind in "iufb":
            return np.array(column, np.float64)
        numbers: NDArray[np.float64] = column.to_numpy(object, na_value=np.nan).astype(np.float64)
        return numbers
    except OverflowError as error:
        raise InputError(
            f"numbers below 1.8e308 in the column {str(column.name)!r}",
            str(error),
            "Divide the column by a power of ten, or leave it out",
        ) from error
    except (ValueError, TypeError) as error:
        raise InputError(
            f"numbers in the column {str(column.name)!r}, as in the training table",
            str(error),
            "Give both tables the same columns",
        ) from error


def _coded(column: "pd.Series[Any]") -> tuple[NDArray[np.int64], list[str]]:
    """Codes of the cells, and what each code reads as."""
    codes, uniques = pd.factorize(column.astype(object))
    names = [*(str(one) for one in uniques), "(missing)"]
    return np.where(codes < 0, len(uniques), codes).astype(np.int64), names


def _sentences(column: "pd.Series[Any]") -> list[str]:
    return ["" if gone else str(cell) for cell, gone in zip(column, column.isna(), strict=True)]
