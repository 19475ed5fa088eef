"""Rebalancing: rare classes count more."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from chaffinch.core.types import Codes, Floats
from chaffinch.losses.loss import check_number
from chaffinch.training.policies.policy import Decision, Policy, PolicyBatch, Setting, policy
from chaffinch.training.watching.observer import EpochRecord


def class_weights(counts: Codes, beta: float) -> Floats:
    """(C,) weights of classes by the effective number of their samples.

    ``(1 - beta) / (1 - beta^n_c)`` for n_c samples, scaled so that the mean over all samples is 1;
    classes without samples have 1. beta = 0 gives equal weights, beta = 1 the limit ``1 / n_c``.

    Args:
        counts: (C,) samples of each class.
        beta: In 0..1.
    """
    n = np.maximum(np.asarray(counts, dtype=np.float64), 1)
    if beta == 1:
        raw = 1 / n
    else:
        raw = (1 - beta) / -np.expm1(n * np.log(beta)) if beta else np.ones_like(n)
    there = np.asarray(counts) > 0
    mean = (raw * counts).sum() / max(1, np.sum(counts))
    return np.where(there, raw / mean if mean else raw, 1.0)


@policy("rebalance", "Cui et al., CVPR 2019")
class Rebalance(Policy):
    """Weights samples by the inverse of how often their class was given, 1 on average.

    Classes are counted in the first epoch, which is not weighted, and again in each epoch.

    Args:
        beta: 1 weights by the inverse frequency; less by the inverse of the effective number,
            ``(1 - beta^n) / (1 - beta)``: .999 hardly tells classes of many thousand samples apart.

    Raises:
        InputError: beta is not in 0..1.
    """

    def __init__(self, beta: float = 1.0) -> None:
        self.beta = check_number("beta", beta, 0, 1)

    def begin(self, setting: Setting) -> None:
        """Begin with weights of 1."""
        self.weights = torch.ones(setting.num_classes, device=setting.device)

    def weigh(self, batch: PolicyBatch) -> Tensor | None:
        """(B,) weights of the samples' classes; their mean under soft labels."""
        if batch.target.is_floating_point():
            return batch.target.to(self.weights) @ self.weights
        return self.weights[batch.target]

    def end_epoch(self, record: EpochRecord) -> Sequence[Decision]:
        """Count the classes."""
        counts = np.bincount(record.labels[record.seen], minlength=record.num_classes)
        weights = torch.from_numpy(class_weights(counts, self.beta)).to(self.weights)
        same = torch.allclose(weights, self.weights)
        self.weights.copy_(weights)
        if same:
            return ()
        least, most = float(weights.min()), float(weights.max())
        reason = (
            f"classes of {counts.min()} to {counts.max()} samples weigh {most:.3g} to {least:.3g}"
        )
        return [Decision("rebalanced", reason, np.flatnonzero(record.seen))]

    def state_dict(self) -> dict[str, Any]:
        """The weights of the classes."""
        return {"weights": self.weights.clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        self.weights.copy_(state["weights"])
