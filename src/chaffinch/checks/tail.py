"""Values far outside the bulk of a data set's own distribution."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from chaffinch.core.types import Floats, Mask

Side = Literal["low", "high"]


def beyond(values: NDArray[Any], side: Side, reach: float = 3.0) -> Mask:
    """Which values lie more than ``reach`` interquartile ranges beyond the nearer quartile.

    Tukey's outer fences for the usual reach of 3 ("Exploratory Data Analysis", 1977). Where half
    of the values are equal, whatever differs lies beyond: callers add a difference that matters.

    Args:
        values: (N,) numbers; NaN is never beyond.
        side: Which tail.
        reach: Number of interquartile ranges.

    Returns:
        (N,) mask.
    """
    lower, upper = fences(values, reach)
    outside: Mask = values < lower if side == "low" else values > upper
    return outside


def fences(values: NDArray[Any], reach: float = 3.0) -> tuple[float, float]:
    """The lower and the upper fence; infinite where no value is finite."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return -np.inf, np.inf
    first, third = np.quantile(finite, [0.25, 0.75])
    return float(first - reach * (third - first)), float(third + reach * (third - first))


def clipped(scores: NDArray[Any]) -> Floats:
    """(N,) scores cut to 0..1; 0 where there is none."""
    cut: Floats = np.clip(np.nan_to_num(np.asarray(scores, np.float64)), 0, 1)
    return cut
