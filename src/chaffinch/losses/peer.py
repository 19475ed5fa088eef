"""Peer loss: a label must fit its own sample better than it fits another one."""

from typing import Any, Unpack

import torch
from torch import Tensor

from chaffinch.core.randomness import stream
from chaffinch.losses.cross_entropy import CrossEntropy, loss
from chaffinch.losses.loss import Batch, Common, check_count, check_number


def peer_losses(batch: Batch, samples: Tensor, labels: Tensor) -> Tensor:
    """(B,) ``-log(p_y + 1e-8)`` of predictions at `samples` and labels at `labels`, both (B,)."""
    other = Batch(batch.logits[samples], batch.target[labels], None)
    return other.at_label(-batch.bounded_log_probabilities[samples])


def mean_peer_loss(batch: Batch) -> Tensor:
    """() mean of `peer_losses` over all pairs of a sample and a label of the batch."""
    return -(batch.distribution.mean(0) * batch.bounded_log_probabilities.mean(0)).sum()


@loss("peer", "Liu and Guo, ICML 2020")
class Peer(CrossEntropy):
    """``CE(x, y) - alpha_e CE(x1, y2)``, alpha_e rising from 0 in the epoch e after the warm-up.

    x1 and y2 are drawn apart from each other, by two permutations of the batch: large batches with
    many classes serve best. In evaluation mode the second term is its mean over all draws. The
    state of the draws goes with the state dict. As in the authors' code, the second term has
    ``log(p + 1e-8)``: it is bounded, and the loss may be below 0.

    Args:
        alpha: What alpha_e grows to; 0 is cross-entropy.
        ramp: Epochs after the warm-up until it has; 0 for the full alpha at once.
        seed: Decides the draws.
        common: See `CrossEntropy`.
    """

    def __init__(
        self, alpha: float = 1.0, ramp: int = 10, seed: int = 0, **common: Unpack[Common]
    ) -> None:
        super().__init__(**common)
        self.alpha = check_number("alpha", alpha, 0)
        self.ramp_epochs = check_count("ramp", ramp)
        self._draws = stream(seed, "peers of peer loss")

    def class_losses(self, batch: Batch) -> Tensor:
        """(B, C) the loss with each class as the label."""
        alpha = self.alpha * self.ramp(self.ramp_epochs)
        peers = (
            self._peers(batch) if self.training else mean_peer_loss(batch).expand(len(batch.logits))
        )
        return -batch.log_probabilities - alpha * peers[:, None]

    def get_extra_state(self) -> dict[str, Any]:
        """What the state dict holds besides the buffers."""
        return {**super().get_extra_state(), "draws": self._draws.bit_generator.state}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Go on from `get_extra_state`."""
        super().set_extra_state(state)
        self._draws.bit_generator.state = state["draws"]

    def _peers(self, batch: Batch) -> Tensor:
        count, device = len(batch.logits), batch.logits.device
        samples, labels = (torch.from_numpy(self._draws.permutation(count)) for _ in range(2))
        return peer_losses(batch, samples.to(device), labels.to(device))
