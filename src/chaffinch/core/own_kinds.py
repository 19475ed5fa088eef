"""Findings of a task with kinds of its own, after people answered which labels are wrong."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from chaffinch.core.types import Floats

HARMFUL_KINDS = "harmful_kinds"
"""Key of the details of findings under which the harmful kinds of a task stand."""

_TINY = 1e-12


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
