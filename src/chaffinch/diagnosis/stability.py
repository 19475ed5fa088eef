"""Stability: whether a sample would have been flagged in other epochs and other trainings, too."""

from collections.abc import Sequence

import numpy as np

from chaffinch.core.evidence import Evidence
from chaffinch.core.types import Floats, Mask
from chaffinch.scorers.probability import cross_entropy


def stability(evidence: Evidence, flagged: Mask, repeats: Sequence[Evidence] = ()) -> Floats:
    """Share of the epochs and trainings in which the loss alone would flag a sample.

    In every recorded epoch, of the model trained on all samples and of the fold models on those
    that they never saw, as many samples as were flagged in the end have the largest losses; ties
    are broken by the order of the rows. Each record counts alike, whatever its number of epochs,
    and so does each training.

    Args:
        evidence: Of the first training, with logits or held-out logits.
        flagged: (N,) what was flagged in the end.
        repeats: Evidence of further trainings on the same samples in the same order.

    Returns:
        (N,) in 0..1; a flagged sample with a low share hangs on a moment of one training. Zero
        where nothing is flagged, NaN without any logits.
    """
    shares = [
        _share(logits, one, int(flagged.sum()))
        for one in (evidence, *repeats)
        for logits in (one.logits, one.held_out_logits)
        if logits is not None
    ]
    if not shares:
        return np.full(len(flagged), np.nan)
    mean: Floats = np.mean(shares, axis=0)
    return mean


def _share(logits: Floats, evidence: Evidence, count: int) -> Floats:
    """(N,) share of E epochs in which a sample is among the ``count`` of largest loss."""
    times = np.zeros(len(evidence))
    for epoch in logits:
        order = np.argsort(-cross_entropy(epoch, evidence.labels.codes), kind="stable")
        times[order[:count]] += 1
    return times / len(logits)
