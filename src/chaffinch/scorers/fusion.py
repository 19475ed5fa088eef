"""Fusing the scores of several models by rank."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import rankdata

from chaffinch.core.errors import InputError
from chaffinch.core.evidence import Evidence
from chaffinch.core.scorer import Scorer
from chaffinch.core.types import Floats


def mean_rank(scores: Sequence[Floats]) -> Floats:
    """Mean of the ranks that several scores give to the same samples.

    Scores have no common unit and single models have outliers; ranks have neither.

    Args:
        scores: K arrays (N,), higher = more suspicious, rows in the same order.

    Returns:
        (N,) float64 in 0..1, higher = more suspicious; equal scores share their mean rank, and a
        sample alone has 0.5.

    Raises:
        InputError: No scores, or scores of different lengths.
    """
    rows = [np.asarray(one, dtype=np.float64) for one in scores]
    lengths = {row.shape for row in rows}
    if len(lengths) != 1 or len(rows[0].shape) != 1:
        raise InputError(
            "at least one array of scores, all (N,)",
            ", ".join(map(str, sorted(lengths))) or "none",
            "Score the same samples with each",
        )
    total = np.zeros(len(rows[0]))
    for row in rows:
        total += (rankdata(row) - 0.5) / max(1, len(row))
    return total / len(rows)


def fuse(scorer: Scorer, evidences: Sequence[Evidence], seed: int = 0) -> Floats:
    """One score from the evidence of several trainings (other seeds, checkpoints or folds).

    Args:
        scorer: What to compute on each.
        evidences: K pieces of evidence about the same N samples, matched by id.
        seed: Decides every random choice of the scorer.

    Returns:
        (N,) mean ranks in 0..1, in the order of the first evidence.

    Raises:
        InputError: No evidence, or other samples in one than in the first.
    """
    if not evidences:
        raise InputError("at least one evidence", "none", "Pass those of the trainings to fuse")
    ids = evidences[0].ids
    columns = []
    for evidence in evidences:
        place = {name: row for row, name in enumerate(evidence.ids.tolist())}
        if len(evidence) != len(ids) or set(place) != set(ids.tolist()):
            raise InputError(
                "the same ids in every evidence",
                "other ids in one",
                "Collect all from one data set",
            )
        scores = scorer(evidence, seed)
        columns.append(scores[[place[name] for name in ids.tolist()]])
    return mean_rank(columns)
