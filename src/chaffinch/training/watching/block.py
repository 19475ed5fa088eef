"""Batches as they come, kept until some thousand rows are measured together."""

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
            return HeadRead(None, None, True)
        projected = None if self.gradient is None else project(self.head, self.gradient)
        return HeadRead(self.head.lengths(), projected, self.head.bias)


class HeadRead(NamedTuple):
    """What is kept of the last layer in one batch.

    Attributes:
        norms: (B,) L2 norms of its inputs, or None.
        projected: (B, C) its inputs times the validation gradient, or None.
        bias: Whether it has one.
    """

    norms: Tensor | None
    projected: Tensor | None
    bias: bool


class Block:
    """Batches of one epoch that wait.

    In a loop whose data fill the caches every small operation costs as much as a hundred rows, so
    nothing is computed before `measure`, and ids, outputs and labels are copied only where a loop
    is not known to leave them as they were.

    Args:
        dtype: Of what is measured, float32 at least.

    Attributes:
        epoch: The epoch of the batches.
        rows: Rows that wait.
        numbers: Inputs of the last layer that are kept for them.
    """

    def __init__(self, dtype: torch.dtype) -> None:
        self._dtype = dtype
        self._batches: list[Arrivals] = []
        self._read: list[HeadRead] = []
        self._given: list[Arrivals] = []
        self._versions: list[tuple[int, ...]] = []
        self._steps: list[int] = []
        self.epoch = 0
        self.rows = 0
        self.numbers = 0

    def add(self, when: tuple[int, int], batch: Arrivals, compare: bool | None) -> None:
        """Keep a batch.

        Args:
            when: The epoch, and the number of the step in the whole training.
            batch: The batch.
            compare: None to keep it as it is, else to copy what the loop may write over; true to
                keep both, for `overwritten`.
        """
        if batch.head is not None and compare is not False:
            self.numbers += batch.head.features.numel()
        if compare is None:
            self._versions.append(_versions(batch))
        else:
            if compare:
                self._given.append(batch)
            self._read.append(batch.read())
            ids, logits, target = (one.clone() for one in batch[:3])
            batch = batch._replace(ids=ids, logits=logits, target=target, head=None)
        self._batches.append(batch)
        self.epoch, step = when
        self._steps.append(step)
        self.rows += len(batch.ids)

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

    def drop_changed(self) -> int:
        """Leave out the batches that were not copied and then written over; their rows."""
        if not self._versions:
            return 0
        same = [
            versions == _versions(batch)
            for versions, batch in zip(self._versions, self._batches, strict=True)
        ]
        if all(same):
            return 0
        before = self.rows
        self._batches = [one for one, kept in zip(self._batches, same, strict=True) if kept]
        self._steps = [one for one, kept in zip(self._steps, same, strict=True) if kept]
        self.rows = sum(len(one.ids) for one in self._batches)
        return before - self.rows

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
        """(n,) the step of each row."""
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
        norms = gradient_norms(found.residuals, feature_norms, bias)
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


def _versions(batch: Arrivals) -> tuple[int, ...]:
    """How often what the loop may write over was written."""
    ids, logits, target, head = batch.ids, batch.logits, batch.target, batch.head
    features = 0 if head is None else head.features._version
    return ids._version, logits._version, target._version, features
