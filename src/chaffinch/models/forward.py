"""Running code of users: what their models, losses and data raise becomes one clear error."""

import copy
import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from chaffinch.core.errors import ChaffinchError, InputError

_FIT = "Check that types and shapes of the data are what it takes, on one batch of them"
_LONGEST = 300

DIFFERENTIABLE = "a model and a loss with a backward pass"
"""What is expected of them in `running`."""


def forward(model: nn.Module, x: Any) -> Any:
    """Call a model on a batch.

    Args:
        model: The model, in the mode that is wanted.
        x: A tensor, a tuple of arguments, or a mapping of keywords.

    Returns:
        What the model returns.

    Raises:
        InputError: The model raised an error. It names the class of the model and the batch, and
            has that error as its cause.
    """
    with running_model(model, x):
        if isinstance(x, dict):
            return model(**x)
        return model(*x) if isinstance(x, tuple) else model(x)


@contextmanager
def running_model(model: nn.Module, x: Any) -> Iterator[None]:
    """Let what a model raises on a batch be one clear error; as `forward` where it is called."""
    with running(lambda: f"a model ({type(model).__name__}) that runs on {described(x)}"):
        yield


@contextmanager
def running(what: str | Callable[[], str], remedy: str = _FIT) -> Iterator[None]:
    """Let what code of users raises be one clear error.

    Args:
        what: What was expected to run, or a function that says it.
        remedy: What to do about it.

    Raises:
        InputError: It raised an error; that one is its cause.
    """
    try:
        yield
    except (ChaffinchError, torch.OutOfMemoryError, MemoryError):
        raise
    except Exception as error:  # code of users raises whatever it likes
        said = str(error)
        if "nference tensor" in said:  # `evaluating` says more
            raise
        raise InputError(
            what() if callable(what) else what,
            f"{type(error).__name__}: {' '.join(said.split())[:_LONGEST]}",
            remedy,
        ) from error


def copy_of(model: nn.Module) -> nn.Module:
    """A copy of a model with parameters of its own.

    Raises:
        InputError: The model cannot be copied.
    """
    with running(
        f"a model ({type(model).__name__}) that can be copied",
        "Pass a function that makes the model, or take out what copy.deepcopy cannot copy",
    ):
        if not isinstance(model, torch.jit.ScriptModule):
            return copy.deepcopy(model)
        # deepcopy makes its parameters results of an operation, which no optimizer takes.
        content = io.BytesIO()
        torch.jit.save(model, content)
        content.seek(0)
        made: nn.Module = torch.jit.load(content)  # type: ignore[no-untyped-call]
        return made


def described(x: Any) -> str:
    """A batch in a few words: types and shapes of its tensors."""
    if isinstance(x, Tensor):
        kind = str(x.dtype).removeprefix("torch.")
        return f"{kind} ({', '.join(map(str, x.shape))})"
    if isinstance(x, Mapping):
        return ", ".join(f"{name}: {described(value)}" for name, value in x.items())
    if isinstance(x, tuple | list):
        return ", ".join(map(described, x))
    return type(x).__name__
