"""Finding the last linear layer and listening to its input."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


def last_linear(model: nn.Module, batch: Tensor) -> nn.Linear | None:
    """The linear layer whose output is the model's output, if there is one.

    Args:
        model: Any model; run once on ``batch`` in eval mode, its modes restored.
        batch: A few encoded samples.

    Returns:
        The layer, or None for a model that ends in something else.
    """
    outputs: dict[nn.Linear, Tensor] = {}

    def keep(module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if isinstance(module, nn.Linear):
            outputs[module] = output.clone()  # what follows may work in place

    hooks = [m.register_forward_hook(keep) for m in model.modules() if isinstance(m, nn.Linear)]
    try:
        with evaluation(model), torch.no_grad():
            logits = model(batch)
    finally:
        for hook in hooks:
            hook.remove()
    if not isinstance(logits, Tensor):
        return None
    for layer, output in reversed(list(outputs.items())):
        if output.ndim == 2 and torch.equal(output.to(logits.dtype), logits):
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
            self._hook = self._layer.register_forward_pre_hook(self._keep)
        return self

    def _keep(self, _module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self.latest = inputs[0].detach()

    def __exit__(self, *_exception: object) -> None:
        if self._layer is not None:
            self._hook.remove()
        self.latest = None
