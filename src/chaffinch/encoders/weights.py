"""What tells the weights of one model from those of another."""

import hashlib
import inspect
from pathlib import Path
from typing import Any

import torch
from torch import nn

from chaffinch.core.identity import digest


def digest_of_weights(model: nn.Module) -> str:
    """Hash of the names and bytes of all weights and buffers."""
    hasher = hashlib.blake2b(digest_size=16)
    for name, value in model.state_dict().items():
        if not isinstance(value, torch.Tensor):
            continue
        hasher.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
        flat = value.detach().cpu().contiguous().flatten()
        hasher.update(flat.view(torch.uint8).numpy().tobytes())
    return hasher.hexdigest()


def digest_of_source(thing: Any) -> str:
    """Hash of the file in which a class or function is written, "" where there is none."""
    try:
        place = inspect.getsourcefile(thing)
        return "" if place is None else digest(Path(place).read_bytes())
    except (OSError, TypeError):
        return ""
