"""Listening to the last linear layer of a model in training, without a second pass."""

import logging
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from chaffinch.core.errors import InputError
from chaffinch.models.layers import has_own_weight, is_linear, is_plain
from chaffinch.training.watching.measures import Head

_LOG = logging.getLogger("chaffinch")

_KEPT = ("_saved_mat1", "_saved_self")
"""Where autograd keeps the inputs of a linear layer, with a bias and without."""


class HeadListener:
    """Keeps what goes into the last linear layer in the passes that train.

    Until it is known which layer is the last, it listens to all linear ones: the last is that whose
    output has the values of the model's output. In every batch it is looked at whether that still
    holds: gradients do not follow from inputs and outputs where something stands between the layer
    and the model's output. Passes in evaluation mode or without gradients are not heard.

    Args:
        model: The model.
        layer: The layer, if it is known.

    Attributes:
        layer: The last layer, once it is known.

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
        self._heard: dict[nn.Linear, _Pass] = {}
        self._latest: _Pass | None = None
        self._hooks: list[Any] = []
        self._saved: tuple[type, str] | None = None
        self._tried = False
        self._warned = False

    @property
    def searching(self) -> bool:
        """Whether it is still open which layer is the last."""
        return bool(self._candidates)

    def attach(self) -> None:
        """Begin to listen."""
        hook = self._hear if self.layer is None else self._keep
        layers = self._candidates if self.layer is None else [self.layer]
        self._hooks = [one.register_forward_hook(hook, with_kwargs=True) for one in layers]

    def detach(self) -> None:
        """Take all hooks off."""
        for hook in self._hooks:
            hook.remove()
        self._hooks, self._heard, self._latest = [], {}, None
        self._saved, self._tried = None, False

    def forget(self) -> None:
        """The latest pass was taken."""
        self._latest = None

    def take(self, outputs: Tensor) -> Head | None:
        """The layer in the latest training pass; None if it is unknown or saw another batch."""
        if self.searching:
            self._search(outputs)
        latest, layer = self._latest, self.layer
        features = self.features(outputs) if self._saved or latest is None else latest.features
        self._latest = None
        if features is None and self._saved is not None:
            self._saved = None
            self.attach()  # the model has changed; from the next pass on it is listened to again
        if layer is None or features is None or features.shape[:-1] != outputs.shape[:1]:
            return None
        if latest is None:
            linear = is_linear(layer, features, outputs)
        else:
            linear = self._follows(latest, outputs)
        if not linear and not self._warned:
            self._warned = True
            _LOG.warning(
                "the model's outputs are not those of its last linear layer (something scales or "
                "changes them): gradient norms and influence are not recorded for such batches"
            )
        return Head(features, layer.bias is not None, linear)

    def features(self, outputs: Tensor) -> Tensor | None:
        """(B, I) what went into the layer in the latest pass, if these outputs follow from it."""
        if self._saved is None:
            latest = self._latest
            return None if latest is None or not self._follows(latest, outputs) else latest.features
        kind, name = self._saved
        if type(outputs.grad_fn) is not kind:
            return None
        try:
            kept: Tensor | None = getattr(outputs.grad_fn, name)
        except RuntimeError:  # it was written over since
            return None
        return None if kept is None else kept.detach()  # a frozen layer keeps nothing

    def _follows(self, heard: "_Pass", outputs: Tensor) -> bool:
        """Whether outputs are those of the layer in a pass, and these those of its input."""
        layer = self.layer
        if layer is None or not has_own_weight(layer):
            return False
        if outputs.grad_fn is not None and outputs.grad_fn is heard.node and is_plain(layer, 1):
            return True  # nothing stands between; no value has to be looked at
        return heard.gave(outputs) and is_linear(layer, heard.features, heard.output)

    def rest(self, outputs: Tensor, head: Head | None) -> None:
        """Take the hook off if autograd has kept the very inputs that it heard in this pass.

        A hook slows a small layer down by a third, and what autograd keeps costs nothing to look
        at. Under mixed precision, or where the outputs are passed on by something else, what is
        kept is not what went in, and the hook stays.
        """
        if self._tried or head is None or self._saved is not None or self.layer is None:
            return
        if not (head.linear and is_plain(self.layer, 1)):
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
        for layer, heard in reversed(list(self._heard.items())):
            self.layer, latest = layer, heard
            if self._follows(heard, outputs):
                break
        else:
            self.layer = latest = None
            if not outputs.detach().any():
                return  # a head that starts at zero: a scale behind it does not show yet
            _LOG.warning(
                "the model does not end in a linear layer with a weight of its own (something may "
                "scale or change its outputs): gradient norms are not recorded"
            )
        self.detach()
        self._candidates = []
        if self.layer is not None:
            self.attach()
        self._latest = latest

    def _keep(self, module: nn.Module, args: Any, kwargs: Any, output: Tensor) -> None:
        if module.training and torch.is_grad_enabled():
            given: Tensor = args[0] if args else kwargs["input"]
            shown = output.detach()  # of the same memory
            self._latest = _Pass(given.detach(), shown, shown._version, output.grad_fn)

    def _hear(self, module: nn.Module, args: Any, kwargs: Any, output: Tensor) -> None:
        if module.training and torch.is_grad_enabled() and isinstance(module, nn.Linear):
            self._heard.pop(module, None)  # so that the order is that of the calls
            self._keep(module, args, kwargs, output)
            if self._latest is not None:
                self._heard[module] = self._latest


class _Pass(NamedTuple):
    """A layer in one pass: its input, its output, how often that was written to, and its node."""

    features: Tensor
    output: Tensor
    written: int
    node: Any

    def gave(self, outputs: Tensor) -> bool:
        """Whether outputs have the values that the layer's output had."""
        found, own = outputs.detach(), self.output
        if own.shape != found.shape or own._version != self.written:
            return False
        # Of zeros alone, nothing can be told.
        return torch.equal(own.to(found.dtype), found) and bool(found.any())


def _same(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors are the same memory, read in the same way."""
    alike = one.shape == other.shape and one.stride() == other.stride()
    return alike and one.dtype is other.dtype and one.data_ptr() == other.data_ptr()
