"""Whether a column only names the row."""

from typing import Any

import numpy as np
import pandas as pd

from chaffinch.checks.vectors import is_number

_LEAST_ROWS = 20
_UNIQUE = 0.99
_LONGEST_KEY = 64


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
        return bool(
            steps.min() >= 1 and ordered[-1] - ordered[0] <= 1.1 * steps.min() * len(values)
        )
    if getattr(known.dtype, "kind", "O") not in "OT" or known.nunique() < _UNIQUE * len(column):
        return False
    texts = known.astype(str)
    key = texts.str.fullmatch(r"(?=.*\d)[\w.:/#@+-]+") & (texts.str.len() <= _LONGEST_KEY)
    return bool(key.mean() >= _UNIQUE) and not _is_measured(texts)


def _is_measured(texts: "pd.Series[Any]") -> bool:
    """Whether texts are numbers or moments, which are measured and no keys."""
    sample = texts.iloc[:200]
    numbers = pd.to_numeric(sample, errors="coerce").notna().mean()
    looks = sample.str.fullmatch(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([T ].*)?").mean()
    return bool(looks > _UNIQUE or (numbers > _UNIQUE and sample.str.contains(r"\.").any()))
