"""The cells of a table as codes: which are equal, and which are missing; made once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from chaffinch.core.types import Codes, Mask

_PLACEHOLDERS = frozenset(
    ("?", "-", "--", "n/a", "na", "nan", "none", "null", "unknown", "missing", "#n/a", "nil")
)


@dataclass(frozen=True, eq=False)
class Cells:
    """N x I cells. Build it with `of`.

    Attributes:
        frame: The cells themselves.
        codes: (N, I) equal cells of a column have equal codes, from 0.
        levels: For each column, the different cells by code.
        lacking: (N, I) which cells are missing; words such as ? and N/A stand for it too.
    """

    frame: pd.DataFrame
    codes: Codes
    levels: tuple[Sequence[Any], ...]
    lacking: Mask

    @classmethod
    def of(cls, frame: pd.DataFrame) -> "Cells":
        """Code the cells of a frame."""
        count = len(frame.columns)
        codes = np.zeros((len(frame), count), np.int64)
        lacking = np.zeros((len(frame), count), np.bool_)
        levels: list[Any] = []
        for place, name in enumerate(frame.columns):
            codes[:, place], unique = pd.factorize(frame[name], use_na_sentinel=False)
            missing = np.asarray(pd.isna(unique), np.bool_)
            if getattr(frame[name].dtype, "kind", "O") in "OT":
                missing = missing | np.asarray([_stands_for_nothing(one) for one in unique])
            lacking[:, place] = missing[codes[:, place]] if len(unique) else False
            levels.append(unique)
        return cls(frame, codes, tuple(levels), lacking)

    @property
    def names(self) -> list[str]:
        """(I,) names of the columns."""
        return [str(name) for name in self.frame.columns]

    def shares(self, column: int) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Share of the rows of each level of a column."""
        return np.bincount(self.codes[:, column]) / max(len(self.codes), 1)


def _stands_for_nothing(cell: Any) -> bool:
    return isinstance(cell, str) and (not cell.strip() or cell.strip().casefold() in _PLACEHOLDERS)
