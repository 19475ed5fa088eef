"""The short way of a batch through a watch that only looks on, in a loop that is known by now."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from chaffinch.training.watching.clock import EpochClock
from chaffinch.training.watching.head import HeadListener
from chaffinch.training.watching.ledger import Ledger
from chaffinch.training.watching.tally import Tally


@dataclass(slots=True)
class Lane:
    """Takes the batches between those that need more: that begin an epoch, or end a block.

    A training step fills the caches with its own data, so what a call costs is how many objects it
    touches. This one touches few: what is the same for all batches of the epoch was looked at when
    the lane was opened, and all that is out of the ordinary is left to the long way.

    Attributes:
        clock: Counts the steps.
        head: Hears what goes into the last layer.
        tally: Where batches wait.
        ledger: Told of learning rates; None if these are not recorded.
        width: C.
        inputs: Inputs of the last layer, 0 if there is none.
        dtype: Of the outputs, float32 or float64.
        left: Steps that may come this way.
    """

    clock: EpochClock
    head: HeadListener
    tally: Tally
    ledger: Ledger | None
    width: int
    inputs: int
    dtype: torch.dtype
    left: int

    def loss(self, outputs: Tensor, labels: Tensor, ids: object) -> Tensor | None:
        """() the mean loss of a batch, which is recorded; None, and nothing is, if it must go on.

        Args:
            outputs: See `Watch.loss`.
            labels: See `Watch.loss`.
            ids: See `Watch.loss`.
        """
        if type(ids) is not Tensor or type(labels) is not Tensor or self.left <= 0:
            return None
        if labels.dtype is not torch.int64 or outputs.dtype is not self.dtype:
            return None
        if not (outputs.requires_grad and torch.is_grad_enabled()):
            return None
        rows, tally = ids.numel(), self.tally
        waiting = tally.rows + rows
        if waiting >= tally.room or outputs.dim() != 2 or outputs.numel() != rows * self.width:
            return None
        features, written = self.head.features(outputs), 0
        if features is not None:
            written = features._version
        if (0 if features is None else features.numel()) != rows * self.inputs:
            return None
        try:
            mean = F.cross_entropy(outputs, labels)
        except (IndexError, RuntimeError, ValueError):
            return None  # the long way finds words for it
        if not self.clock.goes_on(ids):
            return None
        self.head.forget()
        given = outputs.detach()
        versions = (ids._version, given._version, labels._version, written)
        tally.waiting.append((ids, given, labels, features, *versions, None))
        tally.rows = waiting
        self.left -= 1
        if self.ledger is not None:
            self.ledger.note_rate()
        return mean
