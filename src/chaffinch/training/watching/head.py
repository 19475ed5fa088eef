"""Listening to the last linear layer of a model in training, without a second pass."""

import logging
from typing import Any

import torch
from torch import Tensor, nn

from chaffinch.core.errors import InputError
from chaffinch.training.watching.measures import Head

_LOG = logging.getLogger("chaffinch")


class HeadListener:
    """Keeps what goes into the last linear layer in the passes that train.

    Until it is known which layer is the last, it listens to all linear ones: the last is that whose
    output is the model's output. Passes in evaluation mode or without gradients are not heard.

    Args:
        model: The model.
        layer: The layer, if it is known.

    Raises:
        InputError: The layer is none of the model's linear ones.
    """

    def __init__(self, model: nn.Module, layer: nn.Linear | None = None) -> None:
        linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
        if layer is not None and not any(layer is one for one in linear):
            raise InputError(
                "a linear layer of the model as layer",
                repr(layer) if isinstance(layer, str) else f"{type(layer).__name__} not in it",
                "Give the module itself, such as model.head",
            )
        self.layer = layer
        self._candidates = linear if layer is None else []
        self._heard: dict[nn.Linear, tuple[Tensor, Tensor]] = {}
        self._latest: Tensor | None = None
        self._hooks: list[Any] = []

    @property
    def searching(self) -> bool:
        """Whether it is still open which layer is the last."""
        return bool(self._candidates)

    def attach(self) -> None:
        """Begin to listen."""
        if self.layer is not None:
            self._hooks = [self.layer.register_forward_pre_hook(self._keep)]
        else:
            self._hooks = [one.register_forward_hook(self._hear) for one in self._candidates]

    def detach(self) -> None:
        """Take all hooks off."""
        for hook in self._hooks:
            hook.remove()
        self._hooks, self._heard, self._latest = [], {}, None

    def take(self, outputs: Tensor) -> Head | None:
        """The layer in the latest training pass; None if it is unknown or saw another batch."""
        if self.searching:
            self._search(outputs)
        latest, self._latest = self._latest, None
        if self.layer is None or latest is None or latest.shape[:-1] != outputs.shape[:1]:
            return None
        return Head(latest, self.layer.bias is not None)

    def _search(self, outputs: Tensor) -> None:
        if not self._heard:
            return  # the outputs of no pass that was heard
        found = outputs.detach()
        for layer, (features, output) in reversed(list(self._heard.items())):
            if output.shape == found.shape and torch.equal(output.to(found.dtype), found):
                self.layer, latest = layer, features
                break
        else:
            latest = None
            _LOG.warning(
                "the model does not end in a linear layer: gradient norms are not recorded; "
                "name the layer by cf.watch(layer=...)"
            )
        self.detach()
        self._candidates = []
        if self.layer is not None:
            self.attach()
        self._latest = latest

    def _keep(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if module.training and torch.is_grad_enabled():
            self._latest = inputs[0].detach()

    def _hear(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if module.training and torch.is_grad_enabled() and isinstance(module, nn.Linear):
            self._heard.pop(module, None)  # so that the order is that of the calls
            self._heard[module] = inputs[0].detach(), output.detach()
