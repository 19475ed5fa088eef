"""Distribution-balanced loss: rare tags beside common ones, without overruling absent tags."""

from typing import Unpack

import torch
from torch import Tensor
from torch.nn import functional as F

from chaffinch.core.errors import InputError
from chaffinch.losses.binary_cross_entropy import BinaryCrossEntropy, TagBatch, tag_loss
from chaffinch.losses.loss import Common, Numbers, as_tensor, check_number

_LARGE = 1e30  # not infinite, so that times a slope of 0 it is 0


@tag_loss("distribution_balanced", "Wu et al., ECCV 2020")
class DistributionBalanced(BinaryCrossEntropy):
    """Binary cross-entropy, re-weighted by tag and sample, and tolerant of absent tags.

    A sample that is drawn more often for the sake of a rare tag repeats its common tags. The weight
    ``floor + sigmoid(slope (r - centre))`` corrects that, where r is the wanted frequency of the
    tag, 1 / n_k, by that of the sample, the sum of 1 / n_i over its tags (1 for samples without a
    tag). Absent tags are tolerated: with ``z = logit - shift log(N / n_k - 1)`` the loss is
    ``log(1 + exp(-z))`` of a tag that holds and ``log(1 + exp(scale z)) / scale`` of one that does
    not. So the outputs themselves are no calibrated log-odds.

    Args:
        counts: (K,) n_k, how many training samples have each tag, at least one.
        num_samples: N, the number of training samples.
        scale: Of absent tags; 2 in the paper (MS-COCO).
        shift: Share of the prior log-odds by which a logit must exceed 0; 0.05 in the paper.
        floor: Least weight; 0.1 in the paper.
        slope: 10 in the paper.
        centre: 0.2 in the paper.
        common: See `BinaryCrossEntropy`.

    Raises:
        InputError: An option is out of its bounds.
    """

    inverse: Tensor
    prior: Tensor

    def __init__(
        self,
        counts: Numbers,
        num_samples: int,
        scale: float = 2.0,
        shift: float = 0.05,
        floor: float = 0.1,
        slope: float = 10.0,
        centre: float = 0.2,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(**common)
        sizes = as_tensor(counts).to(torch.float64)
        if sizes.ndim != 1 or not bool(((sizes >= 1) & (sizes <= num_samples)).all()):
            raise InputError(
                f"counts (K,) of the samples with each tag, from 1 to {num_samples}",
                f"{sizes.flatten()[:5].tolist()} of shape {tuple(sizes.shape)}",
                "Leave out tags that no sample has",
            )
        self.scale = check_number("scale", scale, 1e-6)
        self.shift = check_number("shift", shift, 0)
        self.floor = check_number("floor", floor, 0)
        self.slope = check_number("slope", slope, 0)
        self.centre = check_number("centre", centre, 0)
        self.register_buffer("inverse", 1 / sizes)
        # Half a sample keeps the log-odds of a tag that every sample has finite.
        self.register_buffer("prior", torch.log((num_samples - sizes).clamp(min=0.5) / sizes))

    def tag_losses(self, batch: TagBatch) -> Tensor:
        """(B, K) what each tag of each sample loses."""
        if batch.logits.shape[1:] != self.inverse.shape:
            raise InputError(
                f"logits of {len(self.inverse)} tags, as many as counts",
                f"{batch.logits.shape[1]}",
                "Give the counts of the tags that the model predicts",
            )
        y, inverse = batch.target, self.inverse.to(batch.logits)
        shifted = batch.logits - self.shift * self.prior.to(batch.logits)
        present = F.softplus(-shifted)
        absent = F.softplus(self.scale * shifted) / self.scale
        drawn = (y * inverse).sum(1, keepdim=True)
        ratio = torch.where(drawn > 0, inverse / drawn.clamp(min=1e-30), _LARGE)
        weight = self.floor + torch.sigmoid(self.slope * (ratio - self.centre))
        return weight * (y * present + (1 - y) * absent)
