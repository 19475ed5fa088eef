"""Listening to the last linear layer of a model in training, without a second pass."""

import logging
from typing import Any

import torch
from torch import Tensor, nn

from chaffinch.core.errors import InputError
from chaffinch.training.watching.measures import Head

_LOG = logging.getLogger("chaffinch")

_KEPT = ("_saved_mat1", "_saved_self")
"""Where autograd keeps the inputs of a linear layer, with a bias and without."""


class HeadListener:
    """Keeps what goes into the last linear layer in the passes that train.

    Until it is known which layer is the last, it listens to all linear ones: the last is that whose
    output is the model's output. Passes in evaluation mode or without gradients are not heard.

    Args:
        model: The model.
        layer: The layer, if it is known.

    Attributes:
        layer: The last layer, once it is known.
        latest: (B, I) what went into it in the latest training pass; None once it was taken.

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
        self.latest: Tensor | None = None
        self._hooks: list[Any] = []
        self._saved: tuple[type, str] | None = None
        self._tried = False

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
        self._hooks, self._heard, self.latest = [], {}, None
        self._saved, self._tried = None, False

    def take(self, outputs: Tensor) -> Head | None:
        """The layer in the latest training pass; None if it is unknown or saw another batch."""
        if self.searching:
            self._search(outputs)
        latest, self.latest = self.features(outputs), None
        if latest is None and self._saved is not None:
            self._saved = None
            self.attach()  # the model has changed; from the next pass on it is listened to again
        if self.layer is None or latest is None or latest.shape[:-1] != outputs.shape[:1]:
            return None
        return Head(latest, self.layer.bias is not None)

    def features(self, outputs: Tensor) -> Tensor | None:
        """(B, I) what went into the layer in the latest pass, which gave these outputs."""
        if self._saved is None:
            return self.latest
        kind, name = self._saved
        if type(outputs.grad_fn) is not kind:
            return None
        try:
            kept: Tensor | None = getattr(outputs.grad_fn, name)
        except RuntimeError:  # it was written over since
            return None
        return None if kept is None else kept.detach()  # a frozen layer keeps nothing

    def rest(self, outputs: Tensor, head: Head | None) -> None:
        """Take the hook off if autograd has kept the very inputs that it heard in this pass.

        A hook slows a small layer down by a third, and what autograd keeps costs nothing to look
        at. Under mixed precision, or where the outputs are passed on by something else, what is
        kept is not what went in, and the hook stays.
        """
        if self._tried or head is None or self._saved is not None:
            return
        self._tried = True
        for name in _KEPT:
            kept = getattr(outputs.grad_fn, name, None)
            if isinstance(kept, Tensor) and _same(kept, head.features):
                self.detach()
                self._saved, self._tried = (type(outputs.grad_fn), name), True
                return

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
        self.latest = latest

    def _keep(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if module.training and torch.is_grad_enabled():
            self.latest = inputs[0].detach()

    def _hear(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if module.training and torch.is_grad_enabled() and isinstance(module, nn.Linear):
            self._heard.pop(module, None)  # so that the order is that of the calls
            self._heard[module] = inputs[0].detach(), output.detach()


def _same(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors are the same memory, read in the same way."""
    alike = one.shape == other.shape and one.stride() == other.stride()
    return alike and one.dtype is other.dtype and one.data_ptr() == other.data_ptr()
