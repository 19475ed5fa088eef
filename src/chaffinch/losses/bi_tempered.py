"""Bi-tempered logistic loss: a bounded logarithm over a softmax with heavy tails."""

from typing import Unpack

import torch
from torch import Tensor
from torch.nn import functional as F

from chaffinch.losses.cross_entropy import CrossEntropy, loss
from chaffinch.losses.loss import Batch, Common, check_count, check_number


def tempered_log_softmax(logits: Tensor, temperature: float, steps: int) -> Tensor:
    """(B, C) logarithms of ``exp_t(logits - norm)``, which sum to 1 as far as the steps reach.

    ``exp_t(u) = (1 + (1 - t) u)^(1 / (1 - t))``. The norm has no closed form for ``t > 1``; it is
    the limit of a fixed-point iteration. The gradient is that of the steps done.
    """
    excess = temperature - 1
    if excess == 0:
        return F.log_softmax(logits, dim=1)
    below = logits.amax(1, keepdim=True) - logits
    log_total = _log_total(below, excess)
    for _ in range(steps):
        log_total = _log_total(below * torch.exp(-excess * log_total), excess)
    above = torch.expm1(excess * log_total) / excess
    return -torch.log1p(excess * (below + above)) / excess


def _log_total(below: Tensor, excess: float) -> Tensor:
    return torch.logsumexp(-torch.log1p(excess * below) / excess, dim=1, keepdim=True)


def bi_tempered(log_p: Tensor, t1: float) -> Tensor:
    """(B, C) ``-log_t1 p_y - (1 - sum_k p_k^(2 - t1)) / (2 - t1)`` for each class y.

    ``log_t(u) = (u^(1 - t) - 1) / (1 - t)``.
    """
    rest = 1 - t1
    minus_log = -log_p if rest == 0 else -torch.expm1(rest * log_p) / rest
    power = torch.exp((1 + rest) * log_p).sum(1, keepdim=True)
    return minus_log + (power - 1) / (1 + rest)


@loss("bi_tempered", "Amid et al., NeurIPS 2019")
class BiTempered(CrossEntropy):
    """The Bregman divergence of the tempered logarithm, at a tempered softmax.

    `t1` below 1 bounds the loss by ``1 / (1 - t1)``: outliers lose their pull. `t2` above 1 gives
    the softmax heavy tails: labels wrong near the border lose theirs. (1, 1) is cross-entropy.

    Args:
        t1: Temperature of the logarithm, in 0..1.
        t2: Temperature of the softmax, at least 1.
        steps: Fixed-point steps to the normalisation after the start, as in the paper's code.
            Many classes under a high `t2` take more until the probabilities sum to 1.
        common: See `CrossEntropy`.
    """

    def __init__(self, t1: float, t2: float, steps: int = 5, **common: Unpack[Common]) -> None:
        super().__init__(**common)
        self.t1 = check_number("t1", t1, 0, 1)
        self.t2 = check_number("t2", t2, 1)
        self.steps = check_count("steps", steps)

    def class_losses(self, batch: Batch) -> Tensor:
        """(B, C) the loss with each class as the label."""
        return bi_tempered(tempered_log_softmax(batch.logits, self.t2, self.steps), self.t1)
