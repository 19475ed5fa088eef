"""Generalised cross-entropy, between cross-entropy and the mean absolute error."""

from typing import Unpack

import torch
from torch import Tensor

from chaffinch.losses.cross_entropy import CrossEntropy, loss
from chaffinch.losses.loss import Batch, Common, check_number


def generalized_cross_entropy(log_p: Tensor, q: float) -> Tensor:
    """``(1 - p^q) / q``, its limit ``-log p`` at ``q = 0``, element by element."""
    if q == 0:
        return -log_p
    return -torch.expm1(q * log_p) / q


@loss("generalized_cross_entropy", "Zhang and Sabuncu, NeurIPS 2018")
class GeneralizedCrossEntropy(CrossEntropy):
    """``(1 - p_y^q) / q``: bounded, so that no wrong label can rule the batch.

    Args:
        q: 0 is cross-entropy, 1 half the mean absolute error, which noise does not mislead but
            which learns slowly.
        common: See `CrossEntropy`.
    """

    def __init__(self, q: float = 0.7, **common: Unpack[Common]) -> None:
        super().__init__(**common)
        self.q = check_number("q", q, 0, 1)

    def class_losses(self, batch: Batch) -> Tensor:
        """(B, C) the loss with each class as the label."""
        return generalized_cross_entropy(batch.log_probabilities, self.q)
