"""The losses of responses under a causal model: after their prompts, alone, after others'."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from chaffinch.core.errors import InputError
from chaffinch.core.progress import track
from chaffinch.core.randomness import stream
from chaffinch.data.marked_text import ends_in_mark
from chaffinch.data.prompt import Prompts
from chaffinch.diagnosis.response_losses import ResponseLosses
from chaffinch.models.language import LanguageModel
from chaffinch.models.language.chat import ChatTemplate
from chaffinch.models.language.fit import ResponseFit
from chaffinch.pipeline.options import ScanOptions
from chaffinch.store import EvidenceFolder

LOSSES = "losses.npy"
"""(3, N) losses of the responses: after their prompts, alone, and after others' prompts."""

_BATCH = 8
_DRAWS = 50


def read_losses(
    model: LanguageModel, train: Prompts, options: ScanOptions, folder: Path
) -> tuple[ResponseLosses, tuple[str, ...]]:
    """Read the losses of all responses in three contexts.

    Args:
        model: The model.
        train: N prompts and responses.
        options: Chat template, batch size and seed.
        folder: Where `LOSSES` is kept; what an interrupted scan had found is there.

    Returns:
        The losses, and sentences on how the model was given the samples.

    Raises:
        InputError: Losses that are not finite, or no such template.
    """
    count = len(train)
    store, name = EvidenceFolder(folder), Path(LOSSES).stem
    begun = store.holds(name, (3, count))
    kept: Any = store.array(name, (3, count))
    if not begun:
        kept[:] = np.nan
    template = ChatTemplate.of(model.tokenizer, options.chat_template)
    if template is not None and train.chats is None and ends_in_mark(train.prompts):
        template = None  # the prompts are written in a template already
    chats = None
    if train.chats is not None:
        chats = [[{"role": one.role, "content": one.content} for one in c] for c in train.chats]
    fit = ResponseFit.of(model, train.prompts, train.responses, chats, template)
    contexts = (range(count), None, strangers(train.prompts, options.seed))
    with track("reading responses", kept.size) as advance:
        for row, prompts in zip(kept, contexts, strict=True):
            fit.fill(row, prompts, options.batch_size or _BATCH, advance)
            kept.flush()
    if not np.isfinite(kept).all():
        raise InputError(
            "a model whose losses are finite",
            f"{int((~np.isfinite(kept)).sum())} that are not",
            "Check the model's weights",
        )
    given, alone, shuffled = np.array(kept)
    return ResponseLosses(given, alone, shuffled, fit.tokens), _told(fit, template)


def _told(fit: ResponseFit, template: ChatTemplate | None) -> tuple[str, ...]:
    """How the model was given the samples."""
    notes = []
    if template is not None:
        notes.append("The model read the samples in its chat template (--chat-template).")
    if fit.plain:
        notes.append(
            f"{fit.plain:,} of {len(fit.asked):,} samples do not fit the chat template and were "
            "read as plain text."
        )
    if fit.cut:
        notes.append(
            f"{fit.cut:,} of {len(fit.asked):,} samples have more than {fit.model.length:,} "
            "tokens; the model read the end of their prompts and the beginning of their responses "
            "(--length)."
        )
    return tuple(notes)


def strangers(prompts: tuple[str, ...], seed: int) -> list[int]:
    """(N,) for each sample another one, with another prompt where there is any.

    Every prompt is used once, but for those that are drawn anew because they are the same.
    """
    random = stream(seed, "prompts of others")
    order = random.permutation(len(prompts))
    other = np.empty(len(prompts), dtype=np.int64)
    other[order] = np.roll(order, 1)
    codes = pd.factorize(np.asarray(prompts, dtype=object))[0]
    for _ in range(_DRAWS):
        same = codes[other] == codes
        other[same] = random.integers(len(prompts), size=int(same.sum()))
    chosen: list[int] = other.tolist()
    return chosen
