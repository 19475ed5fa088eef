"""What the user named or gave, as an encoder or as vectors."""

import hashlib
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from chaffinch.core.errors import InputError
from chaffinch.core.identity import digest
from chaffinch.core.place import nearest
from chaffinch.encoders.encoder import Encoder
from chaffinch.encoders.function import FunctionEncoder
from chaffinch.encoders.timm_model import TimmEncoder
from chaffinch.encoders.transformers_model import TransformersEncoder
from chaffinch.encoders.vectors import SUFFIXES, Vectors, read_vectors
from chaffinch.encoders.weights import digest_of_source, digest_of_weights
from chaffinch.models.factory import source_of
from chaffinch.models.language.classification import folder_digest

TIMM = "timm:"
_HUB_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")


def check_encoder(encoder: Any) -> None:
    """Refuse what cannot be an encoder before anything slow is done.

    Args:
        encoder: What the user gave: see `open_encoder`.

    Raises:
        InputError: A path at which there is nothing, or an object of another kind.
    """
    if isinstance(encoder, str | os.PathLike):
        _check_name(os.fspath(encoder))
    elif not (callable(encoder) or _is_array(encoder)):
        raise InputError(
            "an encoder: the name of a model, a function, a module or an array of vectors",
            f"a {type(encoder).__name__}",
            "See docs/encoders.md",
        )


def _check_name(name: str) -> None:
    path = Path(name).expanduser()
    if name.startswith(TIMM) or path.is_dir() or (path.suffix in SUFFIXES and path.is_file()):
        return
    place, colon, function = name.partition(":")
    if colon and place and function and not path.exists():
        if place.endswith(".py") and not Path(place).expanduser().is_file():
            raise _nothing_at(place)
        return
    if path.is_file():
        raise InputError(
            f"a folder with an encoder, or vectors in {', '.join(SUFFIXES)}",
            f"the file {name}",
            "Give the folder of the model; a function is named as FILE.py:FUNCTION",
        )
    parent = path.parent
    looks_local = path.suffix in SUFFIXES or not _HUB_NAME.fullmatch(name)
    if looks_local or (parent != Path() and parent.is_dir()):
        raise _nothing_at(name)


def _nothing_at(name: str) -> InputError:
    near = nearest(name)
    return InputError(
        f"a folder or file with an encoder at {name}",
        "nothing there",
        f"Did you mean {near!r}? Check --encoder" if near else "Check --encoder",
    )


def open_encoder(
    encoder: Any, device: torch.device, *, length: int | None = None, id_column: str | None = None
) -> Encoder | Vectors:
    """Make an encoder of what the user named or gave.

    Args:
        encoder: A folder of a Transformers model or its name on the hub; ``timm:NAME``;
            ``MODULE:FACTORY`` or ``FILE.py:FACTORY``; a ``.npy``, ``.npz`` or ``.parquet`` file
            with vectors; a module or a function of a batch; or an array (N, K).
        device: Where to run it.
        length: Maximum number of tokens per text.
        id_column: Name of the ids in a file with vectors.

    Raises:
        InputError: There is no such encoder.
        MissingExtraError: The library that it needs is not installed.
    """
    check_encoder(encoder)
    if not isinstance(encoder, str | os.PathLike):
        if _is_array(encoder):
            return Vectors.of(encoder, "embeddings")
        name = getattr(encoder, "__name__", type(encoder).__name__)
        return FunctionEncoder(encoder, f"the encoder {name}", device)
    name = os.fspath(encoder)
    path = Path(name).expanduser()
    if name.startswith(TIMM):
        return TimmEncoder(name[len(TIMM) :], device)
    if path.is_dir():
        return TransformersEncoder(str(path), device, length)
    if path.suffix in SUFFIXES:
        return read_vectors(path, id_column)
    if ":" in name:
        return FunctionEncoder.named(name, device)
    return TransformersEncoder(name, device, length)


def identity_of(encoder: Any) -> str:
    """What tells one encoder from another: its name, and its files, weights or values."""
    if isinstance(encoder, str | os.PathLike):
        name = os.fspath(encoder)
        path = Path(name).expanduser()
        if path.is_dir():
            return f"folder {folder_digest(path)}"
        source = path if path.is_file() else None
        if source is None and ":" in name and not name.startswith(TIMM):
            source = source_of(name)
        return name if source is None else f"{name} {digest(source.read_bytes())}"
    if isinstance(encoder, nn.Module):
        return f"{type(encoder).__name__} {digest_of_weights(encoder)}"
    if _is_array(encoder):
        values = np.ascontiguousarray(np.asarray(encoder, dtype=np.float32))
        return f"array {hashlib.blake2b(values.tobytes(), digest_size=16).hexdigest()}"
    name = f"{getattr(encoder, '__module__', '')}:{getattr(encoder, '__qualname__', '')}"
    return f"{name} {digest_of_source(encoder)}"


def told_of(encoder: Any) -> str | None:
    """The encoder as a run records it: its name, or in angle brackets what was in memory."""
    if encoder is None:
        return None
    if isinstance(encoder, str | os.PathLike):
        name = os.fspath(encoder)
        path = Path(name).expanduser()
        return os.path.abspath(path) if path.exists() else name
    return f"<{getattr(encoder, '__name__', type(encoder).__name__)} in memory>"


def is_in_memory(told: Any) -> bool:
    """Whether a record of `told_of` names nothing that can be opened again."""
    return isinstance(told, str) and told.startswith("<")


def _is_array(value: Any) -> bool:
    return not callable(value) and not isinstance(value, str) and hasattr(value, "__array__")
