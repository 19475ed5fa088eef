"""Where models come from: the default for the data, a user's factory, or a user's instance."""

import copy
import importlib
import inspect
import sys
from collections.abc import Callable
from pathlib import Path

from torch import nn

from chaffinch.core.errors import InputError
from chaffinch.core.types import Modality
from chaffinch.models.defaults import MLP, BagOfTerms, SmallResNet

ModelFactory = Callable[[], nn.Module]
"""Makes a fresh, untrained model; called under a seed, so that it is the same every time."""


def default_factory(modality: Modality, shape: tuple[int, ...], num_classes: int) -> ModelFactory:
    """The model used when the user names none: an MLP, a small residual net, or bag of terms."""
    if modality == "text":
        return lambda: BagOfTerms(shape[0], num_classes)
    if len(shape) == 3:
        return lambda: SmallResNet(shape, num_classes)
    size = 1
    for length in shape:
        size *= length
    return lambda: MLP(size, num_classes)


def factory_from(
    model: nn.Module | Callable[..., nn.Module] | str, shape: tuple[int, ...], num_classes: int
) -> ModelFactory:
    """Turn what the user gave into a factory.

    Args:
        model: An instance (every training starts from a copy of it as it is now), a callable, or
            ``"module:callable"`` / ``"path/to/file.py:callable"``. A callable gets those of the
            keyword arguments ``num_classes`` and ``input_shape`` that it names.
        shape: Shape of one encoded sample.
        num_classes: C.

    Raises:
        InputError: The name cannot be imported, or what it names makes no ``nn.Module``.
    """
    if isinstance(model, nn.Module):
        start = copy.deepcopy(model)
        return lambda: copy.deepcopy(start)
    function = _import(model) if isinstance(model, str) else model
    offered = {"num_classes": num_classes, "input_shape": shape}
    names = inspect.signature(function).parameters
    wanted = {name: value for name, value in offered.items() if name in names}

    def make() -> nn.Module:
        made = function(**wanted)
        if not isinstance(made, nn.Module):
            raise InputError(
                "a factory that returns an nn.Module",
                f"{type(made).__name__} from {model!r}",
                "Return the model itself",
            )
        return made

    return make


def _import(name: str) -> Callable[..., nn.Module]:
    place, _, attribute = name.partition(":")
    if not attribute:
        raise InputError("--model as MODULE:FACTORY", repr(name), "For example mynet.py:build")
    path = Path(place)
    if path.suffix == ".py":
        if not path.is_file():
            raise InputError(f"a file at {place}", "none", "Check the path of --model")
        sys.path.insert(0, str(path.resolve().parent))
        place = path.stem
    try:
        function = getattr(importlib.import_module(place), attribute)
    except (ImportError, AttributeError) as error:
        raise InputError(
            f"an importable factory {name!r}",
            str(error),
            "Run where the module can be imported, or give the path of its file",
        ) from error
    if not callable(function):
        raise InputError(f"a callable {name!r}", type(function).__name__, "Name a function")
    made: Callable[..., nn.Module] = function
    return made
