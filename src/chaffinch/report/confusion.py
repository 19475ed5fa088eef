"""Which classes are taken for which: heatmaps, ranked pairs, and figures for each class."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from chaffinch.core.types import Codes, Floats
from chaffinch.report import wording
from chaffinch.report.wording import Naming

MOST_CLASSES = 20
"""A heatmap with more classes cannot be read; pairs are ranked instead."""

_MOST_PAIRS = 25
_MOST_ROWS = 50
_LEAST_FLOW = 0.05


@dataclass(frozen=True)
class Cell:
    """One field of a heatmap: its text, and its shade in 0..1 (None on the diagonal)."""

    text: str
    heat: float | None


@dataclass(frozen=True)
class Heatmap:
    """Counts by given (row) and other (column) label."""

    classes: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True)
class Pair:
    """How often one class was suggested in place of another."""

    given: str
    other: str
    flagged: int
    expected: float | None
    given_code: int
    other_code: int


@dataclass(frozen=True)
class ClassRow:
    """The figures of one class; ``expected`` wrong labels only where the noise was modelled.

    ``rate`` is the estimated share of harmful samples with its interval, as text, where known.
    """

    name: str
    samples: int
    flagged: int
    expected: float | None
    code: int
    rate: str | None = None

    @property
    def share(self) -> float:
        """Share of the class that is flagged."""
        return self.flagged / self.samples if self.samples else 0.0


@dataclass(frozen=True)
class Confusion:
    """Everything about classes.

    Attributes:
        table: One row a class; in class order when few, most often flagged first when many.
        hidden: How many classes are left out of the table because there are too many to read.
        flagged: Flagged samples by given and suggested label; None with too many classes.
        flow: Expected samples by given and right label; None with too many classes.
        pairs: The most frequent pairs, most frequent first; filled with too many classes only.
        unsuggested: Flagged samples for which no other label is likelier.
    """

    table: tuple[ClassRow, ...]
    hidden: int
    flagged: Heatmap | None
    flow: Heatmap | None
    pairs: tuple[Pair, ...]
    unsuggested: int


def confuse(
    findings: pd.DataFrame,
    flow: list[list[float]] | None,
    naming: Naming,
    rates: Sequence[Mapping[str, Any]] = (),
) -> Confusion:
    """Count the flagged samples by given and suggested label.

    Args:
        findings: The findings table.
        flow: (C, C) expected samples by given (row) and right (column) label.
        naming: The class names.
        rates: Estimated rates, of which those of classes are shown.
    """
    given = naming.encode(findings["given_label"])
    other = naming.encode(findings["suggested_label"])
    flagged = findings["flagged"].to_numpy(dtype=bool)
    size = len(naming.classes)
    counts = np.zeros((size, size), dtype=np.int64)
    known = flagged & (given >= 0) & (other >= 0)
    np.add.at(counts, (given[known], other[known]), 1)
    expected = _square(flow, size)
    few = size <= MOST_CLASSES
    shown = {str(one["name"]): _interval(one) for one in rates if one["of"] == "class"}
    rows = tuple(
        replace(row, rate=shown.get(name))
        for row, name in zip(
            _rows(given, flagged, expected, naming.classes), naming.classes, strict=True
        )
    )
    if size > MOST_CLASSES:
        rows = tuple(sorted(rows, key=lambda row: (-row.share, -row.flagged)))
    return Confusion(
        table=rows[:_MOST_ROWS],
        hidden=max(0, len(rows) - _MOST_ROWS),
        flagged=_heatmap(counts, naming.classes) if few else None,
        flow=_heatmap(expected, naming.classes) if few and expected is not None else None,
        pairs=() if few else _pairs(counts, expected, naming.classes),
        unsuggested=int((flagged & (other < 0)).sum()),
    )


def _square(flow: list[list[float]] | None, size: int) -> Floats | None:
    matrix = np.asarray(flow, dtype=np.float64) if flow else np.zeros(0)
    return matrix if matrix.shape == (size, size) else None


def _heatmap(counts: NDArray[Any], classes: list[str]) -> Heatmap | None:
    """Shade the counts off the diagonal; None where there is nothing to shade."""
    wrong = counts * (1 - np.eye(len(counts)))
    most = float(wrong.max(initial=0))
    if most < _LEAST_FLOW:
        return None
    whole = np.issubdtype(counts.dtype, np.integer)
    rows = tuple(
        tuple(
            Cell(
                _number(value, whole),
                None if row == column else round(wrong[row, column] / most, 3),
            )
            for column, value in enumerate(values)
        )
        for row, values in enumerate(counts)
    )
    return Heatmap(tuple(map(wording.clean, classes)), rows)


def _number(value: float, whole: bool) -> str:
    if whole or value >= 10:
        return wording.count(value) if value else ""
    return f"{value:.1f}" if value >= _LEAST_FLOW else ""


def _pairs(counts: NDArray[Any], expected: Floats | None, classes: list[str]) -> tuple[Pair, ...]:
    weight = expected if expected is not None else np.zeros(counts.shape)
    wanted = (counts > 0) | ((weight >= 0.5) & ~np.eye(len(counts), dtype=bool))
    given, other = np.nonzero(wanted)
    order = np.lexsort((other, given, -weight[given, other], -counts[given, other]))[:_MOST_PAIRS]
    return tuple(
        Pair(
            given=wording.clean(classes[row]),
            other=wording.clean(classes[column]),
            flagged=int(counts[row, column]),
            expected=None if expected is None else float(expected[row, column]),
            given_code=int(row),
            other_code=int(column),
        )
        for row, column in zip(given[order], other[order], strict=True)
    )


def _rows(
    given: Codes, flagged: NDArray[np.bool_], expected: Floats | None, classes: list[str]
) -> tuple[ClassRow, ...]:
    size = len(classes)
    samples = np.bincount(given[given >= 0], minlength=size)
    marked = np.bincount(given[flagged & (given >= 0)], minlength=size)
    wrong = None if expected is None else expected.sum(axis=1) - np.diag(expected)
    rows = [
        ClassRow(
            name=wording.clean(name),
            samples=int(samples[code]),
            flagged=int(marked[code]),
            expected=None if wrong is None else float(wrong[code]),
            code=code,
        )
        for code, name in enumerate(classes)
    ]
    return tuple(rows)


def _interval(one: Mapping[str, Any]) -> str:
    low, high = (wording.percent(float(one[name])) for name in ("low", "high"))
    return f"{wording.percent(float(one['rate']))} ({low} to {high})"
