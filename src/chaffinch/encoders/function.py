"""A function or module of the user's own as an encoder."""

import hashlib
import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from chaffinch.core.dataset import Dataset
from chaffinch.core.errors import InputError
from chaffinch.data import AudioData, ImageData, SeriesData, TableData, TensorData, TextData
from chaffinch.encoders.encoder import Samples
from chaffinch.encoders.samples import (
    image_tensors,
    series_tensors,
    sound_tensors,
    tables,
    tensors,
    texts,
)
from chaffinch.encoders.weights import digest_of_source, digest_of_weights
from chaffinch.models.factory import imported
from chaffinch.models.forward import running

_BATCH = 64


class FunctionEncoder:
    """Calls what the user gave, batch by batch.

    It is given, by the kind of the data: images as (B, 3, H, W) float32 in 0..1, texts as a list of
    strings, sounds as (B, T) float32 in -1..1, series as (B, F, T), samples of a torch Dataset as
    one (B, ...) tensor, rows of a table as a DataFrame. Attributes of it may say more:
    ``image_size`` (side, or height and width), ``sampling_rate`` and ``batch_size``.
    A module is put on the device and into eval mode, and its tensors are moved there.

    Args:
        function: A module, or a callable from a batch to (B, K).
        name: For people.
        device: Where modules run.
        code: Hash of further code that decides the features, such as of the file of a factory.
    """

    def __init__(self, function: Any, name: str, device: torch.device, code: str = "") -> None:
        self.name = name
        self._function = function
        self._device = device
        if isinstance(function, nn.Module):
            self._function = function.to(device).eval()
        self.batch_size = int(getattr(function, "batch_size", _BATCH))
        self.key = _key_of(function, code)

    @classmethod
    def named(cls, name: str, device: torch.device) -> "FunctionEncoder":
        """The encoder behind ``MODULE:FACTORY`` or ``FILE.py:FACTORY``.

        FACTORY is called without arguments and returns a module or a callable. If it needs an
        argument, it is the callable itself.

        Raises:
            InputError: There is no such function, or it makes something else.
        """
        factory = imported(name, "--encoder")
        code = digest_of_source(factory)
        if isinstance(factory, nn.Module) or _needs_argument(factory):
            return cls(factory, name, device, code)
        with running(f"a factory {name} that makes an encoder", "Try it on its own first"):
            made = factory()
        if not callable(made):
            raise InputError(
                f"a module or function from {name}",
                type(made).__name__,
                "Return the encoder itself",
            )
        return cls(made, name, device, code)

    def present(self, data: Dataset) -> Samples:
        """The samples as plain tensors, strings or rows."""
        if isinstance(data, ImageData):
            return image_tensors(data, getattr(self._function, "image_size", None))
        if isinstance(data, TextData):
            return texts(data)
        if isinstance(data, AudioData):
            return sound_tensors(data, getattr(self._function, "sampling_rate", None))
        if isinstance(data, SeriesData):
            return series_tensors(data)
        if isinstance(data, TensorData):
            return tensors(data)
        if isinstance(data, TableData):
            return tables(data)
        raise InputError(
            "images, texts, sounds, series, tensors or rows of a table",
            type(data).__name__,
            "Give the vectors instead (embeddings=)",
        )

    def encode(self, batch: Any) -> Any:
        """What the function returns."""
        is_module = isinstance(self._function, nn.Module)
        if isinstance(batch, Tensor) and is_module:
            batch = batch.to(self._device)
        form = tuple(batch.shape) if hasattr(batch, "shape") else f"{len(batch)} texts"
        told = f"an encoder that takes a {type(batch).__name__} of {form}"
        with running(told, f"Make {self.name} fit the data"):
            return self._function(batch)


def _needs_argument(function: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    ordered = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return any(one.kind in ordered and one.default is one.empty for one in parameters)


def _key_of(function: Any, code: str) -> str | None:
    """What decides the features; None for plain functions, whose closures nobody can see.

    These say it themselves where they want to be remembered, by an attribute ``cache_key``.
    """
    own = getattr(function, "cache_key", None)
    if isinstance(own, str) and own:
        return f"function {code} {own}"
    if not isinstance(function, nn.Module):
        return None
    parts = [repr(function), digest_of_weights(function), digest_of_source(type(function)), code]
    parts.append(torch.__version__)
    return f"module {hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()}"
