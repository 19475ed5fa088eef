"""How few samples carry half of the gradient."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chaffinch.core.types import Floats


@dataclass(frozen=True, eq=False)
class Concentration:
    """The smallest set of samples with a part of the summed gradient norms.

    Attributes:
        share: Size of the set, as a share of the samples seen; 0.5 if all are equal.
        ids: (n,) its samples, largest norm first; at most 1,000.
    """

    share: float
    ids: NDArray[np.int64]


def concentrate(norms: Floats, part: float = 0.5) -> Concentration | None:
    """Find the smallest set of samples whose norms make up a part of the sum.

    Args:
        norms: (N,) norm of each sample's gradient, 0 or more; what is not finite is left out.
        part: The part of the sum, 0..1.

    Returns:
        The set, or None where there is no gradient.
    """
    known = np.flatnonzero(np.isfinite(norms))
    values = np.asarray(norms[known], dtype=np.float64)
    total = values.sum()
    if not total > 0:
        return None
    order = np.argsort(-values, kind="stable")
    needed = int(np.searchsorted(np.cumsum(values[order]), part * total * (1 - 1e-12))) + 1
    return Concentration(needed / len(known), known[order[:needed][:1000]])
