"""Scorers from training dynamics: one trajectory of logits a sample."""

from chaffinch.scorers.dynamics import (
    aum,
    averaged_margin,
    data_iq,
    data_map,
    early_error,
    gradient_variance,
    learning_event,
    loss,
    loss_clusters,
    loss_interval,
    loss_trajectory,
    threshold_sample,
)

__all__ = [
    "aum",
    "averaged_margin",
    "data_iq",
    "data_map",
    "early_error",
    "gradient_variance",
    "learning_event",
    "loss",
    "loss_clusters",
    "loss_interval",
    "loss_trajectory",
    "threshold_sample",
]
