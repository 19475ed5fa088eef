"""Recording what layers saw: hooks and modes that are always put back."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge

from chaffinch.core.errors import InputError


@dataclass(frozen=True)
class Call:
    """One call of a module in a forward pass.

    Attributes:
        module: The module.
        layer_input: Its first argument, detached.
        edge: Where the gradient of its output comes by in the backward pass; taken before
            anything changes the output in place.
    """

    module: nn.Module
    layer_input: Tensor
    edge: GradientEdge


@contextmanager
def recording(modules: Iterable[nn.Module]) -> Iterator[list[Call]]:
    """Record the calls of modules whose output needs a gradient; the hooks come off at the end.

    The output is that of the module itself, before any hook of the user changes it.
    """
    calls: list[Call] = []

    def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> None:
        given = args[0] if args else kwargs.get("input")
        if isinstance(out, Tensor) and out.requires_grad and isinstance(given, Tensor):
            calls.append(Call(module, given.detach(), get_gradient_edge(out)))

    with hooked(modules, hook, first=True):
        yield calls


@contextmanager
def hooked(
    modules: Iterable[nn.Module], hook: Callable[..., None], *, first: bool = False
) -> Iterator[None]:
    """Call ``hook(module, args, kwargs, output)`` after each call, perhaps before other hooks."""
    handles = []
    try:
        for module in modules:
            handle = module.register_forward_hook(hook, with_kwargs=True, prepend=first)
            handles.append(handle)
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Eval mode with gradients on; afterwards every module has the mode that it had.

    Blocks of Transformers that recompute their activations do so in training mode only: they keep
    it, and everything inside them is in eval mode. Inference mode, which knows no gradients, is
    left for as long.

    Raises:
        InputError: Parameters or buffers that were made in inference mode, or have no values.
    """
    modes = [(module, module.training) for module in model.modules()]
    if any(isinstance(one, nn.UninitializedParameter) for one in model.parameters()):
        raise InputError(
            "a model whose parameters have shapes", "a lazy one that has not run", "Run it once"
        )
    if any(one.is_inference() for one in model.parameters()):
        raise _of_inference_mode("parameters")
    if any(one.is_meta for one in model.parameters()):
        raise InputError("a model with weights", "one on the meta device", "Load its weights")
    try:
        model.eval()
        for module, _ in modes:
            if _recomputes(module):
                module.training = True
        with torch.inference_mode(False), torch.enable_grad():
            yield
    except RuntimeError as error:
        if "nference tensor" in str(error):
            raise _of_inference_mode("tensors") from error
        raise
    finally:
        for module, mode in modes:
            module.training = mode


def _of_inference_mode(what: str) -> InputError:
    return InputError(
        "a model whose tensors can have gradients",
        f"{what} that were made in torch.inference_mode()",
        "Make or load the model outside of it",
    )


def _recomputes(module: nn.Module) -> bool:
    """Whether a module is a block of Transformers with gradient checkpointing switched on."""
    known = any(kind.__name__ == "GradientCheckpointingLayer" for kind in type(module).__mro__)
    return known and bool(getattr(module, "gradient_checkpointing", False))
