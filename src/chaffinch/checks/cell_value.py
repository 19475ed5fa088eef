"""Cells that are missing, and numbers far outside."""

import numpy as np
import pandas as pd
from scipy.stats import chi2_contingency

from chaffinch.checks.label import merged_codes
from chaffinch.checks.registry import Finding, register
from chaffinch.checks.subject import Subject
from chaffinch.checks.tail import clipped
from chaffinch.checks.vectors import is_number
from chaffinch.core.types import Codes, Floats, Mask

_MUCH = 0.05
_RARE_GAP = 0.5
_LEVEL = 1e-3
_EFFECT = 0.1
_LEAST_VALUES = 20
_REACH = 10.0
_REACH_OF_LOGARITHM = 4.0
_RARE = 0.01
_NORMAL_RATIO = 2.44


@register(
    "null",
    "samples",
    ("frame",),
    remedy="Find out why; fill the values in, or let the model know that they are missing",
    basis="Datalab's issue of that name: share of the cells that are missing",
)
def null(subject: Subject) -> Finding:
    """Rows of which most cells are missing."""
    shares = subject.cells.lacking.mean(axis=1)
    usual = float(np.median(shares))
    return Finding("", "medium", (shares >= _RARE_GAP) & (shares > usual), clipped(shares))


@register(
    "missing_values",
    "columns",
    ("frame",),
    remedy="Find out why; fill the values in, or drop the columns that are nearly empty",
    basis="More than 5 % of a column; words such as ? and N/A count as missing",
)
def missing_values(subject: Subject) -> Finding:
    """Columns of which many cells are missing."""
    names = subject.cells.names
    shares = subject.cells.lacking.mean(axis=0)
    worst = np.argsort(-shares, kind="stable")
    told = [f"{names[one]} ({shares[one]:.0%})" for one in worst if shares[one] > _MUCH]
    return Finding("", "medium" if shares.max(initial=0) >= 0.5 else "low", names=told)


@register(
    "missing_by_class",
    "columns",
    ("frame", "labels"),
    remedy="Find out how the values got lost; a model will learn the gap instead of the value",
    basis="Chi-squared test by column with Holm's correction; Cramer's V of at least 0.1",
)
def missing_by_class(subject: Subject) -> Finding:
    """Columns whose gaps depend on the label."""
    cells, codes = subject.cells, merged_codes(subject.labels)
    known = codes >= 0
    found = dependent_gaps(cells.lacking[known], codes[known])
    names = [f"{cells.names[column]} (V {effect:.2f})" for column, effect in found]
    strong = any(effect >= 0.3 for _, effect in found)
    return Finding("", "high" if strong else "medium", names=names)


@register(
    "extreme_values",
    "samples",
    ("frame",),
    remedy="Look for wrong units, lost decimal signs and codes for missing values such as 999",
    basis="More than 10 interquartile ranges outside, and 4 by logarithm; rare in the column",
)
def extreme_values(subject: Subject) -> Finding:
    """Numbers far outside the others of their column."""
    frame = subject.cells.frame
    flagged, scores = np.zeros(len(frame), np.bool_), np.zeros(len(frame))
    names = []
    for name in frame.columns:
        if not is_number(frame[name]):
            continue
        outside, own = extreme(frame[name].to_numpy(np.float64, na_value=np.nan))
        scores = np.maximum(scores, own)
        if outside.any():
            names.append(f"{name} ({int(outside.sum()):,})")
            flagged |= outside
    return Finding("", "medium", flagged, scores, names=names)


def extreme(values: Floats) -> tuple[Mask, Floats]:
    """Flags and scores of numbers that lie far outside, (N,) with NaN for missing ones.

    A long tail is no issue: the number must also lie far outside by its logarithm. A column in
    which half of the numbers are equal (counts, amounts that are mostly zero) is measured by those
    that differ. Where numbers crowd in the middle, the range of all but the outer twentieths
    stands for that between the quartiles, at the ratio that both have in a normal distribution.

    Returns:
        Flags, and scores: 0 within the quartiles, 1/2 at the limit.
    """
    finite = np.isfinite(values)
    known = values[finite]
    common = np.median(known) if len(known) else 0.0
    spread = known[known != common] if len(known) and np.mean(known == common) >= 0.5 else known
    scores: Floats = np.zeros(len(values))
    if len(np.unique(spread)) < _LEAST_VALUES:
        return np.zeros(len(values), np.bool_), scores
    linear = _distance(values, spread) / _REACH
    away = np.minimum(linear, _distance(_symlog(values), _symlog(spread)) / _REACH_OF_LOGARITHM)
    away = np.where(finite, away, np.where(np.isinf(values), np.inf, 0))
    scores = clipped(1 - np.exp2(-away))
    return (away > 1) & bool(np.mean(away > 1) <= _RARE), scores


def dependent_gaps(lacking: Mask, codes: Codes) -> list[tuple[int, float]]:
    """Columns whose missing cells depend on the class, with Cramer's V, the strongest first.

    Args:
        lacking: (N, I) which cells are missing.
        codes: (N,) classes.
    """
    tested = []
    for column in np.flatnonzero(lacking.any(axis=0) & ~lacking.all(axis=0)).tolist():
        counts = pd.crosstab(codes, lacking[:, column]).to_numpy()
        statistic, p_value, _, _ = chi2_contingency(counts)
        tested.append((float(p_value), column, float(np.sqrt(statistic / len(codes)))))
    tested.sort()
    found = []
    for place, (p_value, column, effect) in enumerate(tested):
        if p_value * (len(tested) - place) > _LEVEL:
            break
        if effect >= _EFFECT:
            found.append((column, effect))
    return sorted(found, key=lambda pair: -pair[1])


def _distance(values: Floats, known: Floats) -> Floats:
    """How many interquartile ranges of the known values each lies outside their quartiles."""
    low, first, third, high = np.quantile(known, [0.05, 0.25, 0.75, 0.95])
    outside = np.maximum(np.maximum(first - values, values - third), 0)
    spread = max(third - first, (high - low) / _NORMAL_RATIO, 1e-12)
    away: Floats = np.nan_to_num(outside / spread, posinf=np.inf)
    return away


def _symlog(values: Floats) -> Floats:
    logarithms: Floats = np.sign(values) * np.log1p(np.abs(values))
    return logarithms
