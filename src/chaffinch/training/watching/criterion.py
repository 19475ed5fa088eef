"""The loss of a watch: one value a sample, and what their sum is divided by."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chaffinch.core.errors import InputError
from chaffinch.losses import LOSSES, CrossEntropy
from chaffinch.models.forward import running

LossLike = str | nn.Module | Callable[..., Tensor] | None


class Criterion:
    """Calls a loss so that it has one value a sample.

    The reduction of a loss module is set to "none" until `close`. "mean" then divides the sum by
    what the loss itself would divide by: the number of samples, the sum of their class weights, or
    the number of samples that a sieve keeps.

    Args:
        loss: None for cross-entropy, a name of `chaffinch.losses.LOSSES`, a module with a
            `reduction`, or a function of logits (B, C) and labels that returns (B,).
        num_samples: N, for losses that remember samples.

    Raises:
        InputError: An unknown name, or something that cannot be called.
    """

    def __init__(self, loss: LossLike, num_samples: int) -> None:
        kind = LOSSES[loss] if isinstance(loss, str) else None
        self._kind = None if kind is CrossEntropy else kind
        self._loss = None if isinstance(loss, str) else loss
        if self._loss is not None and not callable(self._loss):
            raise InputError(
                "the name of a loss, a module or a function", repr(loss), "See docs/losses.md"
            )
        self._num_samples = num_samples
        self._epoch = 0
        self._reduction = str(getattr(self._loss, "reduction", "mean"))
        if isinstance(self._loss, nn.Module) and hasattr(self._loss, "reduction"):
            self._loss.reduction = "none"  # type: ignore[assignment]

    @property
    def plain(self) -> bool:
        """Whether the loss is cross-entropy without options."""
        return self._loss is None and self._kind is None

    def prepare(self, num_classes: int, device: torch.device) -> None:
        """Make a loss that was given by its name."""
        if self._kind is None:
            return
        known: dict[str, Any] = {"num_samples": self._num_samples, "num_classes": num_classes}
        takes = inspect.signature(self._kind).parameters
        options = {name: value for name, value in known.items() if name in takes}
        needed = [p for p in takes.values() if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
        lacking = [p.name for p in needed if p.name not in options]
        if lacking:
            raise InputError(
                f"the options {', '.join(lacking)} of {self._kind.__name__}",
                "only its name",
                f"Pass the loss itself: cf.losses.{self._kind.__name__}(...)",
            )
        self._loss = self._kind(reduction="none", **options).to(device)
        self._kind = None
        self.epoch(self._epoch)

    def epoch(self, number: int) -> None:
        """Tell the loss which epoch, counted from 0, begins."""
        self._epoch = number
        if isinstance(self._loss, CrossEntropy):
            self._loss.epoch(number)

    def __call__(self, outputs: Tensor, target: Tensor, ids: Tensor) -> Tensor:
        """(B,) losses.

        Raises:
            InputError: Labels that do not fit, or a loss with another number of values.
        """
        if self._loss is None:
            return cross_entropy(outputs, target)
        with running("a loss that runs on outputs and labels"):
            if isinstance(self._loss, CrossEntropy):
                losses: Any = self._loss(outputs, target, ids.to(outputs.device))
            else:
                losses = self._loss(outputs, target)
        if not isinstance(losses, Tensor) or losses.shape != outputs.shape[:1]:
            is_tensor = isinstance(losses, Tensor)
            raise InputError(
                f"a loss with one value a sample, ({len(outputs)},)",
                f"shape {tuple(losses.shape)}" if is_tensor else f"a {type(losses).__name__}",
                "Make it with reduction='none'",
            )
        return losses

    def mean(self, losses: Tensor, target: Tensor) -> Tensor:
        """() what the loss itself would return."""
        if self._loss is None:
            return losses.mean()
        return losses.sum() / self.total(losses, target)

    def total(self, losses: Tensor, target: Tensor) -> Tensor | float:
        """What the weighted sum of the losses is divided by."""
        if self._reduction == "sum":
            return 1.0
        weight = getattr(self._loss, "weight", None)
        sieve = type(self._loss).kept if isinstance(self._loss, CrossEntropy) else None
        if sieve is not None and sieve is not CrossEntropy.kept:
            return losses.detach().count_nonzero().clamp_min(1)
        ignored = getattr(self._loss, "ignore_index", None)
        if isinstance(ignored, int) and not target.is_floating_point():
            target = target[target != ignored]  # samples that the loss itself does not count
        if isinstance(weight, Tensor) and not target.is_floating_point():
            return weight.to(losses)[target].sum()
        return float(len(target))

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Put a loss with a state in evaluation mode for a while: it remembers nothing."""
        loss = self._loss if isinstance(self._loss, nn.Module) else None
        mode = loss.training if loss is not None else False
        if loss is not None:
            loss.eval()
        try:
            yield
        finally:
            if loss is not None:
                loss.train(mode)

    def state_dict(self) -> dict[str, Any]:
        """The state of the loss, empty if it has none."""
        return self._loss.state_dict() if isinstance(self._loss, nn.Module) else {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        if isinstance(self._loss, nn.Module):
            self._loss.load_state_dict(state)

    def close(self) -> None:
        """Give the user's loss its own reduction back."""
        if isinstance(self._loss, nn.Module) and hasattr(self._loss, "reduction"):
            self._loss.reduction = self._reduction  # type: ignore[assignment]


def cross_entropy(outputs: Tensor, target: Tensor, reduction: str = "none") -> Tensor:
    """(B,) cross-entropy in float32 at least, of codes (B,) or soft labels (B, C).

    With the reduction "mean" its mean ().

    Raises:
        InputError: Labels that do not fit.
    """
    # Half precision would round the loss, and overflow its sum.
    half = outputs.dtype in (torch.float16, torch.bfloat16)
    logits = outputs.float() if half else outputs
    try:
        return F.cross_entropy(logits, target, reduction=reduction)
    except (IndexError, RuntimeError, ValueError) as error:
        raise InputError(
            f"labels ({len(outputs)},) in 0..{outputs.shape[1] - 1}, or soft labels",
            f"{target.dtype} {tuple(target.shape)}: {' '.join(str(error).split())[:120]}",
            "Number the classes from 0 without gaps",
        ) from error
