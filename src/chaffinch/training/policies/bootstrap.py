"""Bootstrapped labels: partly the given one, partly what the model believes."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from chaffinch.core.errors import InputError
from chaffinch.losses.loss import check_count, check_number
from chaffinch.training.policies.policy import Policy, PolicyBatch, policy

_SHARES = {"soft": 0.95, "hard": 0.8}


@policy("bootstrap", "Reed et al., ICLR 2015 workshop")
class Bootstrap(Policy):
    """Labels ``share * given + (1 - share) * belief``; belief is p, or the likeliest class.

    "soft" lets the gradient pass through p, as in the paper: it rewards confidence. What is
    recorded as loss is the cross-entropy with the given label.

    Args:
        kind: "soft" or "hard".
        share: What the given label counts; .95 (soft) and .8 (hard) by default, as in the paper.
        warm_up: Epochs with the given labels first.

    Raises:
        InputError: An option is out of its bounds.
    """

    def __init__(
        self, kind: Literal["soft", "hard"] = "hard", share: float | None = None, warm_up: int = 2
    ) -> None:
        if kind not in _SHARES:
            raise InputError("'soft' or 'hard'", repr(kind), "Choose one of these")
        self.kind = kind
        self.share = check_number("share", _SHARES[kind] if share is None else share, 0, 1)
        self.warm_up = check_count("warm_up", warm_up)

    def target(self, batch: PolicyBatch) -> Tensor | None:
        """(B, C) blends of labels and beliefs."""
        if batch.epoch < self.warm_up:
            return None
        logits = batch.outputs.float() if batch.outputs.element_size() < 4 else batch.outputs
        width = logits.shape[1]
        hard = not batch.target.is_floating_point()
        given = (F.one_hot(batch.target, width) if hard else batch.target).to(logits)
        if self.kind == "soft":
            belief = torch.softmax(logits, 1)
        else:
            belief = F.one_hot(logits.argmax(1), width).to(logits)
        return self.share * given + (1 - self.share) * belief
