"""How far annotators agree beyond chance."""

import numpy as np

from chaffinch.core.types import Floats


def krippendorff_alpha(votes: Floats) -> float:
    """Krippendorff's alpha for nominal labels (Krippendorff 2011).

    One minus the observed disagreement over that expected by chance: 1 for full agreement, 0 for
    chance, below 0 for systematic disagreement. Samples with a single answer do not count.

    Args:
        votes: (N, C) how often each sample was given each class.

    Returns:
        Alpha; NaN where no sample has two answers, 1 where all paired answers are one class.
    """
    answers = votes.sum(axis=1)
    paired, size = votes[answers >= 2], answers[answers >= 2]
    if len(paired) == 0:
        return float("nan")
    coincidences = paired.T @ (paired / (size - 1)[:, None])
    coincidences -= np.diag((paired / (size - 1)[:, None]).sum(axis=0))
    totals = coincidences.sum(axis=1)
    n = totals.sum()
    expected = (n**2 - (totals**2).sum()) / (n - 1)
    if expected <= 0:
        return 1.0
    return float(1 - (n - np.trace(coincidences)) / expected)
