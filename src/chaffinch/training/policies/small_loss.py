"""Small-loss selection: in each batch, only the samples of small loss count."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from chaffinch.core.errors import InputError
from chaffinch.losses.loss import check_count, check_number
from chaffinch.training.policies.policy import Decision, Policy, PolicyBatch, Setting, policy
from chaffinch.training.policies.resistance import Resistance
from chaffinch.training.watching.observer import EpochRecord


def small_loss_weights(losses: Tensor, dropped: float) -> Tensor:
    """(B,) 0 for the ``int(dropped * B)`` greatest losses, and for others what makes the mean 1."""
    count = int(dropped * len(losses))
    if count == 0:
        return torch.ones_like(losses)
    weights = torch.full_like(losses, len(losses) / (len(losses) - count))
    # NaN is the greatest of all; of equal losses the later ones go.
    order = torch.argsort(losses, descending=False, stable=True)
    weights[order[len(losses) - count :]] = 0
    return weights


@policy("small_loss", "after Han et al., NeurIPS 2018")
class SmallLoss(Policy):
    """Leaves the share of greatest losses out of each batch, as co-teaching does with two networks.

    After `warm_up` epochs the share grows in equal steps to `rate` in `ramp` epochs. A sample that
    is left out now may count in the next epoch. Use batches of 32 samples at least.

    Args:
        rate: Share of wrong labels; None to take the share of samples that resist learning after
            the warm-up, 0 where there is no such heap of them.
        warm_up: Epochs with all samples first.
        ramp: Epochs until the whole share is left out.

    Raises:
        InputError: An option is out of its bounds.
    """

    def __init__(self, rate: float | None = None, warm_up: int = 2, ramp: int = 3) -> None:
        if rate is not None and not 0 <= rate < 1:
            raise InputError("rate in 0..1, below 1", repr(rate), "Give the share of wrong labels")
        self.rate = rate
        self.warm_up = check_count("warm_up", warm_up)
        self.ramp = int(check_number("ramp", ramp, 1))
        self.dropped = 0.0

    def begin(self, setting: Setting) -> None:
        """Begin with all samples."""
        self._resistance = Resistance(setting.num_samples)

    def weigh(self, batch: PolicyBatch) -> Tensor | None:
        """(B,) 0 for the samples of greatest loss."""
        if batch.losses is None or self.dropped == 0:
            return None
        return small_loss_weights(batch.losses, self.dropped)

    def end_epoch(self, record: EpochRecord) -> Sequence[Decision]:
        """Set the share for the next epoch; which samples were left out in this one."""
        left_out = np.flatnonzero(record.seen & (record.values["weight"] == 0))
        reason = f"among the {self.dropped:.1%} greatest losses of their batches"
        decisions = [Decision("left out", reason, left_out)] if left_out.size else []
        self._resistance.update(record)
        begun = record.epoch + 2 - self.warm_up
        if begun > 0:
            rate = self._resistance.rate() if self.rate is None else self.rate
            self.dropped = rate * min(1.0, begun / self.ramp)
        return decisions

    def state_dict(self) -> dict[str, Any]:
        """The share and the memory of the margins."""
        return {"dropped": self.dropped, "resistance": self._resistance.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        self.dropped = float(state["dropped"])
        self._resistance.load_state_dict(state["resistance"])
