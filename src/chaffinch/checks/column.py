"""Columns that are no features: identifiers, constants, copies of one another."""

from collections import defaultdict
from typing import Any

import numpy as np
import pandas as pd

from chaffinch.checks.registry import Finding, register
from chaffinch.checks.subject import Subject
from chaffinch.checks.vectors import is_number
from chaffinch.data.cell import words_of

_LEAST_ROWS = 20
_NEARLY = 0.999
_UNIQUE = 0.99
_LONGEST_KEY = 64


@register(
    "identifiers",
    "columns",
    ("frame",),
    remedy="Leave them out of the features, or name one as the id",
    basis="A running number or a key is different in every row",
)
def identifiers(subject: Subject) -> Finding:
    """Columns that only name the row."""
    frame = _frame(subject)
    found = [str(name) for name in frame.columns if is_identifier(frame[name])]
    return Finding("", "low", names=found)


@register(
    "constant_columns",
    "columns",
    ("frame",),
    remedy="Leave them out; check whether values were lost",
    basis="A column of one value tells nothing apart",
)
def constant_columns(subject: Subject) -> Finding:
    """Columns of a single value."""
    frame = _frame(subject)
    if len(frame) < 2:
        return Finding()
    found = [str(name) for name in frame.columns if commonest(frame[name]) == 1]
    return Finding("", "low", names=found)


@register(
    "near_constant_columns",
    "columns",
    ("frame",),
    remedy="Leave them out unless the rare values matter",
    basis="One value in more than 99.9 % of the rows",
)
def near_constant_columns(subject: Subject) -> Finding:
    """Columns of almost a single value."""
    frame = _frame(subject)
    shares = {str(name): commonest(frame[name]) for name in frame.columns}
    found = [name for name, share in shares.items() if _NEARLY < share < 1]
    return Finding("", "low", names=sorted(found, key=lambda name: -shares[name]))


@register(
    "duplicate_columns",
    "columns",
    ("frame",),
    remedy="Keep one of each group",
    basis="Equal cells, or the same partition of the rows by other values",
)
def duplicate_columns(subject: Subject) -> Finding:
    """Columns that hold the same as another."""
    groups = equal_columns(_frame(subject))
    return Finding("", "low", names=[" = ".join(map(str, group)) for group in groups])


def is_identifier(column: "pd.Series[Any]") -> bool:
    """Whether a column is a running number or a key that is different in nearly every row.

    Running numbers are whole ones that go up or down by a constant step; keys are texts without
    spaces of at most 64 letters, not dates, and not all letters alone.
    """
    known = column.dropna()
    if len(known) < max(_LEAST_ROWS, _UNIQUE * len(column)):
        return False
    if is_number(known):
        values = known.to_numpy(np.float64)
        if not np.array_equal(values, np.rint(values)):
            return False
        ordered = np.sort(values)
        steps = np.diff(ordered)
        # Shuffled running numbers too: all different, and hardly a gap between them.
        return bool(steps.min() >= 1 and ordered[-1] - ordered[0] <= 1.1 * steps.min() * len(values))
    if getattr(known.dtype, "kind", "O") not in "OT" or known.nunique() < _UNIQUE * len(column):
        return False
    texts = known.astype(str)
    key = texts.str.fullmatch(r"(?=.*\d)[\w.:/#@+-]+") & (texts.str.len() <= _LONGEST_KEY)
    return bool(key.mean() >= _UNIQUE) and not _is_measured(texts)


def commonest(column: "pd.Series[Any]") -> float:
    """Share of the rows with the commonest value; a missing cell is a value."""
    if not len(column):
        return 0.0
    counts = np.unique(words_of(column), return_counts=True)[1]
    return float(counts.max() / len(column))


def equal_columns(frame: pd.DataFrame) -> list[list[str]]:
    """Groups of columns that part the rows alike, so that one follows from the other.

    Cells may be written in other ways (codes and names of the same levels). Constant columns, and
    columns that are different in every row, are in no group unless their cells are equal.
    """
    alike: dict[bytes, list[str]] = defaultdict(list)
    for name in frame.columns:
        words = words_of(frame[name])
        codes, uniques = pd.factorize(words)
        if len(uniques) == 1:
            continue
        told = codes if len(uniques) < len(words) / 2 else words
        alike[told.astype(np.uint64).tobytes()].append(str(name))
    return [group for group in alike.values() if len(group) > 1]


def _is_measured(texts: "pd.Series[Any]") -> bool:
    """Whether texts are numbers or moments, which are measured and no keys."""
    sample = texts.iloc[:200]
    numbers = pd.to_numeric(sample, errors="coerce").notna().mean()
    looks = sample.str.fullmatch(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([T ].*)?").mean()
    return bool(looks > _UNIQUE or (numbers > _UNIQUE and sample.str.contains(r"\.").any()))


def _frame(subject: Subject) -> pd.DataFrame:
    return pd.DataFrame() if subject.frame is None else subject.frame
