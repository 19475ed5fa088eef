"""The table of findings after answers: kinds, flags and suggestions anew."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from chaffinch.core.answers import Answers
from chaffinch.core.basis import Basis
from chaffinch.core.judged import judged_columns
from chaffinch.core.kinds import (
    CLEAN,
    FAR_CLUSTER,
    KINDS,
    MISLABELLED,
    NEAR_CLUSTER,
    OUTLIER,
    PROBABILITY_COLUMNS,
    WRONG_LABEL,
    place,
)
from chaffinch.core.types import Floats, Mask

_ASIDE = tuple(place(kind) for kind in (FAR_CLUSTER, OUTLIER, NEAR_CLUSTER))
_WRONG = tuple(place(kind) for kind in WRONG_LABEL)
_SOUND = tuple(n for n in range(len(KINDS)) if n not in _ASIDE + _WRONG)
_TINY = 1e-12


def kinds_of(table: pd.DataFrame) -> Floats:
    """(N, 9) probabilities of the kinds; wrong label or clean where the table has none."""
    if set(PROBABILITY_COLUMNS) <= set(table.columns):
        return table[list(PROBABILITY_COLUMNS)].to_numpy(np.float64)
    kinds = np.zeros((len(table), len(KINDS)))
    kinds[:, place(MISLABELLED)] = table["suspicion"]
    kinds[:, place(CLEAN)] = 1 - kinds[:, place(MISLABELLED)]
    return kinds


def aside(kinds: Floats) -> Floats:
    """(N,) probability that the matter is the sample and not its label."""
    total: Floats = kinds[:, _ASIDE].sum(axis=1)
    return total


def recalibrated_kinds(kinds: Floats, wrong: Floats, answers: Answers) -> Floats:
    """Probabilities of the kinds once it is known anew how likely labels are wrong.

    Args:
        kinds: (N, 9) before.
        wrong: (N,) probability that the label is wrong if the sample is no anomaly.
        answers: What was answered: of those samples nothing is asked but whether the label is
            wrong, and if it is right, they do no harm.

    Returns:
        (N, 9), rows sum to 1; anomalies keep their share and others divide what is left as before.
    """
    made, left, chance = kinds.copy(), 1 - aside(kinds), wrong.copy()
    told = answers.rows
    for column in _ASIDE:
        made[told, column] = 0
    left[told], chance[told] = 1, answers.wrong
    _share(made, _WRONG, left * chance, place(MISLABELLED))
    _share(made, _SOUND, left * (1 - chance), place(CLEAN))
    made /= made.sum(axis=1, keepdims=True)
    return made


def _share(kinds: Floats, columns: tuple[int, ...], total: Floats, otherwise: int) -> None:
    """Scale columns to a total; where all are zero, one of them takes it."""
    now = kinds[:, columns].sum(axis=1)
    empty = now <= _TINY
    kinds[:, columns] *= np.where(empty, 0, total / np.maximum(now, _TINY))[:, None]
    kinds[empty, otherwise] = total[empty]


def recalibrated_table(
    table: pd.DataFrame,
    kinds: Floats,
    chosen: tuple[Mask, Floats],
    basis: Basis,
    classes: NDArray[Any],
) -> pd.DataFrame:
    """The table with new kinds, flags, q-values and suggestions, its other columns as they were.

    Args:
        table: N rows.
        kinds: (N, 9) recalibrated.
        chosen: (N,) flags and (N,) q-values.
        basis: Which class a sample with a wrong label likely belongs to.
        classes: (C,).
    """
    flagged, q = chosen
    best = pd.Series(classes[basis.others[:, 0]]).where(basis.others[:, 0] >= 0)
    columns = judged_columns(kinds, flagged, q, best.array, basis.shares[:, 0])
    made = table.copy()
    for name, column in columns.items():
        if name in made:
            made[name] = column if isinstance(column, np.ndarray) else column.array
    return made
