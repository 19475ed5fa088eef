"""Binary cross-entropy of tags, several of which may hold at once; other tag losses build on it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar, Unpack

import torch
from torch import Tensor
from torch._C._functorch import is_functorch_wrapped_tensor
from torch.nn import functional as F

from chaffinch.core.errors import InputError
from chaffinch.core.registry import Registry
from chaffinch.losses.cross_entropy import CrossEntropy
from chaffinch.losses.loss import Common


@dataclass(frozen=True, eq=False)
class TagBatch:
    """A batch as a loss of tags sees it.

    Attributes:
        logits: (B, K) in float32 at least.
        target: (B, K) in 0..1, in the type of the logits; 0 where it is not known.
        known: (B, K) 1 where the target is known, else 0, in the type of the logits.
    """

    logits: Tensor
    target: Tensor
    known: Tensor

    @classmethod
    def of(cls, logits: Tensor, target: Tensor) -> "TagBatch":
        """Check the shapes and types of what a loss was called with.

        Raises:
            InputError: The shapes do not match, or a target is above 1.
        """
        if logits.ndim != 2 or not logits.is_floating_point() or not logits.shape[1]:
            raise InputError(
                "logits (B, K) in floating point, one a tag",
                f"shape {tuple(logits.shape)}, {logits.dtype}",
                "Let the last layer of the model have one output per tag",
            )
        if target.shape != logits.shape:
            raise InputError(
                f"targets of 0 and 1 of shape {tuple(logits.shape)}, one a tag",
                f"shape {tuple(target.shape)}, {target.dtype}",
                "Encode the tags with one column each",
            )
        if logits.dtype in (torch.float16, torch.bfloat16):
            logits = logits.float()
        wide = target.to(logits.dtype)
        _check_target(wide)
        known = wide >= 0  # False for NaN as well
        return cls(logits, torch.where(known, wide, 0), known.to(logits.dtype))


def _check_target(target: Tensor) -> None:
    # Inside vmap or grad no value can be looked at; on an accelerator a look makes every step wait.
    if not target.numel() or is_functorch_wrapped_tensor(target) or target.device.type != "cpu":
        return
    most = float(target.detach().nan_to_num(nan=0.0).max())
    if most > 1:
        raise InputError(
            "targets of tags from 0 to 1, negative or NaN where unknown",
            f"a target of {most:g}",
            "Encode a tag that holds as 1 and one that does not as 0",
        )


class BinaryCrossEntropy(CrossEntropy):
    """``-y log p - (1 - y) log(1 - p)`` with ``p = sigmoid(logit)``, averaged over the K tags.

    Targets that are negative or NaN are unknown and cost nothing; each of the others counts 1 / K,
    however many are known. Options, schedule, half precision and `state_dict` are those of
    `CrossEntropy`. The weights (K,) multiply the losses of the tags; "mean" divides by B.

    Args:
        common: `chaffinch.losses.loss.Common`; `weight` has one entry per tag.

    Raises:
        InputError: An option is out of its bounds.
    """

    def __init__(self, **common: Unpack[Common]) -> None:
        super().__init__(**common)

    def forward(self, logits: Tensor, target: Tensor, ids: Tensor | None = None) -> Tensor:
        """The loss of a batch.

        Args:
            logits: (B, K) outputs of the model.
            target: (B, K) tags: 1 where one holds, 0 where not, negative or NaN where unknown;
                values between are probabilities.
            ids: Ignored; for calls in the place of other losses.

        Returns:
            (B,) with reduction "none", else ().

        Raises:
            InputError: Shapes do not match, or the schedule was not told the epoch.
        """
        del ids
        with torch.autocast(logits.device.type, enabled=False):
            batch = TagBatch.of(logits, target)
            kind = BinaryCrossEntropy if not self.reached(self.warm_up) else type(self)
            losses = kind.tag_losses(self, batch) * batch.known
            if self.weight is not None:
                losses = losses * self._weight_of(losses)
            return self._reduced(losses.mean(1))

    def tag_losses(self, batch: TagBatch) -> Tensor:
        """(B, K) what each tag of each sample loses."""
        return F.binary_cross_entropy_with_logits(batch.logits, batch.target, reduction="none")

    def _weight_of(self, losses: Tensor) -> Tensor:
        weight = losses.new_ones(losses.shape[1]) if self.weight is None else self.weight
        if weight.shape != losses.shape[1:]:
            raise InputError(
                f"weights ({losses.shape[1]},) of the tags",
                f"shape {tuple(weight.shape)}",
                "Give one weight per tag",
            )
        return weight.to(losses)

    def _reduced(self, losses: Tensor) -> Tensor:
        if self.reduction == "none":
            return losses
        return losses.sum() if self.reduction == "sum" else losses.mean()


TAG_LOSSES: Registry[type[BinaryCrossEntropy]] = Registry("loss for tags")

Class = TypeVar("Class", bound=type[BinaryCrossEntropy])


def tag_loss(name: str, paper: str) -> Callable[[Class], Class]:
    """Register the class of a loss of tags by its name and its source."""

    def register(kind: Class) -> Class:
        kind.paper = paper
        TAG_LOSSES.add(name, kind)
        return kind

    return register


tag_loss("binary_cross_entropy", "Cox, The Regression Analysis of Binary Sequences, 1958")(
    BinaryCrossEntropy
)
