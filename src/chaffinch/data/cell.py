"""Table cells as 64-bit words that do not depend on how pandas stores the column.

Two cells have the same word where they are equal as text: the integer 1, the float 1.0 and the
text "1" are one value, whatever the other rows of the column made pandas choose as its type.
That is what keeps an id stable when a file is converted or when rows are added. An empty text is
a missing cell, and a day is the same as its midnight.
"""

import datetime
import re
from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from chaffinch.core.identity import digest

Words = NDArray[np.uint64]

# Text that reads as a number and loses nothing by it: "007" and " 7" stay text.
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")
_EXACT = 2**53  # whole numbers up to here are exact in float64
_MISSING = int(digest(b"missing"), 16)


def words_of(column: "pd.Series[Any]") -> Words:
    """Turn one column into words, (N,) uint64."""
    values = column.array
    if isinstance(values, pd.Categorical):
        return _expand(values.codes, values.categories)
    kind = getattr(column.dtype, "kind", "O")
    if kind in "iuf":
        return _number_words(column)
    if kind in "bM" or holds_strings(column):
        codes, uniques = pd.factorize(column)
        return _expand(codes, pd.Index(uniques))
    # Keyed by type too: True and 1 are equal in Python, but not as text.
    memo: dict[tuple[type, Hashable], int] = {}
    words = np.empty(len(column), np.uint64)
    for row, value in enumerate(column.to_numpy(dtype=object)):
        key = (type(value), value)
        if key not in memo:
            memo[key] = word_of(value)
        words[row] = memo[key]
    return words


def holds_strings(column: "pd.Series[Any]") -> bool:
    """Whether every cell is a string or missing, in whatever type pandas stores the column."""
    if isinstance(column.dtype, pd.StringDtype):
        return True
    return column.dtype == object and pd.api.types.infer_dtype(column, skipna=True) == "string"


def word_of(value: Any) -> int:
    """Turn one cell into its word: the slow, obvious twin of `words_of`."""
    if isinstance(value, bool | np.bool_):
        return _text_word(str(bool(value)))
    if isinstance(value, int | np.integer):
        return _whole_word(int(value))
    if isinstance(value, float | np.floating):
        # Through text, so that a float32 0.1 is 0.1 and not 0.10000000149011612.
        return _float_word(float(str(value)))
    if isinstance(value, str):
        return _string_word(value)
    if isinstance(value, bytes):
        return int(digest(b"bytes", value), 16)
    if value is None or pd.isna(value):
        return _MISSING
    if isinstance(value, datetime.date):
        return _text_word(str(value).removesuffix(" 00:00:00"))
    return _string_word(str(value))


def row_digests(columns: dict[str, Words]) -> tuple[str, ...]:
    """Hash N rows of words to one digest each; the order of the columns does not matter."""
    names = sorted(columns)
    rows = np.stack([columns[name] for name in names], axis=1)
    header = "\0".join(names).encode("utf-8", "surrogatepass")
    return tuple(digest(header, row.tobytes()) for row in rows)


def _expand(codes: NDArray[Any], uniques: "pd.Index[Any]") -> Words:
    words = np.asarray([*(word_of(value) for value in uniques), _MISSING], np.uint64)
    cells: Words = words[codes]  # code -1 is a missing cell and picks the last word
    return cells


def _number_words(column: "pd.Series[Any]") -> Words:
    if column.dtype.kind in "iu" and _is_beyond(column):
        cells = zip(column.astype(object), column.isna(), strict=True)
        found = [_MISSING if missing else _whole_word(int(one)) for one, missing in cells]
        return np.asarray(found, np.uint64)
    if str(column.dtype).lower() in ("float32", "float16"):
        single = column.to_numpy(np.float32, na_value=np.nan)
        text = pa.array(single).cast(pa.string())
        values = text.cast(pa.float64()).to_numpy(zero_copy_only=False)
    else:
        values = column.to_numpy(np.float64, na_value=np.nan)
    words: Words = (values + 0.0).view(np.uint64)  # + 0.0 makes -0.0 a plain zero
    words[np.isnan(values)] = _MISSING
    return words


def _is_beyond(column: "pd.Series[Any]") -> bool:
    known = column.dropna()
    return bool(len(known)) and (int(known.max()) > _EXACT or int(known.min()) < -_EXACT)


def _whole_word(value: int) -> int:
    return _float_word(float(value)) if abs(value) <= _EXACT else _text_word(str(value))


def _float_word(value: float) -> int:
    return _MISSING if value != value else int(np.float64(value + 0.0).view(np.uint64))


def _string_word(text: str) -> int:
    if not text:
        return _MISSING
    if not _NUMBER.fullmatch(text):
        return _text_word(text)
    if text.lstrip("-").isdigit():
        return _whole_word(int(text)) if len(text) < 1000 else _text_word(text)
    return _float_word(float(text))


def _text_word(text: str) -> int:
    return int(digest(b"text", text.encode("utf-8", "surrogatepass")), 16)
