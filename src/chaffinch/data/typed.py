"""From cells of text to numbers, truth values or text, so that nothing is lost on the way."""

from functools import reduce
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

EXACT = 2**53
"""Whole numbers up to here are exact in float64."""

# Words that stand for an empty cell, but only in a column that otherwise holds numbers:
# elsewhere "None" or "NA" may well be a category or a class.
_EMPTY_WORDS = ("NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NULL", "null", "None", "?")
_WHOLE = r"^[+-]?\d+$"
_PADDED = r"^[+-]?0\d"
_LONG = r"^[+-]?\d{17,}$"
_INFINITE = r"^[+-]?(?i:inf|infinity)$"
_NUMBER = rf"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$|{_INFINITE}"
_TRUTH = r"^(True|TRUE|true|False|FALSE|false)$"
_BLANKS = "[ '\u00a0\u202f]"
# Decimal commas, with dots or spaces between thousands; and commas between thousands.
_COMMA = rf"^[+-]?((\d+|\d{{1,3}}((\.|{_BLANKS})\d{{3}})+)(,\d*)?|,\d+)([eE][+-]?\d+)?$|{_INFINITE}"
_GROUPED = rf"^[+-]?[1-9]\d{{0,2}}(,\d{{3}})+(\.\d*)?$|{_NUMBER}"
_MOSTLY = 0.9
_MOST_LISTED = 8


def type_cells(
    frame: pd.DataFrame, keep: frozenset[str], decimal: str | None, name: str
) -> tuple[pd.DataFrame, list[str]]:
    """Give the columns of a table of text their types.

    Whole numbers stay exact beyond 2^53 whether or not cells are empty, and a column with leading
    zeros stays text.

    Args:
        frame: N cells of text a column; empty ones are missing.
        keep: Columns that stay text.
        decimal: "." or ","; by default whatever a column cannot be read without.
        name: Of the file, for notes.

    Returns:
        The typed table, and notes for the user.
    """
    made: dict[Any, Any] = {}
    notes: list[str] = []
    commas: dict[Any, tuple[pa.Array, str]] = {}
    for column in frame.columns:
        made[column] = frame[column]
        if column in keep:
            continue
        cells = cells_of(frame[column])
        known = _known(cells)
        kind = _comma_kind(known, decimal)
        if kind is not None:
            commas[column] = (cells, kind)
            continue
        found = _typed(cells, known)
        if found is not None:
            made[column] = found
        notes += _remarks(column, known, found, decimal, name)
    kinds = {kind for _, kind in commas.values()}
    sign = decimal or ("," if "," in kinds else ".")
    clear = decimal is not None or bool(kinds - {"unclear"})
    for column, (cells, meant) in list(commas.items()):
        if meant != "unclear" or clear:
            found = typed(_plain(cells, sign if meant == "unclear" else meant))
            if found is None:  # leading zeros, or more than 64 bits
                del commas[column]
            else:
                made[column] = found
    notes += _comma_notes(commas, sign, clear, decimal is None, name)
    return pd.DataFrame(made, index=frame.index), notes


def cells_of(column: "pd.Series[Any]") -> pa.Array:
    """The cells of a column of text as one Arrow array."""
    array = pa.array(column, type=pa.large_string(), from_pandas=True)
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def typed(cells: pa.Array) -> "pd.Series[Any] | None":
    """The numbers or truth values that a column of text holds.

    Args:
        cells: (N,) strings; words such as NA are empty cells among numbers.

    Returns:
        (N,) int64, uint64, float64, bool, or a nullable type where that alone keeps whole numbers;
        None where the column is text.
    """
    return _typed(cells, _known(cells))


def _typed(cells: pa.Array, known: pa.Array) -> "pd.Series[Any] | None":
    if not len(known):
        return pd.Series(np.full(len(cells), np.nan)) if cells.null_count == len(cells) else None
    first = known[:64]
    if _all(first, _NUMBER) and _all(known, _NUMBER):
        return _numbers(cells, known)
    if _all(first, _TRUTH) and _all(cells.drop_null(), _TRUTH):
        values = pc.is_in(cells, value_set=pa.array(["True", "TRUE", "true"], cells.type))
        if not cells.null_count:
            return pd.Series(values.to_numpy(zero_copy_only=False))
        truth = values.to_numpy(zero_copy_only=False).astype(object)
        truth[cells.is_null().to_numpy(zero_copy_only=False)] = np.nan
        return pd.Series(truth)
    return None


def whole_numbers(values: pa.Array) -> Any:
    """Whole numbers of Arrow with empty cells, in a type of pandas that keeps every digit.

    float64 with NaN, as pandas has it, as long as that is exact.
    """
    low_high = pc.min_max(values).as_py()
    low, high = low_high["min"], low_high["max"]
    if low is None or -EXACT <= low <= high <= EXACT:
        return values.cast(pa.float64()).to_numpy(zero_copy_only=False)
    signed = pa.types.is_signed_integer(values.type)
    dtype: Any = pd.Int64Dtype() if signed else pd.UInt64Dtype()
    return dtype.__from_arrow__(values.cast(pa.int64() if signed else pa.uint64()))


def merged_labels(raw: "pd.Series[Any]", found: "pd.Series[Any]", name: str) -> list[str]:
    """A note on labels that are one number, such as 1 and 1.0; none where there are no such."""
    if not pd.api.types.is_numeric_dtype(found) or raw.nunique() == found.nunique():
        return []
    texts = raw.str.strip()
    several = texts.groupby(found).nunique()
    alike = texts[found.isin(several.index[several > 1])].value_counts()
    listed = ", ".join(f"{text!r} ({count:,})" for text, count in alike.head(_MOST_LISTED).items())
    return [f"Labels of {name} that are the same number were taken for one class: {listed}."]


def column_of(cells: list[Any]) -> Any:
    """A column of values; whole numbers that float64 cannot hold stay whole beside empty cells."""
    if not any(isinstance(cell, int) and abs(cell) > EXACT for cell in cells):
        return pd.Series(cells)
    if all(cell is None or type(cell) is int for cell in cells):
        for dtype in ("Int64", "UInt64"):
            try:
                return pd.array(cells, dtype=dtype)
            except (OverflowError, TypeError, ValueError):
                continue
    return pd.Series(cells, dtype=object)


def _numbers(cells: pa.Array, known: pa.Array) -> "pd.Series[Any] | None":
    cells = pc.if_else(pc.is_in(cells, value_set=_words(cells.type)), None, cells)
    cells = pc.replace_substring_regex(pc.utf8_trim_whitespace(cells), r"^\+", "")
    if _any(known, _PADDED):
        return None
    if not _all(known[:64], _WHOLE) or not _all(known, _WHOLE):
        return pd.Series(cells.cast(pa.float64()).to_numpy(zero_copy_only=False))
    for width in (pa.int64(), pa.uint64()):
        try:
            values = cells.cast(width)
        except pa.ArrowInvalid:
            continue
        if values.null_count:
            return pd.Series(whole_numbers(values))
        return pd.Series(values.to_numpy())
    return None  # more than 64 bits: as text every digit stays


def _comma_kind(known: pa.Array, decimal: str | None) -> Literal[",", ".", "unclear"] | None:
    """What commas in a column of numbers mean; None for other columns."""
    if not len(known):
        return None
    if decimal == ",":  # dots then stand between thousands
        return "," if _any(known, r"[,.]") and _all(known, _COMMA) else None
    if not _any(known[:64], ",") and not _any(known, ","):
        return None
    is_decimal = decimal is None and _all(known, _COMMA)
    is_grouped = _all(known, _GROUPED)
    if is_decimal and is_grouped:
        return "unclear"
    return "," if is_decimal else "." if is_grouped else None


def _plain(cells: pa.Array, sign: str) -> pa.Array:
    """Numbers as English programs write them, without signs between thousands."""
    if sign == ".":
        return pc.replace_substring(cells, ",", "")
    bare = pc.replace_substring_regex(pc.utf8_trim_whitespace(cells), rf"\.|{_BLANKS}", "")
    return pc.replace_substring(bare, ",", ".")


def _comma_notes(
    commas: dict[Any, tuple[pa.Array, str]], sign: str, clear: bool, told: bool, name: str
) -> list[str]:
    if not told:
        return []
    groups: dict[str, list[str]] = {}
    for column, (_, kind) in commas.items():
        meant = sign if kind == "unclear" and clear else kind
        groups.setdefault(meant, []).append(repr(str(column)))
    sayings = {
        ",": "Commas in {} of {} were read as decimal signs (--decimal).",
        ".": "Commas in {} of {} were read as signs between thousands (--decimal).",
        "unclear": "Numbers such as 1,234 in {} of {} may mean 1.234 or 1234: they were kept as "
        "text. Name the decimal sign by --decimal.",
    }
    return [
        saying.format(", ".join(groups[kind]), name)
        for kind, saying in sayings.items()
        if kind in groups
    ]


def _remarks(column: Any, known: pa.Array, found: Any, decimal: str | None, name: str) -> list[str]:
    """What a reader of a column should know: rounded numbers, or numbers spoilt by some cells."""
    if found is not None:
        if found.dtype == np.float64 and _any(known, _LONG):
            return [
                f"Whole numbers beyond 2^53 among decimals in {str(column)!r} of "
                f"{name} are rounded."
            ]
        return []
    if not len(known):
        return []
    patterns = [_NUMBER]
    if _any(known, ","):
        patterns += [_COMMA] * (decimal != ".") + [_GROUPED] * (decimal != ",")
    readings = [pc.match_substring_regex(known, pattern) for pattern in patterns]
    best = max(readings, key=lambda one: pc.sum(one).as_py())
    number = reduce(pc.or_, readings)
    odd = known.filter(pc.invert(best))
    # None is odd where leading zeros are why numbers are text.
    if not len(odd) or pc.mean(number).as_py() < _MOSTLY:
        return []
    fault = "are no numbers"
    if pc.all(number).as_py():
        fault = "have another decimal sign than the others"
    return [
        f"Column {str(column)!r} of {name} is text because of {len(odd):,} of {len(known):,} cells "
        f"that {fault}, such as {odd[0].as_py()[:40]!r}."
    ]


def _known(cells: pa.Array) -> pa.Array:
    """The cells that are neither empty nor a word for it, without spaces around them."""
    cells = cells.drop_null()
    return pc.utf8_trim_whitespace(
        cells.filter(pc.invert(pc.is_in(cells, value_set=_words(cells.type))))
    )


def _words(kind: pa.DataType) -> pa.Array:
    return pa.array(_EMPTY_WORDS, kind)


def _all(cells: pa.Array, pattern: str) -> bool:
    return bool(pc.all(pc.match_substring_regex(cells, pattern)).as_py())


def _any(cells: pa.Array, pattern: str) -> bool:
    return bool(pc.any(pc.match_substring_regex(cells, pattern)).as_py())
