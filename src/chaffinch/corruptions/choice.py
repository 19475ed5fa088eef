"""Which samples are corrupted: an exact number, among those that may be."""

import numpy as np
from numpy.typing import NDArray

from chaffinch.core.errors import InputError
from chaffinch.core.types import Mask


def exact_count(rate: float, total: int) -> int:
    """The share ``rate`` of ``total`` samples as a whole number.

    Raises:
        InputError: A rate outside 0..1.
    """
    if not 0 <= rate <= 1:
        raise InputError("a rate in 0..1", str(rate), "Pass a share, not a percentage")
    return round(rate * total)


def choose_rows(
    rate: float, among: Mask, random: np.random.Generator, what: str = "uncorrupted samples"
) -> NDArray[np.int64]:
    """Draw ``round(rate * N)`` different rows.

    Args:
        rate: Share of all N samples, in 0..1.
        among: (N,) rows that may be drawn.
        random: Draws them.
        what: What these rows are, for the error.

    Raises:
        InputError: A rate outside 0..1, or fewer rows than are to be drawn.
    """
    count = exact_count(rate, len(among))
    candidates = np.flatnonzero(among)
    if count > len(candidates):
        raise InputError(
            f"at least {count} {what}, a share of {rate} of {len(among)}",
            str(len(candidates)),
            "Lower the rate or pass more samples",
        )
    return candidates[random.choice(len(candidates), count, replace=False)].astype(np.int64)


def everyone(among: Mask | None, total: int) -> Mask:
    """``among``, or all rows where it is None.

    Raises:
        InputError: A mask of another length.
    """
    if among is None:
        return np.ones(total, dtype=np.bool_)
    if among.shape != (total,) or among.dtype != np.bool_:
        raise InputError(
            f"a mask ({total},) of the rows that may be changed",
            f"{among.dtype} of shape {among.shape}",
            "Pass one boolean a sample",
        )
    return among
