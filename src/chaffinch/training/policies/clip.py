"""Gradient clipping sample by sample."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from chaffinch.losses.loss import check_number
from chaffinch.training.policies.policy import Decision, Policy, PolicyBatch, policy
from chaffinch.training.watching.observer import EpochRecord


@policy("clip", "Abadi et al., CCS 2016")
class Clip(Policy):
    """Weights ``min(1, limit / norm)``, norm that of the sample's gradient by the last layer.

    No sample pulls at the last layer with more than `limit`. The norm is that of the loss in use,
    in closed form from its gradient by the logits.

    Args:
        limit: The greatest norm; None for the `quantile` of the cross-entropy norms recorded in
            the epoch before, with nothing clipped in the first one.
        quantile: In 0..1.

    Raises:
        InputError: An option is out of its bounds.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"gradient_norms"})

    def __init__(self, limit: float | None = None, quantile: float = 0.9) -> None:
        self.fixed = limit is not None
        self.limit = np.inf if limit is None else check_number("limit", limit, 1e-12)
        self.quantile = check_number("quantile", quantile, 0, 1)

    def weigh(self, batch: PolicyBatch) -> Tensor | None:
        """(B,) what brings each norm down to the limit."""
        if batch.gradient_norms is None or self.limit == np.inf:
            return None
        least = torch.finfo(batch.gradient_norms.dtype).tiny
        return (self.limit / batch.gradient_norms.clamp_min(least)).clamp_max(1.0)

    def end_epoch(self, record: EpochRecord) -> Sequence[Decision]:
        """Set the limit for the next epoch; which samples were clipped in this one."""
        clipped = np.flatnonzero(record.seen & (record.values["weight"] < 1))
        reason = f"their gradients were longer than {self.limit:.4g} in epoch {record.epoch + 1}"
        norms = record.values["gradient_norm"]
        norms = norms[np.isfinite(norms)]
        if not self.fixed and norms.size:
            self.limit = max(float(np.quantile(norms, self.quantile)), 1e-12)
        return [Decision("clipped", reason, clipped)] if clipped.size else ()

    def state_dict(self) -> dict[str, Any]:
        """The limit."""
        return {"limit": float(self.limit)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        self.limit = float(state["limit"])
