"""Symmetric cross-entropy: cross-entropy and the same with label and prediction exchanged."""

import math
from typing import Unpack

import torch
from torch import Tensor

from chaffinch.losses.cross_entropy import CrossEntropy, loss
from chaffinch.losses.loss import Batch, Common, check_number

LOG_OF_ZERO = math.log(1e-4)
"""What the reverse loss takes for the logarithm of a label's zeros."""


def reverse_cross_entropy(log_p: Tensor) -> Tensor:
    """``-sum_k p_k log y_k`` of a one-hot y with zeros raised to 1e-4: ``(1 - p_y) log 10^4``."""
    return LOG_OF_ZERO * torch.expm1(log_p)


@loss("symmetric_cross_entropy", "Wang et al., ICCV 2019")
class SymmetricCrossEntropy(CrossEntropy):
    """``alpha CE + beta RCE``, RCE being ``-sum_k p_k log y_k``.

    RCE is bounded and resists noise; CE makes it learn.

    Args:
        alpha: Weight of cross-entropy. The paper has (.1, 1) for CIFAR-10, (6, .1) for CIFAR-100.
        beta: Weight of the reverse cross-entropy; (1, 0) is cross-entropy.
        common: See `CrossEntropy`.
    """

    def __init__(self, alpha: float = 0.1, beta: float = 1.0, **common: Unpack[Common]) -> None:
        super().__init__(**common)
        self.alpha = check_number("alpha", alpha, 0)
        self.beta = check_number("beta", beta, 0)

    def class_losses(self, batch: Batch) -> Tensor:
        """(B, C) the loss with each class as the label."""
        log_p = batch.log_probabilities
        return self.beta * reverse_cross_entropy(log_p) - self.alpha * log_p
