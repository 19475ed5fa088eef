"""What a loss sees of a batch, what all losses can be told, and the registry of their names."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypedDict

import numpy as np
import torch
from torch import Tensor
from torch._C._functorch import is_batchedtensor
from torch.nn import functional as F

from chaffinch.core.errors import InputError
from chaffinch.core.option import real, whole
from chaffinch.core.types import Floats

_LEAST_LOG = math.log(1e-8)
_SLACK, _HALF_SLACK = 1e-3, 2e-2

Numbers = Tensor | Floats | Sequence[float] | Sequence[Sequence[float]]


class Common(TypedDict, total=False):
    """Options of every loss.

    Attributes:
        weight: (C,) what each class counts; None for 1 throughout.
        reduction: "mean" (the default), "sum" or "none".
        warm_up: Epochs of plain cross-entropy first; 0 by default.
    """

    weight: Numbers | None
    reduction: Literal["mean", "sum", "none"]
    warm_up: int


@dataclass(frozen=True, eq=False)
class Batch:
    """A batch as a loss sees it.

    Attributes:
        logits: (B, C) in float32 at least: in half precision a sum of losses would overflow.
        target: (B,) codes in int64, or (B, C) probabilities of the classes in the logits' type.
        ids: (B,) positions of the samples in the training data, in int64, or None.
    """

    logits: Tensor
    target: Tensor
    ids: Tensor | None

    @classmethod
    def of(cls, logits: Tensor, target: Tensor, ids: Tensor | None) -> "Batch":
        """Check the shapes and types of what a loss was called with.

        Raises:
            InputError: The shapes do not match, or a code is not that of a class.
        """
        if logits.ndim != 2 or not logits.is_floating_point() or not logits.shape[1]:
            raise InputError(
                "logits (B, C) in floating point",
                f"shape {tuple(logits.shape)}, {logits.dtype}",
                "Flatten all but the classes: logits.reshape(-1, num_classes)",
            )
        if logits.dtype in (torch.float16, torch.bfloat16):
            logits = logits.float()
        soft = target.is_floating_point()
        if tuple(target.shape) != tuple(logits.shape if soft else logits.shape[:1]):
            raise InputError(
                f"codes ({len(logits)},) or soft labels {tuple(logits.shape)} as floats",
                f"a target of shape {tuple(target.shape)}, {target.dtype}",
                "Give one label a row of the logits",
            )
        if soft:
            check_distributions(target)
        target = target.to(logits.dtype) if soft else target.long()
        # On an accelerator a look at the values would make every step wait for it.
        if not soft and target.device.type == "cpu":
            check_range("codes", target, logits.shape[1])
        if ids is not None and (ids.is_floating_point() or ids.shape != logits.shape[:1]):
            raise InputError(
                f"ids ({len(logits)},) as integers",
                f"shape {tuple(ids.shape)}, {ids.dtype}",
                "Give the position of each sample in the training data",
            )
        return cls(logits, target, None if ids is None else ids.long())

    @property
    def soft(self) -> bool:
        """Whether the labels are distributions over the classes."""
        return self.target.is_floating_point()

    @cached_property
    def log_probabilities(self) -> Tensor:
        """(B, C) logarithms of the softmax."""
        return F.log_softmax(self.logits, dim=1)

    @property
    def bounded_log_probabilities(self) -> Tensor:
        """(B, C) ``log(p + 1e-8)``, for terms that reward small probabilities.

        Without the bound they would go on for ever, and nothing else be learnt.
        """
        least = self.logits.new_tensor(_LEAST_LOG)
        return torch.logaddexp(self.log_probabilities, least)

    @property
    def distribution(self) -> Tensor:
        """(B, C) the labels as distributions over the classes."""
        if self.soft:
            return self.target
        return F.one_hot(self.target, self.logits.shape[1]).to(self.logits.dtype)

    def at_label(self, class_losses: Tensor) -> Tensor:
        """(B,) of each row (B, C) the value at the label, or its mean under a soft label."""
        if self.soft:
            return (self.target * class_losses).sum(1)
        return class_losses.gather(1, self.target[:, None])[:, 0]


def check_distributions(target: Tensor) -> None:
    """Refuse soft labels (B, C) that are no distributions over the classes, such as multi-hot rows.

    Raises:
        InputError: Negative entries, or rows that do not sum to 1.
    """
    if not target.numel() or is_batchedtensor(target):  # inside vmap no value can be looked at
        return
    target = target.detach()
    sums = target.sum(1, dtype=torch.promote_types(target.dtype, torch.float32))
    slack = _SLACK if target.element_size() > 2 else _HALF_SLACK  # nobody rounds rows to sum to 1
    least, off = float(target.min()), (sums - 1).abs()
    if least >= -slack and float(off.max()) <= slack:
        return
    row = int(off.nan_to_num(nan=torch.inf).argmax())
    raise InputError(
        "soft labels (B, C) that are at least 0 and sum to 1 in each row, one class being meant",
        f"entries from {least:g} and a row that sums to {float(sums[row]):g}",
        "Divide counts or votes by their sum; labels of several classes at once (multi-label) "
        "need another loss",
    )


def check_range(what: str, values: Tensor, size: int) -> None:
    """Refuse integers outside 0..size - 1.

    Raises:
        InputError: Some are; the message gives the least and the greatest.
    """
    if not values.numel():
        return
    least, greatest = (int(value) for value in values.aminmax())
    if least < 0 or greatest >= size:
        raise InputError(
            f"{what} in 0..{size - 1}", f"{least} to {greatest}", "Number them from 0 without gaps"
        )


def check_number(name: str, value: float, least: float, most: float = math.inf) -> float:
    """Return an option that lies between its bounds.

    Raises:
        InputError: It does not, or is NaN.
    """
    real(name, value, least, most)
    return value


def check_count(name: str, value: int) -> int:
    """Return a whole number that is not negative.

    Raises:
        InputError: It is something else.
    """
    return whole(name, value)


def as_tensor(values: Numbers) -> Tensor:
    """A constant of a loss: tensors keep their type, all else takes torch's default."""
    if isinstance(values, Tensor):
        return values.detach()
    return torch.as_tensor(np.asarray(values), dtype=torch.get_default_dtype())
