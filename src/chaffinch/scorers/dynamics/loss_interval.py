"""CNLCU with soft truncation: lower end of an interval for the loss (Xia et al., ICLR 2022)."""

import numpy as np

from chaffinch.core.evidence import Evidence
from chaffinch.core.scorer import scorer
from chaffinch.core.types import Floats
from chaffinch.scorers.dynamics.loss import losses_by_epoch

VARIANCE = 0.01
SELECTED_SHARE = 0.8


def soften(losses: Floats) -> Floats:
    """log(1 + x + x^2 / 2): nearly x where losses are small, while extremes count little."""
    softened: Floats = np.log1p(losses + losses**2 / 2)
    return softened


def lower_bounds(
    losses: Floats, variance: float = VARIANCE, selected_share: float = SELECTED_SHARE
) -> Floats:
    """Lower bound of the mean loss after the last epoch, with the selection replayed.

    The paper trains on the samples with the lowest bounds, ``mean - v (t + v log(2 t) / t^2) /
    (n - v)``, where t counts epochs and n how often the sample was selected (one more here, so that
    it starts at one): samples that were hardly tried get the benefit of the doubt. Recorded losses
    come from a training without selection, so which ones it would have selected is replayed.

    Args:
        losses: (E, N) loss of the given label in every epoch, in nats.
        variance: v, below 1; the weight of uncertainty.
        selected_share: Share of samples selected after the first epoch, in 0..1; all in the first.

    Returns:
        (N,) bounds; high = suspicious even with the benefit of the doubt.
    """
    num_samples = losses.shape[1]
    kept = max(1, round(selected_share * num_samples))
    selections = np.ones(num_samples)
    total = np.zeros(num_samples)
    bounds = total
    for epoch, loss in enumerate(np.asarray(losses, dtype=np.float64)):
        count = epoch + 1
        total += soften(loss)
        width = variance * (count + variance * np.log(2 * count) / count**2)
        bounds = total / count - width / (selections - variance)
        limit = np.partition(bounds, kept - 1)[kept - 1] if epoch else np.inf
        selections += bounds <= limit
    return bounds


@scorer(
    "loss_interval",
    family="dynamics",
    needs=("logits",),
    paper="Xia et al., Sample Selection with Uncertainty of Losses (CNLCU-S), ICLR 2022",
)
def loss_interval(evidence: Evidence, _seed: int) -> Floats:
    """Lower bound of the robust mean loss, lower for samples that were seldom among the small."""
    return lower_bounds(losses_by_epoch(evidence))
