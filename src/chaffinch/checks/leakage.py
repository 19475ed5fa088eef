"""Columns that tell the label by themselves, so that nothing else has to be learned."""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedKFold
from sklearn.tree import DecisionTreeClassifier

from chaffinch.checks.identifier import is_identifier
from chaffinch.checks.label import merged_codes
from chaffinch.checks.registry import Finding, register
from chaffinch.checks.subject import Subject
from chaffinch.checks.vectors import is_number
from chaffinch.core.types import Codes, Floats

_MOST_ROWS = 6_000
_NEARLY_ALL = 0.95
_LEAST_ROWS = 40
_FOLDS = 3
_RELATED = 0.2


@register(
    "label_leakage",
    "columns",
    ("frame", "labels"),
    remedy="Leave out what is not known before the label is",
    basis="Cross-validated accuracy of a tree on the column alone; Kaufman et al. 2012",
)
def label_leakage(subject: Subject) -> Finding:
    """Columns that tell the label, or one class, by themselves."""
    frame = pd.DataFrame() if subject.frame is None else subject.frame
    rows = _drawn(subject)
    codes = merged_codes(subject.labels)[rows]
    found = []
    for name in frame.columns:
        column = frame[name].iloc[rows]
        gain, f1 = label_gain(column, codes, subject.seed)
        least = _RELATED if is_identifier(frame[name]) else _NEARLY_ALL
        if gain >= least or f1 >= _NEARLY_ALL:
            found.append((max(gain, f1), str(name)))
    found.sort(reverse=True)
    return Finding("", "high", names=[f"{name} ({gain:.0%})" for gain, name in found])


def label_gain(column: "pd.Series[Any]", codes: Codes, seed: int) -> tuple[float, float]:
    """How well one column predicts the label: 0 as good as guessing, 1 always right.

    Args:
        column: (N,) cells.
        codes: (N,) classes; those of fewer than three samples are left out.
        seed: Draws the folds.

    Returns:
        Balanced accuracy on held-out folds less that of guessing, as a share of what is possible;
        and the best F1 of a class of at most half of the samples.
    """
    counts = np.bincount(codes)
    kept = counts[codes] >= _FOLDS
    codes = codes[kept]
    if len(codes) < _LEAST_ROWS or len(np.unique(codes)) < 2:
        return 0.0, 0.0
    predicted = _held_out(column[kept], codes, seed)
    present, sizes = np.unique(codes, return_counts=True)
    hits = np.asarray([np.count_nonzero(predicted[codes == one] == one) for one in present])
    chance = 1 / len(present)
    gain = (float((hits / sizes).mean()) - chance) / (1 - chance)
    named = np.asarray([np.count_nonzero(predicted == one) for one in present])
    f1 = np.where(sizes <= len(codes) / 2, 2 * hits / (sizes + named), 0.0)
    return gain, float(f1.max())


def _held_out(column: "pd.Series[Any]", codes: Codes, seed: int) -> Codes:
    """(N,) classes predicted from the column by folds, -1 for a level that was not seen."""
    values = _numbers(column)
    predicted = np.empty_like(codes)
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=seed % 2**32)
    for train, test in folds.split(values, codes):
        if _is_listed(column):
            told = _by_level(values[train, 0], codes[train])
            predicted[test] = [told.get(one, -1) for one in values[test, 0].tolist()]
            continue
        tree = DecisionTreeClassifier(max_leaf_nodes=256, class_weight="balanced", random_state=0)
        predicted[test] = tree.fit(values[train], codes[train]).predict(values[test])
    return predicted


def _by_level(levels: Floats, codes: Codes) -> dict[float, int]:
    """For each level of a column, the class that it holds the largest share of."""
    table = pd.crosstab(levels, codes)
    shares = table / table.sum(axis=0)
    return dict(zip(shares.index.tolist(), shares.idxmax(axis=1).tolist(), strict=True))


def _is_listed(column: "pd.Series[Any]") -> bool:
    return not is_number(column) and not pd.api.types.is_datetime64_any_dtype(column)


def _numbers(column: "pd.Series[Any]") -> Floats:
    """(N, 1) cells as numbers: levels by their codes, moments by their time."""
    if _is_listed(column):
        return pd.factorize(column.astype(str))[0][:, None].astype(np.float64)
    if not is_number(column):
        column = pd.Series(column.to_numpy("datetime64[s]").astype(np.int64))
    values = column.to_numpy(np.float64, na_value=np.nan)
    finite = np.isfinite(values)
    lowest = float(values[finite].min()) if finite.any() else 0.0
    # A gap may tell the label too: it gets a value of its own.
    filled: Floats = np.where(finite, values, lowest - 1 - abs(lowest))
    return np.asarray(filled[:, None].astype(np.float32), np.float64)


def _drawn(subject: Subject) -> Codes:
    known = np.flatnonzero(subject.labels.known)
    random = np.random.default_rng(subject.seed)
    return np.sort(random.permutation(known)[:_MOST_ROWS])
