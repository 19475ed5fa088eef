"""From the outputs of a Transformers model to one vector a sample."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from chaffinch.core.errors import InputError

_MODES = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_lasttoken": "last",
}


@dataclass(frozen=True)
class SentenceConfig:
    """How a sentence encoder says that its token outputs are to be used.

    Attributes:
        modes: Of ``cls``, ``mean``, ``max`` and ``last``; several are joined.
        unit_length: Whether vectors are brought to unit length.
        length: Maximum number of tokens per text; None where nothing is said.
        lower_case: Whether texts are written in small letters first.
    """

    modes: tuple[str, ...] = ("mean",)
    unit_length: bool = True
    length: int | None = None
    lower_case: bool = False

    @classmethod
    def of(cls, folder: Path) -> "SentenceConfig":
        """What the files of Sentence Transformers beside a model say; by default the mean.

        The mean of the token outputs, at unit length, is how most of these models were trained to
        be used (Reimers and Gurevych, EMNLP 2019).

        Raises:
            InputError: A way of pooling that is not known.
        """
        kinds = {str(one.get("type", "")): one for one in _read(folder / "modules.json", [])}
        pooling = next((one for kind, one in kinds.items() if kind.endswith("Pooling")), None)
        told: dict[str, Any] = _read(folder / "sentence_bert_config.json", {})
        common: dict[str, Any] = {"length": told.get("max_seq_length")}
        common["lower_case"] = bool(told.get("do_lower_case", False))
        if pooling is None:
            return cls(**common)
        config = _read(folder / str(pooling.get("path", "")) / "config.json", {})
        wanted = {
            name for name, value in config.items() if name.startswith("pooling_mode") and value
        }
        modes = tuple(mode for name, mode in _MODES.items() if name in wanted)
        if wanted and len(modes) < len(wanted):
            raise InputError(
                f"pooling by cls, mean, max or last token in {folder}",
                ", ".join(sorted(wanted - set(_MODES))),
                "Encode the texts with the library of the model, and give the vectors as .npy",
            )
        unit = any(kind.endswith("Normalize") for kind in kinds)
        return cls(modes or ("mean",), unit, **common)


def _read(file: Path, without: Any) -> Any:
    try:
        found = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return without
    return found if isinstance(found, type(without)) else without


def pool_tokens(hidden: Tensor, mask: Tensor, config: SentenceConfig) -> Tensor:
    """(B, K) from (B, T, H) token outputs and a (B, T) mask, whichever side is padded."""
    there = mask[:, :, None].to(hidden.dtype)
    everyone = torch.arange(len(hidden), device=hidden.device)
    parts = []
    for mode in config.modes:
        if mode == "mean":
            parts.append((hidden * there).sum(1) / there.sum(1).clamp_min(1))
        elif mode == "max":
            parts.append(hidden.masked_fill(there == 0, -torch.inf).amax(1))
        elif mode == "cls":
            parts.append(hidden[everyone, mask.long().argmax(1)])
        else:
            last = mask.shape[1] - 1 - mask.long().flip(1).argmax(1)
            parts.append(hidden[everyone, last])
    pooled = torch.cat(parts, dim=1)
    return torch.nn.functional.normalize(pooled, dim=1) if config.unit_length else pooled


def pool_patches(output: Any, model: Any, trusts_pooler: bool) -> Tensor:
    """(B, K) from what a vision or audio model returns for whole inputs.

    The model's own pooler where it has one with trained weights; else the first token where the
    model has one for the whole image, the mean over places otherwise.

    Args:
        output: Of the model.
        model: The model.
        trusts_pooler: Whether the weights of its pooler were in the file.
    """
    pooled = getattr(output, "pooler_output", None)
    if pooled is not None and trusts_pooler:
        found: Tensor = pooled.flatten(1)
        return found
    hidden: Tensor = output.last_hidden_state
    if hidden.ndim == 4:
        return hidden.mean((2, 3))
    if any(name.endswith("cls_token") for name, _ in model.named_parameters()):
        return hidden[:, 0]
    return hidden.mean(1)
