"""Asymmetric loss: tags that do not hold are many and easy, and some of them are only missing."""

from typing import Unpack

import torch
from torch import Tensor
from torch.nn import functional as F

from chaffinch.losses.binary_cross_entropy import BinaryCrossEntropy, TagBatch, tag_loss
from chaffinch.losses.loss import Common, check_number

_LEAST = 1e-8


@tag_loss("asymmetric", "Ben-Baruch et al., ICCV 2021")
class Asymmetric(BinaryCrossEntropy):
    """``-y (1 - p)^g1 log p - (1 - y) m^g0 log(1 - m)`` with ``m = max(p - margin, 0)``.

    A tag that does not hold counts less the surer the model is of that, and nothing once its
    probability is below the margin. So the few tags that hold are not outweighed.

    Args:
        negative: g0, how fast absent tags lose their weight; 4 in the paper.
        positive: g1, the same for present tags; 0 in the paper, which leaves them alone.
        margin: Probability that is forgiven to absent tags, in 0..1; 0.05 in the paper.
        common: See `BinaryCrossEntropy`.

    Raises:
        InputError: An option is out of its bounds.
    """

    def __init__(
        self,
        negative: float = 4.0,
        positive: float = 0.0,
        margin: float = 0.05,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(**common)
        self.negative = check_number("negative", negative, 0)
        self.positive = check_number("positive", positive, 0)
        self.margin = check_number("margin", margin, 0, 1)

    def tag_losses(self, batch: TagBatch) -> Tensor:
        """(B, K) what each tag of each sample loses."""
        log_p, log_rest = F.logsigmoid(batch.logits), F.logsigmoid(-batch.logits)
        present = -torch.exp(self.positive * log_rest) * log_p
        if self.margin == 0:
            absent = -torch.exp(self.negative * log_p) * log_rest
        else:
            shifted = (log_p.exp() - self.margin).clamp(min=0)
            # A power below 1 has no slope at 0; what is forgiven has none at all.
            power = torch.where(shifted > 0, shifted.clamp(min=_LEAST) ** self.negative, 0)
            absent = -power * torch.log1p(-shifted)
        return batch.target * present + (1 - batch.target) * absent
