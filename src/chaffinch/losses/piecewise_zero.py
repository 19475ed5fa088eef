"""Piecewise-zero loss: samples below a probability teach nothing."""

import math
from typing import Unpack

import torch
from torch import Tensor

from chaffinch.losses.cross_entropy import CrossEntropy, loss
from chaffinch.losses.loss import Batch, Common, check_number


def piecewise_zero(log_p: Tensor, cutoff: float) -> Tensor:
    """``-log p`` where ``p >= cutoff``, else 0, element by element."""
    least = math.log(cutoff) if cutoff else -math.inf
    return torch.where(log_p >= least, -log_p, torch.zeros_like(log_p))


@loss("piecewise_zero", "Pellegrino, Szczecina and Fieguth, arXiv 2511.16512, 2025")
class PiecewiseZero(CrossEntropy):
    """``-log p_y`` where ``p_y >= cutoff``, else 0.

    Args:
        cutoff: Probability of the label below which a sample has no gradient; 0 is cross-entropy.
        common: See `CrossEntropy`. Without a warm-up a model of more than ``1 / cutoff`` classes
            may not start to learn.
    """

    def __init__(self, cutoff: float = 0.05, **common: Unpack[Common]) -> None:
        super().__init__(**common)
        self.cutoff = check_number("cutoff", cutoff, 0, 1)

    def class_losses(self, batch: Batch) -> Tensor:
        """(B, C) the loss with each class as the label."""
        return piecewise_zero(batch.log_probabilities, self.cutoff)
