"""The options of `chaffinch.scan` as a type checker sees them."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, TypedDict

from chaffinch.diagnosis.label_noise import Assumption
from chaffinch.diagnosis.selection import Rule


class ScanKeywords(TypedDict, total=False):
    """Keyword arguments of `chaffinch.scan`; `ScanOptions` says what they mean and checks them."""

    task: Any
    epochs: int | None
    batch_size: int | None
    learning_rate: float | None
    weight_decay: float
    folds: int | None
    fold_epochs: int | None
    device: str
    seed: int
    scorers: str | Sequence[str] | None
    select: Rule
    fdr: float
    assume: Assumption
    rounds: int | Literal["auto"]
    canaries: bool
    repeats: int
    ensemble: int
    dropout_passes: int
    id_column: str | int | None
    text_column: str | int | None
    group: str | int | None
    series: str | bool | None
    sep: str | None
    decimal: str | None
    encoding: str | None
    encoder: Any
    embeddings: Any
    cache: bool
    embedder: str | Path | None
    length: int | None
    prompt: str | None
    response: str | None
    lora: str | Path | None
    chat_template: str | None
    train: bool
    checkpoints: str | None
    keep_checkpoints: bool
    strict: bool
    max_pixels: int | None
    out: str | os.PathLike[str] | None
    overwrite: bool
    ledger: str | None
