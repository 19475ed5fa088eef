"""CTRL: two clusters of loss curves in every class (Yue and Jha, 2022)."""

import numpy as np

from chaffinch.core.evidence import Evidence
from chaffinch.core.scorer import scorer
from chaffinch.core.types import Codes, Floats
from chaffinch.scorers.dynamics.loss import losses_by_epoch

NUM_WINDOWS = 3
SPAN = 3
"""Epochs of the moving average."""
CEILING = 5.0
"""Nats at which losses are cut, so that a few extremes do not make a cluster of their own."""
_MAX_STEPS = 100


def smooth(losses: Floats, span: int = SPAN) -> Floats:
    """(E, N) losses to their moving averages over ``span`` epochs, (E - span + 1, N)."""
    span = min(span, len(losses))
    sums = np.cumsum(np.concatenate([np.zeros((1, losses.shape[1])), losses]), axis=0)
    averages: Floats = (sums[span:] - sums[:-span]) / span
    return averages


def upper_share(curves: Floats) -> Floats:
    """Split N curves by 2-means and say how near each lies to the upper cluster.

    The clusters start as the mean of the lower half and the highest twentieth, by mean height, so
    that neither the order of the samples nor chance decides.

    Args:
        curves: (E, N).

    Returns:
        (N,) distance to the lower centre over the sum of both distances: 0..1, above 0.5 in the
        upper cluster. All 0.5 where there is one curve only, or all curves are the same.
    """
    count = curves.shape[1]
    height = curves.mean(axis=0)
    order = np.sort(height)
    if order[0] == order[-1]:
        return np.full(count, 0.5)
    low = curves[:, height <= order[(count - 1) // 2]].mean(axis=1)
    high = curves[:, height >= order[-max(1, count // 20)]].mean(axis=1)
    before = None
    for _ in range(_MAX_STEPS):
        to_low = np.linalg.norm(curves - low[:, None], axis=0)
        to_high = np.linalg.norm(curves - high[:, None], axis=0)
        upper = to_low > to_high
        if upper.all() or not upper.any() or (before is not None and (upper == before).all()):
            break
        low, high, before = curves[:, ~upper].mean(axis=1), curves[:, upper].mean(axis=1), upper
    both = to_low + to_high
    share: Floats = np.where(both > 0, to_low / np.where(both > 0, both, 1), 0.5)
    return share


def cluster_votes(losses: Floats, codes: Codes, num_windows: int = NUM_WINDOWS) -> Floats:
    """Votes of windows of training for the cluster of high losses, class by class.

    Args:
        losses: (E, N) loss of the given label in every epoch, in nats.
        codes: (N,) given labels.
        num_windows: Stretches of training that vote; at most one an epoch.

    Returns:
        (N,) the integer part counts the windows that vote against the label; the fraction, the
        mean over windows of `upper_share` (kept below 1), ranks within equal votes.
    """
    curves = smooth(np.minimum(np.asarray(losses, dtype=np.float64), CEILING))
    windows = np.array_split(curves, min(num_windows, len(curves)))
    votes, shares = np.zeros(len(codes)), np.zeros(len(codes))
    for code in np.unique(codes):
        members = np.flatnonzero(codes == code)
        for window in windows:
            share = upper_share(window[:, members])
            votes[members] += share > 0.5
            shares[members] += share / len(windows)
    return votes + 0.999 * shares


@scorer(
    "loss_clusters",
    family="dynamics",
    needs=("logits",),
    paper="Yue and Jha, CTRL: Clustering Training Losses for Label Error Detection, 2022",
)
def loss_clusters(evidence: Evidence, _seed: int) -> Floats:
    """Windows of training in which the loss curve falls into its class's cluster of high losses."""
    return cluster_votes(losses_by_epoch(evidence), evidence.labels.codes)
