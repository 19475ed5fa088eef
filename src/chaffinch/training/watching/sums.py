"""What was measured in one epoch, brought from the order of the rows into that of the samples."""

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch import distributed as dist

from chaffinch.core.types import Codes, Floats
from chaffinch.training.watching.observer import FIELDS

_PLAIN = len(FIELDS) - 1  # influence, the last, may be there for some steps only


class Measurements(NamedTuple):
    """Rows that were measured: ``ids`` (n,), ``values`` (fields, n), ``labels`` (n,), logits.

    ``logits`` are (n, C), or (n, 0) where they are not kept.
    """

    ids: Tensor
    values: Tensor
    labels: Tensor
    logits: Tensor


class EpochTable(NamedTuple):
    """The same of N samples; NaN, and the label -1, of those that did not come.

    Attributes:
        values: (fields, N) means over the times that a sample came.
        labels: (N,) codes.
        counts: (N,) how often each came.
        logits: (N, C) means, or (N, 0).
    """

    values: Floats
    labels: Codes
    counts: NDArray[np.floating[Any]]
    logits: Floats


class Ordered:
    """Rows of an epoch in which no sample has come twice: they need only be put in order.

    Args:
        num_samples: N.
        device: Of the rows.

    Attributes:
        blocks: The rows.
    """

    def __init__(self, num_samples: int, device: torch.device) -> None:
        self.blocks: list[Measurements] = []
        self._rows = 0
        self._place = torch.full((num_samples,), -1, dtype=torch.int64, device=device)

    def add(self, rows: Measurements) -> bool:
        """Take rows; false, and they are not, if a sample came before."""
        place = torch.arange(self._rows, self._rows + len(rows.ids), device=rows.ids.device)
        if bool((self._place.index_select(0, rows.ids) >= 0).any()):
            return False
        self._place.index_copy_(0, rows.ids, place)
        if not torch.equal(self._place.index_select(0, rows.ids), place):
            return False  # a sample came twice among these
        self.blocks.append(rows)
        self._rows += len(place)
        return True

    def result(self, like: Measurements) -> EpochTable:
        """The rows in order.

        Args:
            like: No rows, from which those that did not come have their kinds.
        """
        _, values, labels, logits = (
            torch.cat(parts, dim=-1 if k == 1 else 0)
            for k, parts in enumerate(zip(*self.blocks, like, strict=True))
        )
        came = self._place >= 0
        place = self._place.where(came, self._rows)  # the last row is that of `like`
        return EpochTable(
            values.index_select(1, place).float().cpu().numpy(),
            labels.index_select(0, place).cpu().numpy(),
            came.float().cpu().numpy(),
            logits.index_select(0, place).float().cpu().numpy(),
        )


class Sums:
    """Sums by sample, for epochs in which samples come twice, or in several processes.

    Args:
        size: (N, C), or (N, 0) without logits.
        options: Kind and device of the numbers.
    """

    def __init__(self, size: tuple[int, int], options: dict[str, Any]) -> None:
        self._values = torch.zeros(len(FIELDS), size[0], **options)
        self._counts = torch.zeros(2, size[0], **options)
        self._labels = torch.full((size[0],), -1, dtype=torch.int64, device=options["device"])
        self._logits = torch.zeros(*size, **options)
        self._columns = torch.arange(size[1], device=options["device"])

    def add(self, rows: Measurements) -> None:
        """Add rows up."""
        index, values = rows.ids, rows.values
        # One flat index at a time: of matrices, torch adds row by row, a hundred times slower.
        for sums, added in zip(self._values[:_PLAIN], values, strict=False):
            sums.index_add_(0, index, added)
        self._counts[0].index_add_(0, index, torch.ones_like(values[0]))
        self._labels[index] = rows.labels
        flat = (index[:, None] * len(self._columns) + self._columns).flatten()
        self._logits.view(-1).index_add_(0, flat, rows.logits.flatten())
        there = torch.isfinite(values[_PLAIN])
        if bool(there.any()):
            found = values[_PLAIN][there]
            self._values[_PLAIN].index_add_(0, index[there], found)
            self._counts[1].index_add_(0, index[there], torch.ones_like(found))

    def gather(self) -> None:
        """Add up what the processes of a data parallel training saw; a collective operation."""
        for sums in (self._values, self._counts):
            dist.all_reduce(sums)
        dist.all_reduce(self._labels, op=dist.ReduceOp.MAX)
        if self._logits.numel():
            dist.all_reduce(self._logits)

    def result(self) -> EpochTable:
        """The means."""
        times = torch.cat((self._counts[:1].expand(_PLAIN, -1), self._counts[1:]))
        times = times.where(times > 0, torch.nan)
        return EpochTable(
            (self._values / times).float().cpu().numpy(),
            self._labels.cpu().numpy().copy(),
            self._counts[0].cpu().numpy().copy(),
            (self._logits / times[0][:, None]).float().cpu().numpy(),
        )

    def clear(self) -> None:
        """Begin an epoch."""
        for sums in (self._values, self._counts, self._logits):
            sums.zero_()
        self._labels.fill_(-1)

    def state_dict(self) -> dict[str, Tensor]:
        """The sums so far."""
        return {name: tensor.clone() for name, tensor in self._tensors().items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        for name, tensor in self._tensors().items():
            if tensor.shape == state[name].shape:  # logits may be kept from now on, or no more
                tensor.copy_(state[name])

    def _tensors(self) -> dict[str, Tensor]:
        named = {"sums": self._values, "counts": self._counts, "labels": self._labels}
        return {**named, "logits": self._logits}
