"""Which samples to flag, and how many of them will be false alarms."""

import numpy as np

from chaffinch.core.types import Floats, Mask

LEAST_SUSPICION = 0.2
"""Nothing less likely to be wrong than this is flagged, however few errors are expected."""


def select(probabilities: Floats) -> Mask:
    """Flag the set that maximises the expected F1 score (Lipton et al., ECML 2014).

    Args:
        probabilities: (N,) calibrated probability that a label is wrong.

    Returns:
        (N,) whether to flag; never a sample while a more suspicious one is left out.
    """
    order = np.argsort(-probabilities, kind="stable")
    ranked = probabilities[order]
    expected_hits = np.cumsum(ranked)
    sizes = np.arange(1, len(ranked) + 1)
    scores = 2 * expected_hits / (sizes + max(float(ranked.sum()), 1e-12))
    best = int(scores.argmax()) + 1
    flagged = np.zeros(len(ranked), dtype=np.bool_)
    flagged[order[:best]] = ranked[:best] >= LEAST_SUSPICION
    return flagged


def q_values(probabilities: Floats) -> Floats:
    """(N,) expected share of false alarms if a sample and all more suspicious ones are flagged.

    Samples of equal suspicion have equal values (Storey's q-value, from posterior probabilities).
    """
    order = np.argsort(-probabilities, kind="stable")
    ranked = probabilities[order]
    rates = np.cumsum(1 - ranked) / np.arange(1, len(ranked) + 1)
    # The value of a tie is that of its last member; searching from the right of ties finds it.
    last = np.searchsorted(-ranked, -ranked, side="right") - 1
    values = np.empty(len(ranked))
    values[order] = rates[last]
    return values
