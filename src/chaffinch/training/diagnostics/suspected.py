"""Suspected and trusted samples: what the model makes of each while it learns.

Right labels are learned first, wrong ones are memorised later (Arpit et al., ICML 2017; Liu et al.,
NeurIPS 2020). So the samples of the highest loss are set aside early, as many as labels seem
wrong, and from then on each side is followed by itself.
"""

from dataclasses import dataclass

import numpy as np

from chaffinch.core.types import Floats, Mask

LEAST = 0.02
"""Share that is set aside where no label seems wrong: the hardest, for the curves' sake."""


@dataclass(frozen=True)
class Side:
    """One side in one epoch.

    Attributes:
        count: Samples seen.
        loss: Mean cross-entropy with the given label.
        met: Share whose given label is the largest output.
    """

    count: int
    loss: float
    met: float


def choose_suspected(loss: Floats, rate: float) -> Mask:
    """Set aside the samples of the highest loss.

    Args:
        loss: (N,) mean cross-entropy of the epochs so far; NaN for samples never seen, which are
            trusted.
        rate: Share of labels that seem wrong, 0..1; at least 2 % and at most half are set aside.

    Returns:
        (N,) whether the sample is suspected.
    """
    chosen = np.zeros(len(loss), dtype=np.bool_)
    known = np.flatnonzero(np.isfinite(loss))
    count = round(min(max(rate, LEAST), 0.5) * len(known))
    if count:
        chosen[known[np.argsort(-loss[known], kind="stable")[:count]]] = True
    return chosen


def sum_up(loss: Floats, margin: Floats, members: Mask) -> Side:
    """Mean loss and share met of some samples; NaN where none was seen.

    Args:
        loss: (N,) cross-entropy; NaN where not seen.
        margin: (N,) negative where the label is missed; NaN where not seen.
        members: (N,) the samples.
    """
    rows = members & np.isfinite(loss) & np.isfinite(margin)
    count = int(rows.sum())
    if not count:
        return Side(0, float("nan"), float("nan"))
    return Side(count, float(loss[rows].mean()), float((margin[rows] >= 0).mean()))
