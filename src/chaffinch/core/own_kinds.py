"""Findings of a task with kinds of its own, after people answered which labels are wrong."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from chaffinch.core.labels import class_named, class_names
from chaffinch.core.types import Floats

HARMFUL_KINDS = "harmful_kinds"
"""Key of the details of findings under which the harmful kinds of a task stand."""

_TINY = 1e-12


def widened(classes: NDArray[Any], answers: Any, details: Mapping[str, Any]) -> NDArray[Any]:
    """The labels there are and those that answers name anew, where a label may be any value.

    Args:
        classes: (C,) the different labels there are.
        answers: As `Findings.calibrate` takes them.
        details: Of the findings; without `HARMFUL_KINDS` labels are classes, and nothing is added.

    Returns:
        (C',) the classes, then the new values as they are; True and False are no labels.
    """
    if HARMFUL_KINDS not in details:
        return classes
    values: list[Any] = []
    if isinstance(answers, pd.DataFrame):
        values = answers["label"].tolist() if "label" in answers else []
    elif isinstance(answers, Mapping):
        values = list(answers.values())
    known = set(class_names(classes))
    numbers, added = classes.dtype.kind in "iuf", {}
    for value in values:
        if np.ndim(value) or pd.isna(value) or isinstance(value, bool | np.bool_):
            continue
        fits = not numbers or bool(np.isfinite(pd.to_numeric(value, errors="coerce")))
        if fits and class_named(str(value), known) not in known:
            added[str(value)] = value
    more = np.asarray([*class_names(classes), *added], dtype=object)
    return more if added else classes


def without_new(told: pd.DataFrame, count: int) -> pd.DataFrame:
    """Answers in which a label that no sample has says that the given one is wrong.

    Args:
        told: As `frame` makes it.
        count: C, how many different labels there are.
    """
    new = told["label"] >= count
    return told.assign(label=told["label"].mask(new, -1), wrong=told["wrong"].mask(new, 1.0))


def with_own_kinds(
    made: Mapping[str, Any], table: pd.DataFrame, details: Mapping[str, Any]
) -> dict[str, Any]:
    """What answers change, with the kinds of a task instead of those of classes.

    Harmful kinds share the new suspicion as they shared the old one, and the others the rest. The
    suggested label stays; how sure it is follows the suspicion.

    Args:
        made: ``table``, ``flow`` and ``details`` as made for labels that are classes.
        table: The findings before any answer.
        details: Of the same; without `HARMFUL_KINDS` nothing is changed.
    """
    if HARMFUL_KINDS not in details:
        return dict(made)
    names = [str(name)[2:] for name in table.columns if str(name).startswith("p_")]
    harmful = np.isin(names, list(details[HARMFUL_KINDS]))
    kinds = table[[f"p_{name}" for name in names]].to_numpy(np.float64).copy()
    new: pd.DataFrame = made["table"].copy()
    suspicion, flagged = new["suspicion"].to_numpy(np.float64), new["flagged"].to_numpy(np.bool_)
    before = np.maximum(table["suspicion"].to_numpy(np.float64), _TINY)
    _share(kinds, harmful, suspicion)
    _share(kinds, ~harmful, 1 - suspicion)
    named = np.where(flagged[:, None] & ~harmful, -1.0, kinds).argmax(axis=1)
    new["kind"] = np.asarray(names, dtype=object)[named]
    new["kind_probability"] = kinds[np.arange(len(kinds)), named]
    for place, name in enumerate(names):
        new[f"p_{name}"] = kinds[:, place]
    new["suggested_label"] = table["suggested_label"]
    sure = table["suggestion_confidence"].to_numpy(np.float64) * suspicion / before
    new["suggestion_confidence"] = np.clip(sure, 0, 1)
    told = dict(made["details"])
    rates: Sequence[Mapping[str, Any]] = told.get("rates", ())
    told["rates"] = [one for one in rates if one["of"] not in ("class", "kind")]
    return {**made, "table": new, "flow": None, "details": told}


def _share(kinds: Floats, columns: Any, total: Floats) -> None:
    """Scale some columns to a total; where all are zero, the first of them takes it."""
    if not columns.any():
        return
    now = kinds[:, columns].sum(axis=1)
    kinds[:, columns] *= (total / np.maximum(now, _TINY))[:, None]
    empty = now <= _TINY
    kinds[empty, int(np.flatnonzero(columns)[0])] = total[empty]
