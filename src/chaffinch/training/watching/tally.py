"""The records of the present epoch in memory of fixed size."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch import distributed as dist

from chaffinch.core.types import Floats
from chaffinch.training.watching.measures import gradient_norms, measure
from chaffinch.training.watching.observer import FIELDS, StepRecord

ROWS = 4096
"""Rows that are kept as they came before they are measured together."""

_LEAST_ROWS, _MOST_NUMBERS = 256, 4_000_000

OnBlock = Callable[[StepRecord], None]

_PLAIN = len(FIELDS) - 1  # influence, the last, may be there for some steps only


@dataclass(frozen=True, eq=False)
class Arrivals:
    """A batch as it is written down; all but ids on the model's device, and without gradients.

    Attributes:
        ids: (B,) positions.
        logits: (B, C).
        target: (B,) codes, or (B, C) soft labels.
        losses: (B,), or None for cross-entropy.
        weights: (B,), None for 1.
        feature_norms: (B,), or None.
        bias: Whether the last layer has a bias.
        projected: (B, C) inputs of the last layer times the validation gradient, or None.
    """

    ids: NDArray[np.int64]
    logits: Tensor
    target: Tensor
    losses: Tensor | None
    weights: Tensor | None = None
    feature_norms: Tensor | None = None
    bias: bool = True
    projected: Tensor | None = None


class Tally:
    """Sums of what is recorded, by sample.

    Rows are copied as they come and measured some thousand at a time, so that a step costs a few
    copies. Rows whose loss or outputs are not finite count as not seen.

    Args:
        size: (N, C).
        like: Outputs of the model: their device, and float64 if they are.
        keep_logits: Whether to keep (N, C) outputs.
        on_block: Called with every block that was measured, if anybody looks on.
    """

    def __init__(
        self, size: tuple[int, int], like: Tensor, keep_logits: bool, on_block: OnBlock | None
    ) -> None:
        num_samples, num_classes = size
        kind = torch.float64 if like.dtype == torch.float64 else torch.float32
        self._options: dict[str, Any] = {"device": like.device, "dtype": kind}
        self.sums = torch.zeros(len(FIELDS), num_samples, **self._options)
        self.counts = torch.zeros(2, num_samples, **self._options)
        self.labels = torch.full((num_samples,), -1, dtype=torch.int64, device=like.device)
        self.logits: Tensor | None = None
        if keep_logits:
            self.logits = torch.zeros(num_samples, num_classes, **self._options)
        self.broken = 0
        self._on_block = on_block
        self._columns = torch.arange(num_classes, device=like.device)
        self._make_room(max(_LEAST_ROWS, min(ROWS, _MOST_NUMBERS // max(1, num_classes))))

    def _make_room(self, rows: int) -> None:
        num_classes, device = len(self._columns), self._columns.device
        self._ids = np.empty(rows, dtype=np.int64)
        self._labels = torch.empty(rows, dtype=torch.int64, device=device)
        self._logits = torch.empty(rows, num_classes, **self._options)
        self._projected = torch.empty(rows, num_classes, **self._options)
        self._scalars = torch.empty(3, rows, **self._options)  # loss, weight, feature norm
        self._begin_block()

    def _begin_block(self) -> None:
        self._used = 0
        self._steps: list[tuple[int, int, int]] = []  # epoch, step, rows
        self._given: list[tuple[int, int]] = []  # rows whose losses were given
        self._sampled: list[tuple[int, int]] = []  # rows that have projections
        self._soft: Tensor | None = None
        self._bias = True

    def add(self, when: tuple[int, int], rows: Arrivals) -> None:
        """Write a batch down.

        Args:
            when: The epoch, and the number of the step in the whole training.
            rows: The batch.
        """
        count, soft = len(rows.ids), rows.target.is_floating_point()
        if soft or self._used + count > len(self._ids):
            self.flush()
        if count > len(self._ids):
            self._make_room(count)
        start, stop = self._used, self._used + count
        self._ids[start:stop] = rows.ids
        self._labels[start:stop].copy_(rows.target.argmax(1) if soft else rows.target)
        self._logits[start:stop].copy_(rows.logits)
        loss, weight, norm = self._scalars[:, start:stop].unbind(0)
        if rows.losses is not None:
            loss.copy_(rows.losses)
            self._given.append((start, stop))
        weight.fill_(1.0) if rows.weights is None else weight.copy_(rows.weights)
        norm.fill_(torch.nan) if rows.feature_norms is None else norm.copy_(rows.feature_norms)
        if rows.projected is not None:
            self._projected[start:stop].copy_(rows.projected)
            self._sampled.append((start, stop))
        self._bias = rows.bias
        self._steps.append((*when, count))
        self._used = stop
        if soft:
            self._soft = rows.target
            self.flush()

    def flush(self) -> None:
        """Measure the rows that are waiting and add them up."""
        if not self._used:
            return
        used = slice(0, self._used)
        ids, labels, logits = self._ids[used].copy(), self._labels[used], self._logits[used]
        values = self._measure(logits, labels if self._soft is None else self._soft)
        if self._on_block is not None:
            self._on_block(self._block(ids, labels, values))
        index = torch.from_numpy(ids).to(logits.device)
        whole = torch.isfinite(values[0]) & torch.isfinite(logits).all(1)
        if not bool(whole.all()):
            self.broken += int((~whole).sum())
            index, values = index[whole], values[:, whole]
            logits, labels = logits[whole], labels[whole]
        self._sum_up(index, values, labels, logits)
        self._begin_block()

    def _measure(self, logits: Tensor, target: Tensor) -> Tensor:
        """(fields, n) in the order of `FIELDS`; NaN where there is none."""
        found = measure(logits, target)
        given, weight, feature_norms = self._scalars[:, : self._used].unbind(0)
        loss = found.cross_entropy
        for start, stop in _joined(self._given):
            loss[start:stop] = given[start:stop]
        norms = gradient_norms(found.residuals, feature_norms, self._bias)
        influence = torch.full_like(loss, torch.nan)
        for start, stop in _joined(self._sampled):
            rows = slice(start, stop)
            influence[rows] = (found.residuals[rows] * self._projected[rows]).sum(1)
        fields = (loss, found.margin, found.probability, found.entropy, norms, feature_norms)
        return torch.stack((*fields, weight, influence))

    def _sum_up(self, index: Tensor, values: Tensor, labels: Tensor, logits: Tensor) -> None:
        # One flat index at a time: of matrices, torch adds row by row, a hundred times slower.
        for sums, rows in zip(self.sums[:_PLAIN], values, strict=False):
            sums.index_add_(0, index, rows)
        self.counts[0].index_add_(0, index, torch.ones_like(values[0]))
        self.labels[index] = labels
        there = torch.isfinite(values[_PLAIN])
        if self._sampled:
            self.sums[_PLAIN].index_add_(0, index[there], values[_PLAIN][there])
            self.counts[1].index_add_(0, index[there], torch.ones_like(values[_PLAIN][there]))
        if self.logits is not None:
            flat = (index[:, None] * len(self._columns) + self._columns).flatten()
            self.logits.view(-1).index_add_(0, flat, logits.flatten())

    def _block(self, ids: NDArray[np.int64], labels: Tensor, values: Tensor) -> StepRecord:
        epochs, steps, counts = np.asarray(self._steps).T
        rows = values.float().cpu().numpy()
        named = dict(zip(FIELDS, rows, strict=True))
        return StepRecord(
            int(epochs[0]), np.repeat(steps, counts), ids, labels.cpu().numpy().copy(), named
        )

    def gather(self) -> None:
        """Add up what the processes of a data parallel training saw; a collective operation."""
        if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
            return
        for sums in (self.sums, self.counts):
            dist.all_reduce(sums)
        dist.all_reduce(self.labels, op=dist.ReduceOp.MAX)
        if self.logits is not None:
            dist.all_reduce(self.logits)

    def means(self) -> dict[str, Floats]:
        """By name of `FIELDS` (N,) means over the times that samples came; NaN where they did not.

        With the name "logits" (N, C), if they are kept.
        """
        times = torch.cat((self.counts[:1].expand(_PLAIN, -1), self.counts[1:]))
        means = (self.sums / times.where(times > 0, torch.nan)).float().cpu().numpy()
        named: dict[str, Floats] = dict(zip(FIELDS, means, strict=True))
        if self.logits is not None:
            seen = times[0].where(times[0] > 0, torch.nan)
            named["logits"] = (self.logits / seen[:, None]).float().cpu().numpy()
        return named

    def clear(self) -> None:
        """Begin an epoch."""
        self.sums.zero_()
        self.labels.fill_(-1)
        self.counts.zero_()
        if self.logits is not None:
            self.logits.zero_()

    def state_dict(self) -> dict[str, Any]:
        """The sums so far."""
        self.flush()
        named = {"sums": self.sums, "counts": self.counts, "labels": self.labels}
        state: dict[str, Any] = {name: tensor.clone() for name, tensor in named.items()}
        state["logits"] = None if self.logits is None else self.logits.clone()
        return {**state, "broken": self.broken}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        self._begin_block()
        self.sums.copy_(state["sums"])
        self.counts.copy_(state["counts"])
        self.labels.copy_(state["labels"])
        if self.logits is not None and state["logits"] is not None:
            self.logits.copy_(state["logits"])
        self.broken = int(state["broken"])


def _joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans in order, those that touch made one."""
    joined: list[tuple[int, int]] = []
    for start, stop in spans:
        if joined and joined[-1][1] == start:
            joined[-1] = joined[-1][0], stop
        else:
            joined.append((start, stop))
    return joined
