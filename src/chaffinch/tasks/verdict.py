"""From what a task says of its samples to findings."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from chaffinch.core.errors import InputError
from chaffinch.core.findings import Findings
from chaffinch.core.kinds import Kind
from chaffinch.core.own_kinds import HARMFUL_KINDS
from chaffinch.core.types import Codes, Floats, Mask
from chaffinch.diagnosis.rate import rates
from chaffinch.diagnosis.selection import Threshold, q_values
from chaffinch.tasks.task import Judgement, Problem

_SUM_TOLERANCE = 1e-6
_LIKELY = 0.5


def findings_of_judgement(
    problem: Problem, judgement: Judgement, words: Mapping[str, Kind], threshold: Threshold
) -> Findings:
    """Decide which samples are flagged, and put everything into one table.

    Args:
        problem: The N samples.
        judgement: What is said of them.
        words: The kinds of the task.
        threshold: The rule by which samples are flagged.

    Raises:
        InputError: Probabilities of other kinds, of other samples, or that do not sum to 1.
    """
    names = list(words)
    kinds = _stacked(judgement.kinds, names, len(problem))
    harmful = np.asarray([words[name].treatment == "harmful" for name in names])
    suspicion: Floats = np.clip(kinds[:, harmful].sum(axis=1), 0, 1)
    q = q_values(suspicion)
    flagged = threshold.flag(suspicion, q) & (suspicion > 0)
    kind = _likeliest(kinds, harmful, flagged)
    confidence = suspicion * judgement.confidence
    suggested = pd.Series(judgement.suggested)
    named = (flagged | (confidence > _LIKELY)) & suggested.notna().to_numpy()
    columns = {
        "id": problem.ids,
        "given_label": problem.given,
        "suspicion": suspicion,
        "flagged": flagged,
        "kind": np.asarray(names, dtype=object)[kind],
        "kind_probability": kinds[np.arange(len(kinds)), kind],
        "suggested_label": suggested.where(named),
        "suggestion_confidence": np.where(named, confidence, np.nan),
        "q_value": q,
        **{f"p_{name}": kinds[:, place] for place, name in enumerate(names)},
    }
    if judgement.interval is not None:
        for name, ends in zip(("suggested_low", "suggested_high"), judgement.interval, strict=True):
            columns[name] = np.where(named, ends, np.nan)
    columns["stability"] = np.full(len(problem), np.nan)
    columns["why"] = np.where(flagged, np.asarray(judgement.why, dtype=object), "")
    table = pd.DataFrame({**columns, **judgement.scores})
    by_kind = {name: kinds[:, place] for place, name in enumerate(names)}
    details = dict(judgement.details)
    details[HARMFUL_KINDS] = [name for name, one in zip(names, harmful, strict=True) if one]
    details["rates"] = rates(suspicion, np.zeros(len(problem), np.int64), (), by_kind)
    return Findings(
        table,
        np.unique(np.asarray(problem.given)),
        float(suspicion.sum()),
        notes=judgement.notes,
        details=details,
    )


def _stacked(kinds: Mapping[str, Floats], names: list[str], count: int) -> Floats:
    """(N, K) probabilities in the order of ``names``; a kind that is not told has none."""
    unknown = sorted(set(kinds) - set(names))
    if unknown:
        raise InputError(f"kinds of the task ({', '.join(names)})", ", ".join(unknown), "Add them")
    absent = np.zeros(count)
    columns = [np.asarray(kinds.get(name, absent), dtype=np.float64) for name in names]
    if any(column.shape != (count,) for column in columns):
        raise InputError(
            f"one probability of each kind for {count:,} samples",
            f"shapes {sorted({column.shape for column in columns})}",
            "Give (N,) arrays",
        )
    stacked = np.column_stack(columns)
    off = np.abs(stacked.sum(axis=1) - 1)
    if not (stacked >= 0).all() or not (off <= _SUM_TOLERANCE).all():
        raise InputError(
            "probabilities of kinds that sum to 1 in each sample",
            f"sums that are off by up to {np.nanmax(off):.3g}, or values below 0",
            "Let the last kind be the rest",
        )
    return stacked


def _likeliest(kinds: Floats, harmful: Mask, flagged: Mask) -> Codes:
    """(N,) place of the kind to name; of what is flagged the likeliest that does harm."""
    masked = np.where(flagged[:, None] & ~harmful, -1.0, kinds)
    named: Codes = masked.argmax(axis=1)
    return named
