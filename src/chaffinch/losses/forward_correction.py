"""Forward correction: predict the true label, compare what noise would make of it."""

from typing import Unpack

import torch
from torch import Tensor

from chaffinch.core.errors import InputError
from chaffinch.losses.cross_entropy import CrossEntropy, loss
from chaffinch.losses.loss import Batch, Common, Numbers
from chaffinch.losses.transition import check_classes, check_transition


@loss("forward_correction", "Patrini et al., CVPR 2017")
class ForwardCorrection(CrossEntropy):
    """``-log sum_j p_j T[j, y]``: the model's outputs stay those of the true classes.

    It is summed in logarithms: a probability too small for its type still has its gradient. Soft
    labels take B x C x C numbers.

    Args:
        transition: (C, C) T, rows = true, columns = given class; the identity is cross-entropy.
            See `transition_from_anchors` and `transition_from_joint`.
        common: See `CrossEntropy`; a warm-up gives the predictions from which to estimate T.

    Raises:
        InputError: T is not square, its rows are no distributions, or a label cannot arise.
    """

    log_transition: Tensor

    def __init__(self, transition: Numbers, **common: Unpack[Common]) -> None:
        super().__init__(**common)
        matrix = check_transition(transition)
        if not bool((matrix > 0).any(0).all()):
            raise InputError(
                "T in which each label can arise", "a column of zeros", "Mix T with the identity"
            )
        self.register_buffer("log_transition", torch.log(matrix))

    def class_losses(self, batch: Batch) -> Tensor:
        """(B, C) the loss with each class as the label."""
        table = self._table(batch)
        return -torch.logsumexp(batch.log_probabilities[:, :, None] + table, dim=1)

    def label_losses(self, batch: Batch) -> Tensor:
        """(B,) the same at the codes alone, in B x C numbers."""
        columns = self._table(batch).T[batch.target]
        return -torch.logsumexp(batch.log_probabilities + columns, dim=1)

    def _table(self, batch: Batch) -> Tensor:
        check_classes(self.log_transition, batch.logits)
        return self.log_transition.to(batch.logits)
