"""Label smoothing, to either side."""

import math
from typing import Unpack

from torch import Tensor

from chaffinch.losses.cross_entropy import CrossEntropy, loss
from chaffinch.losses.loss import Batch, Common, check_number


def smoothed(log_p: Tensor, rate: float) -> Tensor:
    """(B, C) ``(1 - rate)(-log p_y) + rate mean_k(-log p_k)`` for each class y."""
    return -(1 - rate) * log_p - rate * log_p.mean(1, keepdim=True)


@loss("label_smoothing", "Lukasik et al., ICML 2020; Wei et al., ICML 2022 (negative rates)")
class LabelSmoothing(CrossEntropy):
    """``(1 - rate) CE + rate mean_k(-log p_k)``.

    A positive rate softens predictions. A negative one pays for the label's lead over the mean of
    the classes, and so sharpens them, which serves better under much noise; the loss then has no
    lower bound: warm up first. Class weights are those of the
    label; those of ``torch.nn.CrossEntropyLoss(label_smoothing=...)`` are of each smoothed part.

    Args:
        rate: At most 1; 0 is cross-entropy. The papers try .8 to -8.
        common: See `CrossEntropy`.
    """

    def __init__(self, rate: float = 0.1, **common: Unpack[Common]) -> None:
        super().__init__(**common)
        self.rate = check_number("rate", rate, -math.inf, 1)

    def class_losses(self, batch: Batch) -> Tensor:
        """(B, C) the loss with each class as the label."""
        return smoothed(batch.log_probabilities, self.rate)
