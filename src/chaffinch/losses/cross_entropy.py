"""Cross-entropy, which every robust loss of this package is until its warm-up is over."""

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar, Unpack

import torch
from torch import Tensor, nn

from chaffinch.core.errors import InputError
from chaffinch.core.registry import Registry
from chaffinch.losses.loss import Batch, Common, as_tensor, check_count

_REDUCTIONS = ("mean", "sum", "none")


class CrossEntropy(nn.Module):
    """``-log p_y``, in place of ``torch.nn.CrossEntropyLoss``; the other losses depart from it.

    A loss is a matrix (B, C): what each sample would lose with each class as its label. The label
    picks the column; a soft label takes the mean under its distribution, so a mixup of two samples
    has the mixed loss of both labels. Half precision is computed, and returned, in float32.

    In a loss with a schedule (warm-up, a ramp), call `epoch` before each epoch. Until the warm-up
    is over, every loss equals this one. Evaluation mode changes no state and draws nothing.

    Class weights multiply the loss of a sample by the weight of its label. As in torch, "mean"
    divides by the sum of these weights, with soft labels by B. Of an empty batch "sum" is 0 and
    "mean" NaN.

    Args:
        common: `Common`: `weight` (C,), `reduction` and `warm_up`.

    Raises:
        InputError: An option is out of its bounds.
    """

    paper: ClassVar[str] = ""
    weight: Tensor | None

    def __init__(self, **common: Unpack[Common]) -> None:
        super().__init__()
        unknown = sorted(set(common) - set(Common.__annotations__))
        if unknown:
            known = ", ".join(sorted(Common.__annotations__))
            raise InputError(f"options of this loss or {known}", f"{unknown}", "Check the spelling")
        self.reduction = common.get("reduction", "mean")
        if self.reduction not in _REDUCTIONS:
            raise InputError("'mean', 'sum' or 'none'", repr(self.reduction), "Choose one of these")
        self.warm_up = check_count("warm_up", common.get("warm_up", 0))
        weight = common.get("weight")
        self.register_buffer("weight", None if weight is None else as_tensor(weight))
        self._epoch: int | None = None

    def forward(self, logits: Tensor, target: Tensor, ids: Tensor | None = None) -> Tensor:
        """The loss of a batch.

        Args:
            logits: (B, C) outputs of the model.
            target: (B,) integer codes of the labels, or (B, C) soft labels that sum to 1.
            ids: (B,) positions of the samples in the training data, from 0, for losses with a
                state by sample; others take no notice of them.

        Returns:
            (B,) with reduction "none", else ().

        Raises:
            InputError: Shapes do not match, or the schedule was not told the epoch.
        """
        # Autocast would do the products of matrices in half precision.
        with torch.autocast(logits.device.type, enabled=False):
            batch = Batch.of(logits, target, ids)
            warming_up = not self.reached(self.warm_up)
            if self.training:
                self.observe(batch)
            losses, counts = self._weighted(batch, warming_up)
            kept = None if warming_up else self.kept(batch)
            return self._reduce(losses, counts, kept)

    def epoch(self, number: int) -> None:
        """Tell a loss with a schedule which epoch, counted from 0, begins."""
        self._epoch = check_count("the number of the epoch", number)

    def class_losses(self, batch: Batch) -> Tensor:
        """(B, C) what each sample would lose with each class as its label."""
        return -batch.log_probabilities

    def label_losses(self, batch: Batch) -> Tensor:
        """(B,) what each sample loses with its code as the label."""
        return batch.at_label(self.class_losses(batch))

    def observe(self, batch: Batch) -> None:
        """Bring a state by sample up to date; called in training mode, during warm-up too."""

    def kept(self, batch: Batch) -> Tensor | None:
        """(B,) bool, samples that take part in the loss; None for all. Others lose 0."""

    def ramp(self, epochs: int) -> float:
        """0 in the first epoch after the warm-up, from there in equal steps to 1 in ``epochs``."""
        if epochs == 0:
            return 1.0
        return min(1.0, max(0, self._now() - self.warm_up) / epochs)

    def get_extra_state(self) -> dict[str, Any]:
        """What the state dict holds besides the buffers."""
        return {"epoch": self._epoch}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Go on from `get_extra_state`."""
        self._epoch = state["epoch"]

    def extra_repr(self) -> str:
        """The options, for ``repr``."""
        shown = {k: v for k, v in vars(self).items() if isinstance(v, (bool, int, float, str))}
        del shown["training"]
        return ", ".join(f"{k}={v!r}" for k, v in shown.items() if not k.startswith("_"))

    def reached(self, epoch: int) -> bool:
        """Whether that epoch has come; of the present one there is no need for epoch 0."""
        return epoch == 0 or self._now() >= epoch

    def _now(self) -> int:
        if self._epoch is None:
            raise InputError(
                "the number of the epoch, on which this loss depends",
                "none yet",
                "Call loss.epoch(number), counted from 0, before each epoch",
            )
        return self._epoch

    def _weighted(self, batch: Batch, plain: bool) -> tuple[Tensor, Tensor]:
        """(B,) losses times class weights, and (B,) what each counts in the mean."""
        weight = None if self.weight is None else self.weight.to(batch.logits)
        if weight is not None and weight.shape != batch.logits.shape[1:]:
            raise InputError(
                f"weights ({batch.logits.shape[1]},) of the classes",
                f"shape {tuple(weight.shape)}",
                "Give one weight a class",
            )
        if batch.soft:
            matrix = -batch.log_probabilities if plain else self.class_losses(batch)
            losses = batch.at_label(matrix if weight is None else matrix * weight)
            return losses, torch.ones_like(losses)
        losses = batch.at_label(-batch.log_probabilities) if plain else self.label_losses(batch)
        counts = torch.ones_like(losses) if weight is None else weight[batch.target]
        return losses * counts, counts

    def _reduce(self, losses: Tensor, counts: Tensor, kept: Tensor | None) -> Tensor:
        if kept is not None:
            losses, counts = losses * kept, counts * kept
        if self.reduction == "none":
            return losses
        if self.reduction == "sum":
            return losses.sum()
        total = counts.sum()
        if kept is not None and len(kept):  # none may be left; they lose 0 and have no gradient
            total = torch.where(kept.any(), total, torch.ones_like(total))
        return losses.sum() / total


LOSSES: Registry[type[CrossEntropy]] = Registry("loss")

Class = TypeVar("Class", bound=type[CrossEntropy])


def loss(name: str, paper: str) -> Callable[[Class], Class]:
    """Register the class of a loss by its name and its source."""

    def register(kind: Class) -> Class:
        kind.paper = paper
        LOSSES.add(name, kind)
        return kind

    return register


loss("cross_entropy", "Shannon, A Mathematical Theory of Communication, 1948")(CrossEntropy)
