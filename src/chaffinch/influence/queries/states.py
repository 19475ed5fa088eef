"""One forward pass over training samples that keeps the hidden states of some blocks."""

import fnmatch
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from chaffinch.core.errors import InputError
from chaffinch.core.progress import track
from chaffinch.gradients.batch import batches, length
from chaffinch.gradients.recorder import evaluating
from chaffinch.influence.queries.collect import KEEP_SECONDS, by_length, take
from chaffinch.influence.queries.layout import Layout
from chaffinch.influence.queries.table import GradientTable, GradientWriter
from chaffinch.models.forward import forward


def blocks_of(model: nn.Module, chosen: str | None = None) -> tuple[str, ...]:
    """Names of the blocks whose outputs are kept.

    Args:
        model: A model with a list of equal blocks, such as a transformer; the longest list counts.
        chosen: A glob of their names (``*.7``; ``*`` for all). None for the middle half: of L
            blocks those from L // 4 on and before 3 L // 4. Early blocks tell the words, the last
            ones the next word.

    Raises:
        InputError: A model without blocks, or a glob that fits none.
    """
    lists = [(name, one) for name, one in model.named_modules() if isinstance(one, nn.ModuleList)]
    place, found = max(lists, key=lambda pair: len(pair[1]), default=("", nn.ModuleList()))
    names = [f"{place}.{i}" if place else str(i) for i in range(len(found))]
    if not names:
        raise InputError(
            "a model with a list of blocks",
            type(model).__name__,
            "Choose an estimator of gradients",
        )
    if chosen is None:
        first = len(names) // 4
        return tuple(names[first : max(first + 1, 3 * len(names) // 4)])
    hits = tuple(name for name in names if fnmatch.fnmatchcase(name, chosen))
    if not hits:
        raise InputError(
            "a glob of blocks of the model", repr(chosen), f"Its blocks: {names[0]} to {names[-1]}"
        )
    return hits


def collect_states(
    model: nn.Module,
    data: Any,
    folder: str | Path,
    blocks: Sequence[str] | None = None,
    *,
    batch_size: int = 8,
    key: str = "",
) -> GradientTable:
    """Keep hidden states of all training samples, in one forward pass.

    Of each block of width D a text has 2 D numbers: the mean of the block's output over its tokens,
    and the output at its last token. They are kept as gradients are, so that estimators and
    searches work on them, too. Samples go by length, the longest first.

    Args:
        model: The model, run in eval mode.
        data: N samples as `chaffinch.gradients.capture` takes them; targets are not looked at.
        folder: Where to write; a pass that was stopped there goes on.
        blocks: Names of modules whose output is (B, T, D), or a tuple that begins with it; None for
            the choice of `blocks_of`.
        batch_size: Samples in one forward pass.
        key: What the states depend on (model, data); another key begins anew.

    Returns:
        A table with one "parameter" of 2 D numbers for each block.

    Raises:
        InputError: Data or blocks that cannot be used, or too little free disk.
    """
    names = tuple(blocks) if blocks is not None else blocks_of(model)
    order = by_length(data)
    probe = next(_passed(model, take(data, order[-1:]), names, 1), None)
    if probe is None:
        raise InputError("at least one sample", "none", "Pass training samples")
    layout = Layout(tuple((name, (probe[name].shape[1],)) for name in names))
    samples = length(data)
    writer = GradientWriter(Path(folder), layout, samples, key)
    kept, done = time.monotonic(), writer.done
    with track("hidden states", samples) as advance:
        advance(done)
        for part in _passed(model, take(data, order[done:]), names, batch_size):
            count = len(part[names[0]])
            writer.add(order[done : done + count], part)
            done += count
            advance(count)
            if time.monotonic() - kept > KEEP_SECONDS:
                writer.keep(done)
                kept = time.monotonic()
    return writer.finish()


def states_of(
    model: nn.Module, data: Any, layout: Layout, *, batch_size: int = 8
) -> dict[str, Tensor]:
    """(M, 2 D) of each block of a few samples, such as queries, in memory.

    Args:
        model: The model that the layout was made for.
        data: M samples.
        layout: That of the table of `collect_states`.
        batch_size: Samples in one forward pass.

    Raises:
        InputError: Data that cannot be used, or a model without these blocks.
    """
    order = by_length(data)
    parts = list(_passed(model, take(data, order), layout.names, batch_size))
    back = torch.from_numpy(np.argsort(order))
    return {
        name: torch.cat([part[name] for part in parts])[back] if parts else torch.zeros(0, width)
        for name, width in layout.widths.items()
    }


def _passed(
    model: nn.Module, data: Any, names: Sequence[str], batch_size: int
) -> Iterator[dict[str, Tensor]]:
    """(B, 2 D) of each block, batch by batch."""
    if not length(data):
        return
    for x, _y in batches(data, model, batch_size):
        with evaluating(model), torch.no_grad(), _watched(model, names, _mask(x)) as found:
            forward(model, x)
        absent = [name for name in names if name not in found]
        if absent:
            raise InputError("blocks that the model passes", absent[0], "Choose other blocks")
        yield found


@contextmanager
def _watched(
    model: nn.Module, names: Sequence[str], mask: Tensor | None
) -> Iterator[dict[str, Tensor]]:
    """While open, blocks leave here what is kept of their outputs; whole outputs are not held."""
    found: dict[str, Tensor] = {}

    def hook(name: str) -> Any:
        def keep(_module: nn.Module, _inputs: Any, output: Any) -> None:
            hidden = output[0] if isinstance(output, tuple | list) else output
            found[name] = _pooled(hidden, mask)

        return keep

    modules = dict(model.named_modules())
    unknown = [name for name in names if name not in modules]
    if unknown:
        raise InputError("names of blocks of the model", unknown[0], "Use the model they come from")
    handles = [modules[name].register_forward_hook(hook(name)) for name in names]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def _mask(x: Any) -> Tensor | None:
    return x.get("attention_mask") if isinstance(x, Mapping) else None


def _pooled(hidden: Tensor, mask: Tensor | None) -> Tensor:
    """(B, 2 D): mean over the tokens of a text, and its last one; padding on any side is left out.

    Args:
        hidden: (B, T, D) outputs of a block.
        mask: (B, T) ones for tokens; None where there is no padding.
    """
    if hidden.ndim != 3:
        raise InputError(
            "blocks whose output is (B, T, D)", str(tuple(hidden.shape)), "Choose other blocks"
        )
    hidden = hidden.float()
    kept = torch.ones(hidden.shape[:2]) if mask is None else mask.float()
    kept = kept.to(hidden.device)
    mean = torch.einsum("btd,bt->bd", hidden, kept) / kept.sum(1, keepdim=True).clamp(min=1)
    places = torch.arange(hidden.shape[1], device=hidden.device)
    last = (places * (kept > 0)).argmax(1)
    return torch.cat([mean, hidden[torch.arange(len(hidden)), last]], 1).cpu()
