"""AUM against threshold samples (Pleiss et al., NeurIPS 2020).

In each of R extra trainings some samples are given a class that does not exist. They are certainly
mislabelled, so their margins show how low the margin of a wrong label is in this very training.
"""

import numpy as np

from chaffinch.core.evidence import Evidence
from chaffinch.core.scorer import scorer
from chaffinch.core.types import Floats, Mask

PERCENTILE = 99.0


def below_threshold(margins: Floats, members: Mask, percentile: float = PERCENTILE) -> Floats:
    """How far each margin lies under that of threshold samples, averaged over trainings.

    A training counts for a sample if the sample kept its own label in it and others did not.
    Samples for which no training counts have the median of the others.

    Args:
        margins: (R, N) area under the margin in R trainings.
        members: (R, N) whether the sample was given the class that does not exist.
        percentile: Which percentile of the members' margins is the threshold.

    Returns:
        (N,) threshold minus margin; above 0 = mislabelled, by the rule of the paper.
    """
    wide = np.asarray(margins, dtype=np.float64)
    total, count = np.zeros(wide.shape[1]), np.zeros(wide.shape[1])
    for run, moved in zip(wide, members, strict=True):
        if moved.any():
            threshold = np.percentile(run[moved], percentile)
            total += np.where(moved, 0.0, threshold - run)
            count += ~moved
    known = count > 0
    if not known.any():
        return np.zeros(len(count))
    scores = total / np.maximum(count, 1)
    return np.where(known, scores, np.median(scores[known]))


def flags_by_threshold(margins: Floats, members: Mask, percentile: float = PERCENTILE) -> Mask:
    """(N,) samples whose mean margin lies under the threshold; see `below_threshold`.

    A sample that was a threshold sample in every training is never flagged: nothing is known of
    its own label.
    """
    judged = (~members & members.any(axis=1, keepdims=True)).any(axis=0)
    flagged: Mask = judged & (below_threshold(margins, members, percentile) > 0)
    return flagged


@scorer(
    "aum_threshold",
    family="dynamics",
    needs=("fake_class_margins", "fake_class_members"),
    paper="Pleiss et al., Identifying Mislabeled Data using the Area Under the Margin, 2020",
)
def aum_threshold(evidence: Evidence, _seed: int) -> Floats:
    """How far the AUM lies under that of samples moved to a fake class; above 0 = mislabelled."""
    members = np.asarray(evidence.need("fake_class_members"), dtype=bool)
    return below_threshold(evidence.need("fake_class_margins"), members)
