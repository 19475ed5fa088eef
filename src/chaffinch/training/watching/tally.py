"""The records of the present epoch in memory of fixed size."""

import logging
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist

from chaffinch.training.watching.block import Arrivals, Block, Passing, passing
from chaffinch.training.watching.checks import check_ids
from chaffinch.training.watching.observer import FIELDS, StepRecord
from chaffinch.training.watching.sums import EpochTable, Measurements, Ordered, Sums

_LOG = logging.getLogger("chaffinch")

ROWS = 8192
"""Rows that are kept as they came before they are measured together."""

_LEAST_ROWS, _MOST_NUMBERS = 256, 4_000_000

OnBlock = Callable[[StepRecord], None]


class Tally:
    """What is recorded of the present epoch.

    Batches are kept as they come and measured some thousand rows at a time. As long as no sample
    comes twice, what was measured stays in the order in which it came; then it is summed up. Rows
    whose loss or outputs are not finite, and rows without a label (a negative code), count as not
    seen.

    Args:
        size: (N, C).
        like: Outputs of the model: their device, and float64 if they are.
        keep_logits: Whether to keep (N, C) outputs.
        on_block: Called with every block that was measured, if anybody looks on.

    Attributes:
        broken: Rows of the epoch that were left out, for they were not finite.
        steady: Whether the loop is known to leave ids, outputs and labels as they were: true after
            an epoch on the processor in which they were copied and compared.
        waiting: Batches of such a loop that are yet to be measured; always the same list.
        rows: Rows that wait.
        room: As many may.
    """

    def __init__(
        self, size: tuple[int, int], like: Tensor, keep_logits: bool, on_block: OnBlock | None
    ) -> None:
        kind = torch.float64 if like.dtype == torch.float64 else torch.float32
        self._options: dict[str, Any] = {"device": like.device, "dtype": kind}
        self._size = (size[0], size[1] if keep_logits else 0)
        self._ordered: Ordered | None = Ordered(size[0], like.device)
        self._sums: Sums | None = None
        self.broken = 0
        self._on_block = on_block
        self.room = _room(size[1])
        self.rows = 0
        self.waiting: list[Passing] = []
        self._block = Block(kind)
        self._when = (0, 0)  # of the first batch that waits
        self._bias = True
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
        if rows.head is not None:
            self.room = _room(max(rows.logits.shape[1], rows.head.features.shape[1]))
            self._bias = rows.head.bias
        if not self.rows:
            self._when = when
        self.rows += len(rows.ids)
        if self.steady:
            self.waiting.append(passing(rows))
        else:
            self._block.copy(rows, not self._overwritten)
        if soft or self.rows >= self.room:
            self.flush()

    def _gathered(self) -> Block:
        """The batches that were waiting; room for others is made."""
        block, self._block, self.rows = self._block, Block(self._options["dtype"]), 0
        if not self.steady:
            self._overwritten = self._overwritten or block.overwritten()
            return block
        changed = block.take(self.waiting, self._bias)
        self.waiting.clear()
        if changed:
            self.steady, self._overwritten = False, True
            _LOG.warning(
                "%d rows were not recorded, for the training loop wrote over their outputs, labels "
                "or ids after watch.loss; from now on these are copied first",
                changed,
            )
        return block

    def flush(self) -> None:
        """Measure the rows that are waiting and add them up."""
        (epoch, first), passed = self._when, len(self.waiting)
        block = self._gathered()
        self._when = epoch, first + passed
        if not len(block):
            return
        ids, logits = check_ids(block.ids, self._size[0]), block.logits
        labels, values = block.measure(logits)
        steps = None if self._on_block is None else block.steps + first
        labelled = labels >= 0
        if not bool(labelled.all()):
            values, labels, logits = values[:, labelled], labels[labelled], logits[labelled]
            ids = ids[labelled.cpu().numpy()]
            steps = None if steps is None else steps[labelled.cpu().numpy()]
        if self._on_block is not None and steps is not None:
            named = dict(zip(FIELDS, values.float().cpu().numpy(), strict=True))
            codes = labels.cpu().numpy()
            self._on_block(StepRecord(epoch, steps, ids, codes, named))
        index = torch.from_numpy(ids).to(logits.device)
        if not bool(torch.isfinite(values[0].sum() + logits.sum())):
            whole = torch.isfinite(values[0]) & torch.isfinite(logits).all(1)
            self.broken += int((~whole).sum())
            index, values = index[whole], values[:, whole]
            logits, labels = logits[whole], labels[whole]
        rows = Measurements(index, values, labels, logits[:, : self._size[1]])
        if self._ordered is None or not self._ordered.add(rows):
            self._summed().add(rows)

    def _summed(self) -> Sums:
        """The sums, with what was in order so far; they hold the epoch from now on."""
        if self._sums is None:
            self._sums = Sums(self._size, self._options)
        if self._ordered is not None:
            for rows in self._ordered.blocks:
                self._sums.add(rows)
            self._ordered = None
        return self._sums

    def gather(self) -> None:
        """Add up what the processes of a data parallel training saw; a collective operation."""
        if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
            return
        self._summed().gather()

    def result(self) -> EpochTable:
        """What the epoch came to, in the memory of the processor."""
        if self._ordered is None:
            return self._summed().result()
        nothing = torch.full((len(FIELDS) + self._size[1], 1), torch.nan, **self._options)
        code = torch.full((1,), -1, dtype=torch.int64, device=nothing.device)
        values, logits = nothing[: len(FIELDS)], nothing[len(FIELDS) :].t()
        return self._ordered.result(Measurements(code, values, code, logits))

    def clear(self) -> None:
        """Begin an epoch."""
        self.steady = not self._overwritten
        self.broken = 0
        self._ordered = Ordered(self._size[0], self._options["device"])
        if self._sums is not None:
            self._sums.clear()

    def state_dict(self) -> dict[str, Any]:
        """The sums so far."""
        self.flush()
        return {**self._summed().state_dict(), "broken": self.broken}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        self._block, self.rows = Block(self._options["dtype"]), 0
        self.waiting.clear()
        self._ordered = None
        self._summed().load_state_dict(state)
        self.broken = int(state["broken"])


def _room(width: int) -> int:
    """Rows that may wait, where each has so many numbers."""
    return max(_LEAST_ROWS, min(ROWS, _MOST_NUMBERS // max(1, width)))
