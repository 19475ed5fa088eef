"""Checkpoints: finding them and loading them into a model."""

import glob
import re
from pathlib import Path
from typing import Any

import torch
from torch import nn

from chaffinch.core.errors import InputError

_WRAPPERS = ("state_dict", "model_state_dict", "model")


def find_checkpoints(pattern: str) -> list[Path]:
    """The files that match a pattern, numbers in their names in numeric order.

    Raises:
        InputError: None matches.
    """
    paths = [Path(name) for name in glob.glob(pattern, recursive=True)]
    if not paths:
        raise InputError(f"checkpoints that match {pattern!r}", "none", "Check the pattern")
    return sorted(paths, key=lambda path: _natural(str(path)))


def _natural(name: str) -> list[tuple[int, str]]:
    parts = re.split(r"(\d+)", name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def load_checkpoint(model: nn.Module, path: Path) -> None:
    """Load a state dict, plain or under the usual keys of a training checkpoint.

    Raises:
        InputError: The file is no checkpoint, holds more than tensors, or does not fit the model.
    """
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # on arbitrary bytes the unpickler lets any error through
        raise InputError(
            f"a checkpoint with a state dict in {path}",
            f"{type(error).__name__}: {' '.join(str(error).split())[:300]}",
            "Save it with torch.save(model.state_dict(), path)",
        ) from error
    for key in _WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    try:
        model.load_state_dict(content)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise InputError(
            f"a checkpoint that fits {type(model).__name__} in {path}",
            " ".join(str(error).split())[:300],
            "Give the --model that it was saved from",
        ) from error
