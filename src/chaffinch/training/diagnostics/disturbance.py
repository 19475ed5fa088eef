"""Which samples pull against validation, epoch after epoch."""

import numpy as np

from chaffinch.core.types import Floats, Mask


def pulls_hard(influence: Floats, share: float = 0.02) -> Mask:
    """Mark the samples whose gradient points hardest against that of the validation loss.

    A sample that is among them once may have been unlucky with its batch; one that is so in epoch
    after epoch disturbs. By chance alone, a share s of the samples is there once, s^k k times.

    Args:
        influence: (N,) dot product with the validation gradient, positive = helps; NaN where it is
            not known.
        share: Of the known samples, how many may be marked.

    Returns:
        (N,) among the lowest ``share`` and below 0.
    """
    marked = np.zeros(len(influence), dtype=np.bool_)
    known = np.flatnonzero(np.isfinite(influence))
    most = int(share * len(known))
    if most:
        lowest = known[np.argpartition(influence[known], most - 1)[:most]]
        marked[lowest] = influence[lowest] < 0
    return marked
