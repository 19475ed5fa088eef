"""Backward correction: a loss whose mean over the noise is that of the true label."""

from typing import Unpack

import torch
from torch import Tensor

from chaffinch.core.errors import InputError
from chaffinch.losses.cross_entropy import CrossEntropy, loss
from chaffinch.losses.loss import Batch, Common, Numbers
from chaffinch.losses.transition import check_classes, check_transition

_MOST_CONDITION = 1e6


@loss("backward_correction", "Patrini et al., CVPR 2017")
class BackwardCorrection(CrossEntropy):
    """``sum_j Tinv[y, j] (-log p_j)``: unbiased, but single losses may be far below 0.

    Its mean over the labels that noise makes of a true class is the cross-entropy with that class.
    It has no lower bound, and much variance where T is far from the identity: forward correction
    mostly trains better.

    Args:
        transition: (C, C) T, rows = true, columns = given class; the identity is cross-entropy.
        common: See `CrossEntropy`.

    Raises:
        InputError: T is not square, its rows are no distributions, or it has no sound inverse.
    """

    inverse: Tensor

    def __init__(self, transition: Numbers, **common: Unpack[Common]) -> None:
        super().__init__(**common)
        matrix = check_transition(transition)
        condition = float(torch.linalg.cond(matrix.double()))
        if not condition < _MOST_CONDITION:
            raise InputError(
                f"T of a condition below {_MOST_CONDITION:g}",
                f"{condition:g}",
                "Use ForwardCorrection, or mix T with the identity",
            )
        self.register_buffer("inverse", torch.linalg.inv(matrix.double()).to(matrix.dtype))

    def class_losses(self, batch: Batch) -> Tensor:
        """(B, C) the loss with each class as the label."""
        check_classes(self.inverse, batch.logits)
        return -batch.log_probabilities @ self.inverse.to(batch.logits).T
