"""Where models come from: the default for the data, a user's factory, or a user's instance."""

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, TypeGuard

import torch
from torch import nn

from chaffinch.core.errors import InputError
from chaffinch.core.identity import digest
from chaffinch.core.types import Modality
from chaffinch.models.defaults import MLP, BagOfTerms, SeriesNet, SmallResNet
from chaffinch.models.forward import copy_of, running

_FACTORY = "Give a function that takes no arguments, or num_classes and input_shape by name"

ModelFactory = Callable[[], nn.Module]
"""Makes a fresh, untrained model; called under a seed, so that it is the same every time."""


def make_model(factory: ModelFactory, seed: int) -> nn.Module:
    """Make a model under a seed; the process's random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return factory()


def default_factory(modality: Modality, shape: tuple[int, ...], num_classes: int) -> ModelFactory:
    """The model used when the user names none: an MLP, a small residual net, or bag of terms."""
    if modality == "text":
        return lambda: BagOfTerms(shape[0], num_classes)
    if modality == "series":
        return lambda: SeriesNet(shape[0], shape[1], num_classes)
    if len(shape) == 3:
        return lambda: SmallResNet(shape, num_classes)
    size = 1
    for length in shape:
        size *= length
    return lambda: MLP(size, num_classes)


def is_folder(model: Any) -> TypeGuard[str]:
    """Whether a name stands for a folder with a pre-trained model, not for MODULE:FACTORY.

    A name without a colon can be nothing else, also where there is no such folder.
    """
    return isinstance(model, str) and (":" not in model or Path(model).is_dir())


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
        start = copy_of(model)
        return lambda: copy_of(start)
    function = imported(model) if isinstance(model, str) else model
    offered = {"num_classes": num_classes, "input_shape": shape}
    with running(lambda: f"a factory whose arguments can be looked up, not {model!r}", _FACTORY):
        names = inspect.signature(function).parameters
    wanted = {name: value for name, value in offered.items() if name in names}

    def make() -> nn.Module:
        with running(lambda: f"a factory {model!r} that makes a model", _FACTORY):
            made = function(**wanted)
        if not isinstance(made, nn.Module):
            raise InputError(
                "a factory that returns an nn.Module",
                f"{type(made).__name__} from {model!r}",
                "Return the model itself",
            )
        return made

    return make


def source_of(name: str) -> Path | None:
    """The file behind ``"module:callable"`` or ``"file.py:callable"``, if there is one."""
    place = name.partition(":")[0]
    if place.endswith(".py"):
        return Path(place) if Path(place).is_file() else None
    try:
        spec = importlib.util.find_spec(place)
    except (ImportError, ValueError):
        return None
    found = spec is not None and spec.origin is not None and Path(spec.origin).is_file()
    return Path(str(spec.origin)) if spec is not None and found else None


def imported(name: str, option: str = "--model") -> Callable[..., Any]:
    """The callable that ``"module:callable"`` or ``"file.py:callable"`` names.

    Args:
        name: Of the callable.
        option: Where the user named it, for messages.

    Raises:
        InputError: It cannot be imported, or is no callable.
    """
    place, _, attribute = name.partition(":")
    if not place or not attribute:
        raise InputError(f"{option} as MODULE:FACTORY", repr(name), "For example mynet.py:build")
    path = Path(place)
    if path.suffix == ".py" and not path.is_file():
        raise InputError(f"a file at {place}", "none", f"Check the path of {option}")
    try:
        module = _run(path.resolve()) if path.suffix == ".py" else importlib.import_module(place)
        function = getattr(module, attribute)
    except (ImportError, AttributeError) as error:
        raise InputError(
            f"an importable factory {name!r}",
            str(error),
            "Run where the module can be imported, or give the path of its file",
        ) from error
    if not callable(function):
        raise InputError(f"a callable {name!r}", type(function).__name__, "Name a function")
    made: Callable[..., Any] = function
    return made


def _run(path: Path) -> ModuleType:
    """Run a file as a module of its own: another one of the same name may be loaded already."""
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))  # for what stands beside it
    name = f"chaffinch_model_{digest(str(path).encode())}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot load {path}")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
