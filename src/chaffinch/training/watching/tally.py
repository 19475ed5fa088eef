"""The records of the present epoch in memory of fixed size."""

import logging
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist

from chaffinch.core.types import Floats
from chaffinch.training.watching.block import Arrivals, Block
from chaffinch.training.watching.checks import check_ids
from chaffinch.training.watching.observer import FIELDS, StepRecord

_LOG = logging.getLogger("chaffinch")

ROWS = 8192
"""Rows that are kept as they came before they are measured together."""

_LEAST_ROWS, _MOST_NUMBERS = 256, 4_000_000

OnBlock = Callable[[StepRecord], None]

_PLAIN = len(FIELDS) - 1  # influence, the last, may be there for some steps only


class Tally:
    """Sums of what is recorded, by sample.

    Batches are kept as they come and measured some thousand rows at a time. Rows whose loss or
    outputs are not finite, and rows without a label (a negative code), count as not seen.

    Args:
        size: (N, C).
        like: Outputs of the model: their device, and float64 if they are.
        keep_logits: Whether to keep (N, C) outputs.
        on_block: Called with every block that was measured, if anybody looks on.

    Attributes:
        broken: Rows of the epoch that were left out, for they were not finite.
        steady: Whether the loop is known to leave ids, outputs and labels as they were: true after
            an epoch on the processor in which they were copied and compared.
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
        self._room = max(_LEAST_ROWS, min(ROWS, _MOST_NUMBERS // max(1, num_classes)))
        self._block = Block(kind)
        self.steady = False
        self._overwritten = like.device.type != "cpu"

    def add(self, when: tuple[int, int], rows: Arrivals) -> None:
        """Write a batch down.

        Args:
            when: The epoch, and the number of the step in the whole training.
            rows: The batch.
        """
        soft = rows.target.is_floating_point()
        if soft:
            self.flush()
        block = self._block
        block.add(when, rows, None if self.steady else not self._overwritten)
        if soft or block.rows >= self._room or block.numbers >= _MOST_NUMBERS:
            self.flush()

    def flush(self) -> None:
        """Measure the rows that are waiting and add them up."""
        block, self._block = self._block, Block(self._options["dtype"])
        if self.steady:
            self._look_for_changes(block)
        elif not self._overwritten:
            self._overwritten = block.overwritten()
        if not block.rows:
            return
        ids, logits = check_ids(block.ids, self.counts.shape[1]), block.logits
        labels, values = block.measure(logits)
        steps = block.steps
        labelled = labels >= 0
        if not bool(labelled.all()):
            values, labels, logits = values[:, labelled], labels[labelled], logits[labelled]
            ids, steps = ids[labelled.cpu().numpy()], steps[labelled.cpu().numpy()]
        if self._on_block is not None:
            named = dict(zip(FIELDS, values.float().cpu().numpy(), strict=True))
            codes = labels.cpu().numpy()
            self._on_block(StepRecord(block.epoch, steps, ids, codes, named))
        index = torch.from_numpy(ids).to(logits.device)
        if not bool(torch.isfinite(values[0].sum() + logits.sum())):
            whole = torch.isfinite(values[0]) & torch.isfinite(logits).all(1)
            self.broken += int((~whole).sum())
            index, values = index[whole], values[:, whole]
            logits, labels = logits[whole], labels[whole]
        self._sum_up(index, values, labels, logits)
        if block.sampled:
            there = torch.isfinite(values[_PLAIN])
            found = values[_PLAIN][there]
            self.sums[_PLAIN].index_add_(0, index[there], found)
            self.counts[1].index_add_(0, index[there], torch.ones_like(found))

    def _look_for_changes(self, block: Block) -> None:
        changed = block.drop_changed()
        if changed:
            self.steady, self._overwritten = False, True
            _LOG.warning(
                "%d rows were not recorded, for the training loop wrote over their outputs, labels "
                "or ids after watch.loss; from now on these are copied first",
                changed,
            )

    def _sum_up(self, index: Tensor, values: Tensor, labels: Tensor, logits: Tensor) -> None:
        # One flat index at a time: of matrices, torch adds row by row, a hundred times slower.
        for sums, rows in zip(self.sums[:_PLAIN], values, strict=False):
            sums.index_add_(0, index, rows)
        self.counts[0].index_add_(0, index, torch.ones_like(values[0]))
        self.labels[index] = labels
        if self.logits is not None:
            flat = (index[:, None] * len(self._columns) + self._columns).flatten()
            self.logits.view(-1).index_add_(0, flat, logits.flatten())

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
        self.steady = not self._overwritten
        self.broken = 0
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
        self._block = Block(self._options["dtype"])
        self.sums.copy_(state["sums"])
        self.counts.copy_(state["counts"])
        self.labels.copy_(state["labels"])
        if self.logits is not None and state["logits"] is not None:
            self.logits.copy_(state["logits"])
        self.broken = int(state["broken"])
