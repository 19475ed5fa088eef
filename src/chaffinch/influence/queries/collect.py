"""One pass over training samples that keeps what queries will need of their gradients."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from chaffinch.core.progress import track
from chaffinch.gradients import GradientBlock, capture, stream
from chaffinch.gradients.batch import length
from chaffinch.gradients.layer import Layers
from chaffinch.gradients.piece import Dense
from chaffinch.gradients.rows import row_blocks
from chaffinch.influence.queries.layout import Layout
from chaffinch.influence.queries.moments import add_moments
from chaffinch.influence.queries.table import GradientTable, GradientWriter
from chaffinch.influence.task import Loss

KEEP_SECONDS = 20.0
"""After so long what was written is put on disk."""
_SKETCHED_FLOATS = 1 << 24


def collect_gradients(
    model: nn.Module,
    data: Any,
    folder: str | Path,
    layers: Layers = "lora",
    loss: Loss | None = None,
    *,
    dimensions: int | None = 256,
    batch_size: int = 8,
    seed: int = 0,
    key: str = "",
) -> GradientTable:
    """Keep the gradients of all training samples, in one forward and backward pass.

    Samples go by length, so that little of a batch is padding. With ``dimensions=None`` gradients
    are kept whole, and the moments that EK-FAC needs are added up on the way.

    Args:
        model: The model, run in eval mode.
        data: N samples as `chaffinch.gradients.capture` takes them.
        folder: Where to write; a pass that was stopped there goes on.
        layers: Which parameters count.
        loss: One loss a sample; None for cross-entropy.
        dimensions: Numbers kept of each parameter; None for all.
        batch_size: Samples in one forward and backward pass.
        seed: Of the projections.
        key: What the gradients depend on (model, data); another key begins anew.

    Raises:
        InputError: Data, layers or losses that cannot be used.
    """
    order = by_length(data)
    layout = Layout.of(_probe(model, data, layers, loss), dimensions, seed)
    samples = length(data)
    writer = GradientWriter(Path(folder), layout, samples, key)
    rest = order[writer.done :]
    kept, done = time.monotonic(), writer.done
    form: Any = "factored" if dimensions is None else "auto"
    with track("gradients", samples) as advance:
        advance(done)
        for block in stream(
            model, take(data, rest), layers, loss, batch_size=batch_size, form=form
        ):
            where = order[done : done + len(block)]
            writer.add(where, layout.compress(block))
            if dimensions is None:
                add_moments(writer.moments, block)
            done += len(block)
            advance(len(block))
            if time.monotonic() - kept > KEEP_SECONDS:
                writer.keep(done)
                kept = time.monotonic()
    return writer.finish()


def gradients_of(
    model: nn.Module,
    data: Any,
    layout: Layout,
    layers: Layers = "lora",
    loss: Loss | None = None,
    *,
    batch_size: int = 8,
) -> dict[str, Tensor]:
    """(M, K) of each parameter of a few samples, such as queries, in memory.

    Args:
        model: The model that the layout was made for.
        data: M samples.
        layout: What is kept.
        layers: Which parameters count.
        loss: One loss a sample; None for cross-entropy.
        batch_size: Samples in one forward and backward pass.

    Raises:
        InputError: Data or a loss that cannot be used, or other parameters than the layout's.
    """
    order = by_length(data)
    parts = [
        layout.compress(block)
        for block in stream(model, take(data, order), layers, loss, batch_size=batch_size)
    ]
    back = torch.from_numpy(np.argsort(order))
    return {
        name: torch.cat([part[name].float().cpu() for part in parts])[back]
        if parts
        else torch.zeros(0, width)
        for name, width in layout.widths.items()
    }


def sketch_table(
    table: GradientTable, folder: str | Path, dimensions: int, seed: int = 0
) -> GradientTable:
    """A table of projected gradients from one of whole ones, without a pass over the data.

    Args:
        table: Whole gradients of N samples.
        folder: Where to write.
        dimensions: Numbers kept of each parameter.
        seed: Of the projections.
    """
    layout = Layout(table.layout.shapes, dimensions, seed)
    writer = GradientWriter(Path(folder), layout, len(table), f"{table.key} {dimensions} {seed}")
    widest = table.layout.size
    for rows in row_blocks(len(table), widest, _SKETCHED_FLOATS):
        parts = {name: table.rows(name, rows) for name in layout.names}
        writer.add(np.arange(rows.start, rows.stop), sketch_rows(parts, layout))
    return writer.finish()


def sketch_rows(parts: Mapping[str, Tensor], layout: Layout) -> dict[str, Tensor]:
    """Whole gradients (n, P) of each parameter put into a layout."""
    shapes = dict(layout.shapes)
    return layout.compress(
        GradientBlock({name: Dense(rows, shapes[name]) for name, rows in parts.items()})
    )


def by_length(data: Any) -> NDArray[np.int64]:
    """(N,) positions of the samples, the longest first where lengths are known.

    What does not fit into memory then fails at once.
    """
    lengths = getattr(data[0], "lengths", None) if isinstance(data, tuple | list) else None
    if lengths is None:
        return np.arange(length(data))
    return np.argsort(-np.asarray(lengths, dtype=np.int64), kind="stable")


def take(data: Any, rows: NDArray[np.int64]) -> Any:
    """The samples at ``rows``: a pair of what can ``take``, of arrays, or a torch Dataset."""
    if not isinstance(data, tuple | list):
        return torch.utils.data.Subset(data, rows.tolist())
    return tuple(_pick(part, rows) for part in data)


def _pick(part: Any, rows: NDArray[np.int64]) -> Any:
    if hasattr(part, "take") and not isinstance(part, Tensor | np.ndarray):
        return part.take(rows.tolist())
    if isinstance(part, dict):
        return {name: _pick(value, rows) for name, value in part.items()}
    return part[torch.from_numpy(rows)] if isinstance(part, Tensor) else np.asarray(part)[rows]


def _probe(model: nn.Module, data: Any, layers: Layers, loss: Loss | None) -> GradientBlock:
    """Gradients of one sample, for the names and shapes of the parameters."""
    return capture(model, take(data, np.arange(min(1, length(data)))), layers, loss)
