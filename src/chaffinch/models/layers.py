"""Finding the last linear layer and listening to its input."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chaffinch.models.forward import forward


def is_linear(layer: nn.Linear, given: Tensor, output: Tensor) -> bool:
    """Whether a layer's output is what weight and bias make of its input, to within rounding.

    False where a hook, or a ``forward`` of its own, does something else: then the gradient by the
    layer is not the outer product of output error and input.

    Args:
        layer: The layer.
        given: (..., I) its input.
        output: (..., O) its output, as the layer itself left it.
    """
    weight, bias = layer.weight.detach(), layer.bias
    if output.shape != (*given.shape[:-1], len(weight)):
        return False
    wide = torch.promote_types(given.dtype, torch.float32)
    with torch.no_grad(), torch.autocast(output.device.type, enabled=False):
        inputs, weight = given.detach().to_dense().to(wide), weight.to(wide)
        shift = weight.new_zeros(len(weight)) if bias is None else bias.detach().to(wide)
        error = (F.linear(inputs, weight, shift) - output.detach().to(wide)).abs()
        size = inputs.norm(dim=-1, keepdim=True) * weight.norm(dim=1) + shift.abs()
        # What is not finite is nothing to go by, and is left out of all records.
        near = (error <= _slack(output, given, weight) * size) | ~error.isfinite()
        return bool(near.all())


def _slack(*tensors: Tensor) -> float:
    """How far products may be off, against the sizes of their factors."""
    coarsest = max(torch.finfo(one.dtype).eps for one in tensors)
    slack = 100 * coarsest if coarsest <= torch.finfo(torch.float32).eps else 4 * coarsest
    exact = tensors[0].is_cpu and torch.get_float32_matmul_precision() == "highest"
    return slack if exact or coarsest < torch.finfo(torch.float32).eps else max(slack, 2e-3)


def has_own_weight(layer: nn.Linear) -> bool:
    """Whether weight and bias are all the parameters that a layer has, and are used as they are.

    False under a parametrization (weight or spectral norm) and for subclasses with more of them.
    """
    names = {name for name, one in layer._parameters.items() if one is not None}
    expected = {"weight"} if layer.bias is None else {"weight", "bias"}
    return names == expected and not layer._modules


def is_plain(layer: nn.Linear, hooks: int) -> bool:
    """Whether a layer does what ``nn.Linear`` does, without a look at its outputs.

    Args:
        layer: The layer.
        hooks: How many forward hooks on it are known to leave its output alone.
    """
    own = type(layer).forward is nn.Linear.forward and "forward" not in vars(layer)
    return own and has_own_weight(layer) and len(layer._forward_hooks) <= hooks


def last_linear(model: nn.Module, batch: Tensor) -> nn.Linear | None:
    """The linear layer that makes the model's output, going by values, if there is one.

    Args:
        model: Any model; run once on ``batch`` in eval mode, its modes restored.
        batch: Encoded samples; the more, the less may a clamp go unnoticed.

    Returns:
        The layer, or None for a model that ends in something else.
    """
    heard: dict[nn.Linear, tuple[Tensor, Tensor]] = {}

    def keep(module: nn.Module, args: Any, kwargs: Any, output: Tensor) -> None:
        if isinstance(module, nn.Linear):  # what follows may work in place
            heard[module] = (args[0] if args else kwargs["input"]).detach(), output.clone()

    linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
    hooks = [module.register_forward_hook(keep, with_kwargs=True) for module in linear]
    try:
        with evaluation(model), torch.no_grad():
            logits = forward(model, batch)
    finally:
        for hook in hooks:
            hook.remove()
    if not isinstance(logits, Tensor):
        return None
    for layer, (given, output) in reversed(list(heard.items())):
        same = output.ndim == 2 and torch.equal(output.to(logits.dtype), logits)
        if same and is_linear(layer, given, output):
            return layer
    return None


@contextmanager
def evaluation(model: nn.Module) -> Iterator[None]:
    """Put a model in eval mode and give every module its own mode back."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


class InputListener:
    """Keeps the input of a layer in the latest forward pass; a context manager.

    Args:
        layer: The layer to listen to, or None to hear nothing.
    """

    def __init__(self, layer: nn.Module | None) -> None:
        self._layer = layer
        self.latest: Tensor | None = None

    def __enter__(self) -> "InputListener":
        if self._layer is not None:
            # After the pass: hooks that came later may yet have changed what goes in.
            self._hook = self._layer.register_forward_hook(self._keep, with_kwargs=True)
        return self

    def _keep(self, _module: nn.Module, args: Any, kwargs: Any, _output: Any) -> None:
        self.latest = (args[0] if args else kwargs["input"]).detach()

    def __exit__(self, *_exception: object) -> None:
        if self._layer is not None:
            self._hook.remove()
        self.latest = None
