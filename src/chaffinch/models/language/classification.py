"""Fine-tuning a pre-trained encoder of a local folder as a classifier of texts."""

import copy
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from chaffinch.core.errors import InputError, MissingExtraError
from chaffinch.core.parsing import parse_json
from chaffinch.core.progress import track
from chaffinch.core.types import Floats
from chaffinch.models.factory import ModelFactory
from chaffinch.models.inputs import DenseInputs, Inputs
from chaffinch.models.language.loading import load_encoder
from chaffinch.models.language.tokens import encode_texts, filler_of

ABSENT = -1
"""Stands where a text has no token."""

_CONTENT = (".json", ".txt", ".model", ".safetensors", ".bin", ".gguf")
_PASS = 64
_SMALL_WIDTH = 512


@dataclass(frozen=True, eq=False)
class TextTokens:
    """N texts as rows of token numbers.

    Attributes:
        tokens: (N, T) int32, `ABSENT` behind the end of each text; every text has a token.
        describe: Turns (N, T) such rows into (N, H) outputs of the pre-trained encoder, averaged
            over the tokens and of unit length.
    """

    tokens: Tensor
    describe: Callable[[Tensor], Floats]

    @property
    def shape(self) -> tuple[int, ...]:
        """(T,); batches are cut to their longest text."""
        return tuple(self.tokens.shape[1:])

    def __len__(self) -> int:
        return len(self.tokens)

    def batch(self, index: Tensor) -> Tensor:
        """(B, t) int64, t the longest of these texts."""
        return _cut(self.tokens[index]).long()

    def embedding(self) -> Floats:
        """(N, K) principal components of the texts as the encoder had them before fine-tuning."""
        return self._dense.embedding()

    def embedding_of(self, other: Inputs) -> Floats:
        """(M, K) the same components of M other texts.

        Raises:
            InputError: The others are no texts read by the same tokenizer.
        """
        if not isinstance(other, TextTokens):
            raise InputError("token numbers", type(other).__name__, "Encode both alike")
        return self._dense.embedding_of(other._dense)

    @cached_property
    def _dense(self) -> DenseInputs:
        return DenseInputs(torch.from_numpy(self.describe(self.tokens)))


def _cut(rows: Tensor) -> Tensor:
    """Without the columns in which no row has a token."""
    return rows[:, : int((rows != ABSENT).sum(1).max())] if len(rows) else rows


class TextClassifier(nn.Module):
    """An encoder, the mean of its outputs over the tokens of a text, and a linear head.

    Args:
        encoder: A Transformers encoder.
        num_classes: C.
        dropout: Share of the mean's columns dropped in training.
    """

    def __init__(self, encoder: nn.Module, num_classes: int, dropout: float = 0.1) -> None:
        super().__init__()
        config: Any = encoder.config
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(config.hidden_size, num_classes)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, t) token numbers, `ABSENT` behind the end of a text, to logits (B, C)."""
        # Large batches without training are run in order of length: little of them is padding.
        average = _mean if self.training else _mean_by_length
        logits: Tensor = self.head(self.dropout(average(self.encoder, tokens)))
        return logits


def _mean(encoder: nn.Module, tokens: Tensor) -> Tensor:
    """(B, H) outputs of the encoder, averaged over the tokens of each text."""
    config: Any = encoder.config
    there = tokens != ABSENT
    ids = tokens.masked_fill(~there, int(config.pad_token_id or 0))
    hidden = encoder(input_ids=ids, attention_mask=there.long()).last_hidden_state
    mask = there[:, :, None].to(hidden.dtype)
    mean: Tensor = (hidden * mask).sum(1) / mask.sum(1).clamp_min(1)
    return mean


def _mean_by_length(encoder: nn.Module, tokens: Tensor) -> Tensor:
    """The same in parts of texts of similar length."""
    if len(tokens) <= _PASS:
        return _mean(encoder, tokens)
    order = (tokens != ABSENT).sum(1).argsort(stable=True)
    parts = [_mean(encoder, _cut(tokens[rows])) for rows in torch.split(order, _PASS)]
    return torch.cat(parts)[order.argsort()]


class TextModelFolder:
    """A pre-trained encoder and its tokenizer, from a folder that ``save_pretrained`` wrote.

    A head that the folder may hold is not used: every training begins with the encoder as it is
    in the folder, and a new head. Nothing is downloaded.

    Args:
        folder: The folder.
        length: T, maximum tokens per text; no more than the encoder has positions for.
        device: Where descriptions without training are made.

    Raises:
        MissingExtraError: Transformers is not installed.
        InputError: The folder holds no such encoder.
    """

    def __init__(self, folder: Path, length: int, device: torch.device) -> None:
        check_folder(folder)
        self._tokenizer, self._encoder, positions = load_encoder(folder)
        self._length = min(length, positions)
        self._device = device

    @property
    def learning_rate(self) -> float:
        """Peak rate of AdamW: 1e-4 for small encoders, 3e-5 for those of the size of BERT.

        Devlin et al. (NAACL 2019) search 2e-5 to 5e-5; smaller models take and need more.
        """
        config: Any = self._encoder.config
        return 1e-4 if config.hidden_size <= _SMALL_WIDTH else 3e-5

    def read(self, texts: Sequence[str]) -> TextTokens:
        """Turn texts into token numbers; longer ones than T lose their end."""
        unknown = self._tokenizer.unk_token_id
        empty = torch.tensor([filler_of(self._tokenizer) if unknown is None else unknown])
        rows = encode_texts(self._tokenizer, texts, self._length).tokens.rows
        # Some tokenizers add no tokens of their own, and a text without any has no mean.
        filled = [row.int() if len(row) else empty.int() for row in rows]
        tokens = pad_sequence(filled, batch_first=True, padding_value=ABSENT)
        return TextTokens(tokens, self._describe)

    def num_cut(self, texts: TextTokens) -> int:
        """How many texts are as long as is allowed, so that some of them were cut."""
        return int(((texts.tokens != ABSENT).sum(1) >= self._length).sum())

    def factory(self, num_classes: int) -> ModelFactory:
        """Makes the encoder of the folder with a new head for C classes."""
        return lambda: TextClassifier(copy.deepcopy(self._encoder), num_classes)

    def _describe(self, tokens: Tensor) -> Floats:
        encoder = self._encoder.to(self._device)
        parts = []
        with torch.no_grad(), track("embedding texts", len(tokens)) as advance:
            for rows in torch.split(tokens, 16 * _PASS):
                mean = _mean_by_length(encoder, _cut(rows).long().to(self._device))
                parts.append(nn.functional.normalize(mean, dim=1).cpu().numpy())
                advance(len(rows))
        self._encoder.cpu()
        described: Floats = np.concatenate(parts)
        return described


def check_folder(folder: Path) -> None:
    """Refuse a folder that holds no encoder, by its configuration alone.

    Raises:
        MissingExtraError: Transformers is not installed.
        InputError: No folder, no configuration, or that of a model of another kind.
    """
    file = folder / "config.json"
    if not file.is_file():
        raise InputError(
            f"a model of Transformers in {folder}, or MODULE:FACTORY",
            "no config.json there" if folder.is_dir() else "no such folder",
            "Give the folder that save_pretrained wrote (nothing is downloaded), or name a "
            "function as mynet.py:build",
        )
    kind, encoder, causal = _kind(file)
    if not encoder:
        raise InputError(
            f"an encoder in {folder}, such as BERT, RoBERTa or MiniLM",
            f"a causal model ({kind})" if causal else f"a model of another kind ({kind})",
            "Choose an encoder for labelled texts; causal models are for prompts and responses",
        )


def check_causal(place: Path) -> None:
    """Refuse a folder whose configuration is that of an encoder; others are left to the loader.

    Raises:
        MissingExtraError: Transformers is not installed.
        InputError: An encoder.
    """
    file = place / "config.json"
    if file.is_file() and (found := _kind(file))[1]:
        raise InputError(
            f"a causal model in {place}, which tells responses",
            f"an encoder ({found[0]})",
            "Choose another model, or name the label column with --label to fine-tune the encoder",
        )


def _kind(file: Path) -> tuple[str, bool, bool]:
    """The type of a model, and whether that is an encoder, and whether one that writes."""
    try:
        kind = str(parse_json(file.read_text("utf-8"))["model_type"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"the configuration of a model of Transformers in {file}",
            "no JSON with a model_type",
            "Give the folder that save_pretrained wrote",
        ) from error
    try:
        from transformers.models.auto import modeling_auto
    except ImportError as error:
        raise MissingExtraError("a text model in a folder", "text", "transformers") from error
    known: Any = modeling_auto
    return (
        kind,
        kind in known.MODEL_FOR_MASKED_LM_MAPPING_NAMES,
        kind in known.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    )


def folder_digest(folder: Path) -> str:
    """Hash of the names, sizes and content of a model's files."""
    hasher = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix in _CONTENT:
            hasher.update(f"{path.name} {path.stat().st_size} ".encode())
            with path.open("rb") as file:
                hasher.update(hashlib.file_digest(file, "sha256").digest())
    return hasher.hexdigest()
