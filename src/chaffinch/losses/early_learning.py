"""Early-learning regularisation: hold on to what was predicted before labels were memorised."""

from typing import Unpack

import torch
from torch import Tensor

from chaffinch.core.errors import InputError
from chaffinch.losses.cross_entropy import CrossEntropy, loss
from chaffinch.losses.loss import Batch, Common, check_count, check_number, check_range

_LEAST = 1e-4
"""Probabilities are kept this far from 0 and 1, so that the logarithm stays finite."""


def early_learning_penalty(probabilities: Tensor, remembered: Tensor) -> Tensor:
    """(B,) ``log(1 - <t, p>)`` of probabilities p and remembered ones t, both (B, C)."""
    agreement = (remembered * probabilities.clamp(_LEAST, 1 - _LEAST)).sum(1)
    # A t that is rounded to sum to more than 1 must not undo the clamp.
    return torch.log((1 - agreement).clamp_min(_LEAST / 2))


@loss("early_learning_regularization", "Liu et al., NeurIPS 2020")
class EarlyLearningRegularization(CrossEntropy):
    """``CE + strength log(1 - <t_i, p>)``, ``t_i <- momentum t_i + (1 - momentum) p``.

    The gradient of the penalty, which sees t as a constant, cancels that of a label against which
    the model predicted so far. t starts at 0 and is brought up to date before it is used, in
    training mode only, during the warm-up too. A sample that comes twice in a batch counts once,
    by its mean prediction. The buffer `remembered` (N, C) goes with the state dict; under data
    parallel training each process has its own, for the samples that it sees.

    In evaluation mode, samples without `ids` have plain cross-entropy.

    Args:
        num_samples: N; `ids` are positions 0..N - 1.
        num_classes: C.
        strength: Weight of the penalty: 3 for CIFAR-10, 7 for CIFAR-100 in the paper.
        momentum: Memory of t: .7 and .9.
        common: See `CrossEntropy`.
    """

    remembered: Tensor

    def __init__(
        self,
        num_samples: int,
        num_classes: int,
        strength: float = 3.0,
        momentum: float = 0.7,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(**common)
        self.strength = check_number("strength", strength, 0)
        self.momentum = check_number("momentum", momentum, 0, 1)
        shape = check_count("num_samples", num_samples), check_count("num_classes", num_classes)
        self.register_buffer("remembered", torch.zeros(shape))

    def observe(self, batch: Batch) -> None:
        """Move the memory of the batch's samples towards their predictions.

        Raises:
            InputError: There are no ids, or ids or classes outside those that were announced.
        """
        self._check(batch)
        if batch.ids is None:
            raise InputError(
                "ids of the samples, as this loss remembers each",
                "none",
                "Call loss(logits, target, ids) with positions in the training data",
            )
        predicted = batch.log_probabilities.detach().exp().to(self.remembered)
        rows, places = torch.unique(batch.ids, return_inverse=True)
        sums = predicted.new_zeros(len(rows), predicted.shape[1]).index_add_(0, places, predicted)
        means = sums / torch.bincount(places, minlength=len(rows))[:, None]
        old = self.remembered[rows]
        self.remembered[rows] = self.momentum * old + (1 - self.momentum) * means

    def class_losses(self, batch: Batch) -> Tensor:
        """(B, C) the loss with each class as the label.

        Raises:
            InputError: Ids or classes are outside those that were announced.
        """
        if batch.ids is None:
            return -batch.log_probabilities
        self._check(batch)
        remembered = self.remembered[batch.ids].to(batch.logits)
        penalty = early_learning_penalty(batch.log_probabilities.exp(), remembered)
        return self.strength * penalty[:, None] - batch.log_probabilities

    def _check(self, batch: Batch) -> None:
        num_samples, num_classes = self.remembered.shape
        if batch.logits.shape[1] != num_classes:
            raise InputError(
                f"logits of {num_classes} classes",
                f"{batch.logits.shape[1]}",
                "Give num_classes as the model has outputs",
            )
        if batch.ids is not None:
            check_range("ids", batch.ids, num_samples)
