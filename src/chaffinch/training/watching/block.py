"""Batches as they come, kept until some thousand rows are measured together.

In a loop whose data fill the caches every small operation costs as much as a hundred rows, so
nothing is computed in a step that can wait, and ids, outputs and labels are copied only where a
loop is not known to leave them as they were.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from chaffinch.training.watching.measures import Head, gradient_norms, measure, project


class Arrivals(NamedTuple):
    """A batch as it is written down; all but ids on the model's device, and without gradients.

    Attributes:
        ids: (B,) positions, in the memory of the processor.
        logits: (B, C).
        target: (B,) codes, or (B, C) soft labels.
        losses: (B,), or None for cross-entropy.
        weights: (B,), None for 1.
        head: The last layer in this batch, or None.
        gradient: Validation gradient by this layer, in steps that are sampled; else None.
    """

    ids: Tensor
    logits: Tensor
    target: Tensor
    losses: Tensor | None = None
    weights: Tensor | None = None
    head: Head | None = None
    gradient: Tensor | None = None

    def read(self) -> "HeadRead":
        """What is needed of the last layer's inputs, which are large."""
        if self.head is None:
            return HeadRead(None, None, True, True)
        projected = None if self.gradient is None else project(self.head, self.gradient)
        return HeadRead(self.head.lengths(), projected, self.head.bias, self.head.linear)


class HeadRead(NamedTuple):
    """What is kept of the last layer in one batch.

    Attributes:
        norms: (B,) L2 norms of its inputs, or None.
        projected: (B, C) its inputs times the validation gradient, or None.
        bias: Whether it has one.
        linear: See `Head`.
    """

    norms: Tensor | None
    projected: Tensor | None
    bias: bool
    linear: bool


Passing = tuple[Tensor, Tensor, Tensor, Tensor | None, int, int, int, int, Arrivals | None]
"""A batch as it lies there: ids, logits, target and inputs of the last layer, how often each of
them was written so far, and the whole batch where there is more to it."""


def passing(batch: Arrivals) -> Passing:
    """What is kept of a batch whose loop is known to leave it as it was."""
    ids, logits, target, head = batch.ids, batch.logits, batch.target, batch.head
    features = None if head is None else head.features
    written = 0 if features is None else features._version
    versions = (ids._version, logits._version, target._version, written)
    return (ids, logits, target, features, *versions, batch)


class Block:
    """Batches of one epoch that are measured together.

    Args:
        dtype: Of what is measured, float32 at least.
    """

    def __init__(self, dtype: torch.dtype) -> None:
        self._dtype = dtype
        self._batches: list[Arrivals] = []
        self._read: list[HeadRead] = []
        self._given: list[Arrivals] = []
        self._steps: list[int] = []

    def copy(self, batch: Arrivals, compare: bool) -> None:
        """Add a batch, and copy what the loop may write over.

        Args:
            batch: The batch.
            compare: Whether to keep what was copied, too, for `overwritten`.
        """
        if compare:
            self._given.append(batch)
        self._read.append(batch.read())
        ids, logits, target = (one.clone() for one in batch[:3])
        self._steps.append(len(self._steps))
        self._batches.append(batch._replace(ids=ids, logits=logits, target=target, head=None))

    def overwritten(self) -> bool:
        """Whether the loop has since written over something that was copied."""
        for given, batch, read in zip(self._given, self._batches, self._read, strict=True):
            if any(
                old.is_inference() or not torch.equal(old, kept)
                for old, kept in zip(given[:3], batch[:3], strict=True)
            ):
                return True
            norms = given.read().norms
            if norms is not None and read.norms is not None and not torch.equal(norms, read.norms):
                return True
        return False

    def take(self, waiting: Sequence[Passing], bias: bool) -> int:
        """Add batches as they lie there, but for those that the loop has since written over.

        Args:
            waiting: The batches.
            bias: Whether the last layer has one.

        Returns:
            How many rows were left out.
        """
        changed = 0
        for step, (ids, logits, target, features, *versions, whole) in enumerate(waiting):
            now = [ids._version, logits._version, target._version, 0]
            if features is not None:
                now[3] = features._version
            if now != versions:
                changed += len(ids)
                continue
            if whole is None:
                head = None if features is None else Head(features, bias)
                whole = Arrivals(ids, logits, target, None, None, head)
            self._batches.append(whole)
            self._steps.append(step)
        return changed

    def __len__(self) -> int:
        return len(self._batches)

    @property
    def ids(self) -> NDArray[np.int64]:
        """(n,) positions."""
        found: NDArray[np.int64] = torch.cat([one.ids for one in self._batches]).numpy()
        return found

    @property
    def logits(self) -> Tensor:
        """(n, C) outputs."""
        return torch.cat([one.logits for one in self._batches]).to(self._dtype)

    @property
    def steps(self) -> NDArray[np.int64]:
        """(n,) the step of each row, counted from the first batch that was given."""
        return np.repeat(self._steps, [len(one.ids) for one in self._batches])

    @property
    def sampled(self) -> bool:
        """Whether any batch has projections."""
        return any(one.gradient is not None for one in self._batches)

    def measure(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """(n,) codes, and (fields, n) values in the order of `FIELDS`; NaN where there is none.

        Values of rows whose code is negative, for they have no label, mean nothing.

        Args:
            logits: What `logits` gave.
        """
        target = torch.cat([one.target for one in self._batches])
        reads = self._read or [one.read() for one in self._batches]
        soft = target.is_floating_point()
        codes = target.argmax(1) if soft else target.long()
        found = measure(logits, target if soft else codes.clamp_min(0))
        given = [one.losses for one in self._batches]
        loss = self._column(given, found.cross_entropy)
        missing = torch.full_like(loss, torch.nan)
        feature_norms = self._column([one.norms for one in reads], missing)
        bias = all(one.bias for one in reads)
        known = [
            None if one.linear or one.norms is None else torch.full_like(one.norms, torch.nan)
            for one in reads
        ]
        lengths = self._column(known, feature_norms)
        norms = gradient_norms(found.residuals, lengths, bias)
        weight = self._column([one.weights for one in self._batches], torch.ones_like(loss))
        influence = missing
        if self.sampled:
            rows = [
                torch.full_like(batch.logits, torch.nan, dtype=self._dtype)
                if one.projected is None
                else one.projected
                for one, batch in zip(reads, self._batches, strict=True)
            ]
            influence = (found.residuals * torch.cat(rows)).sum(1)
        fields = (loss, found.margin, found.probability, found.entropy, norms, feature_norms)
        return codes, torch.stack((*fields, weight, influence))

    def _column(self, parts: list[Tensor | None], default: Tensor) -> Tensor:
        """(n,) one value a row: those of the batches that have some, else the default."""
        there = [part for part in parts if part is not None]
        if not there:
            return default
        if len(there) < len(parts):
            rows = torch.split(default, [len(one.ids) for one in self._batches])
            there = [own if part is None else part for own, part in zip(rows, parts, strict=True)]
        return torch.cat([part.to(self._dtype) for part in there])
