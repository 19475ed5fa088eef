"""Sentence embeddings from a local folder with a Transformers encoder."""

import sys
from collections.abc import Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from torch import Tensor

from chaffinch.core.errors import InputError, MissingExtraError
from chaffinch.core.progress import track
from chaffinch.core.types import Floats

_SAFE = {"local_files_only": True, "trust_remote_code": False}
"""No code in the folder is run, and nobody is asked whether it may be."""

_BATCH = 64
_MAX_TOKENS = 256


class SentenceEncoder:
    """A pre-trained encoder whose token outputs are averaged and scaled to unit length.

    This is how the sentence-transformers models were trained to be used (Reimers and Gurevych,
    EMNLP 2019). Nothing is downloaded.

    Args:
        folder: A folder that ``save_pretrained`` wrote: configuration, tokenizer and weights.
        device: Where to run it.

    Raises:
        MissingExtraError: Transformers is not installed.
        InputError: The folder holds no such model.
    """

    def __init__(self, folder: Path, device: torch.device) -> None:
        try:
            from transformers import AutoModel, AutoTokenizer
            from transformers.utils import logging
        except ImportError as error:
            raise MissingExtraError("sentence embeddings", "text", "transformers") from error
        if not folder.is_dir():
            raise InputError(f"a folder with an encoder at {folder}", "none", "Check --embedder")
        if not sys.stderr.isatty():
            quiet: Any = logging
            quiet.disable_progress_bar()
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, **_SAFE)
            model: Any = AutoModel.from_pretrained(folder, weights_only=True, **_SAFE)
        except (OSError, ValueError, KeyError, RuntimeError, UnpicklingError) as error:
            raise InputError(
                f"a Transformers encoder in {folder}",
                " ".join(str(error).split())[:200],
                "Give the folder that save_pretrained wrote, with its tokenizer",
            ) from error
        self._model = model.to(device).eval()
        self._device = device

    def encode(self, texts: Sequence[str]) -> Floats:
        """(N, K) float32 embeddings of unit length.

        Texts are run in order of their length, so that little of a batch is padding; padding has
        no influence on the result.
        """
        order = np.argsort([len(text) for text in texts], kind="stable")
        parts = []
        with torch.no_grad(), track("embedding texts", len(texts)) as advance:
            for start in range(0, len(texts), _BATCH):
                rows = order[start : start + _BATCH]
                parts.append(self._embed([texts[row] for row in rows]).float().cpu().numpy())
                advance(len(rows))
        embeddings = np.empty((len(texts), parts[0].shape[1]), dtype=np.float32)
        embeddings[order] = np.concatenate(parts)
        return embeddings

    def _embed(self, texts: list[str]) -> Tensor:
        # Some tokenizers add no tokens of their own, and a text without any cannot be averaged.
        unknown = self._tokenizer.unk_token or "."
        filled = [text if text.strip() else unknown for text in texts]
        tokens = self._tokenizer(
            filled, padding=True, truncation=True, max_length=_MAX_TOKENS, return_tensors="pt"
        ).to(self._device)
        hidden: Tensor = self._model(**tokens).last_hidden_state
        mask = tokens["attention_mask"][:, :, None].to(hidden.dtype)
        mean = (hidden * mask).sum(dim=1) / mask.sum(dim=1).clamp_min(1)
        return torch.nn.functional.normalize(mean, dim=1)
