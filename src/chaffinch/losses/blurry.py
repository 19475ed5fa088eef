"""Blurry loss: focal loss turned round, so that hard samples count less."""

from typing import Unpack

import torch
from torch import Tensor

from chaffinch.losses.cross_entropy import CrossEntropy, loss
from chaffinch.losses.loss import Batch, Common, check_number


def blurry(log_p: Tensor, gamma: float, detach: bool) -> Tensor:
    """``-p^gamma log p``, element by element; `detach` keeps the gradient out of the weight."""
    weight = torch.exp(gamma * (log_p.detach() if detach else log_p))
    return -weight * log_p


@loss("blurry", "Pellegrino, Szczecina and Fieguth, arXiv 2511.16512, 2025")
class Blurry(CrossEntropy):
    """``-p_y^gamma log p_y``: what the model thinks unlikely teaches less.

    With `detach` the weight is a constant to the gradient: unlikely samples are held weakly.
    Without it, as in the paper, the gradient points the other way below ``exp(-1 / gamma)``: such
    samples are pushed away from their labels, right ones of an untrained model too.

    Args:
        gamma: How fast the weight falls with the probability; 0 is cross-entropy.
        detach: Whether the weight is a constant to the gradient.
        common: See `CrossEntropy`; without `detach` warm up, as every label is unlikely at first.
    """

    def __init__(self, gamma: float = 0.3, detach: bool = True, **common: Unpack[Common]) -> None:
        super().__init__(**common)
        self.gamma = check_number("gamma", gamma, 0)
        self.detach = detach

    def class_losses(self, batch: Batch) -> Tensor:
        """(B, C) the loss with each class as the label."""
        return blurry(batch.log_probabilities, self.gamma, self.detach)
