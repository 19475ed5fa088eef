"""One loss a sample for models whose outputs have one row a token, or several labels a text."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from chaffinch.core.errors import InputError

IGNORED = -100
"""The label of a token that does not count: padding, and the prompt where the response counts."""


@dataclass(frozen=True)
class TokenLoss:
    """Cross-entropy of the tokens of each sample whose label is not `IGNORED`.

    Attributes:
        shift: Whether the outputs at a position tell the *next* token (causal models), or the
            label of the token itself (token classification).
        reduction: "mean" over the counted tokens of a sample, as in training, or their "sum".
        by_sample: Each loss depends on the outputs of its own sample only, though they are picked
            and put back by index.
    """

    by_sample: ClassVar[bool] = True
    shift: bool = True
    reduction: Literal["mean", "sum"] = "mean"

    def __call__(self, outputs: Any, labels: Tensor) -> Tensor:
        """(N,) losses; 0 for a sample without a counted token.

        Args:
            outputs: Logits (N, T, C), or an output with such ``logits``.
            labels: (N, U) with U >= T; positions from T on must be `IGNORED`.

        Raises:
            InputError: Outputs or labels of another shape.
        """
        given = self.by_token(outputs, labels)
        total = given.sum(1)
        if self.reduction == "sum":
            return total
        return total / self._counted(labels, given.shape[1]).sum(1).clamp(min=1)

    def by_token(self, outputs: Any, labels: Tensor) -> Tensor:
        """(N, T) losses by the position of the token that was to be told; 0 where none counts.

        Arguments and errors as for a call.
        """
        logits = _logits(outputs, labels)
        count = logits.shape[1]
        wanted = labels[:, :count]
        if self.shift:
            logits, wanted = logits[:, :-1], wanted[:, 1:]
        counted = wanted != IGNORED
        # Only what counts is widened and normalised: most positions may be prompt or padding.
        found = F.cross_entropy(_wide(logits[counted]), wanted[counted], reduction="none")
        losses = found.new_zeros(counted.shape).masked_scatter(counted, found)
        return F.pad(losses, (1, 0)) if self.shift else losses

    def _counted(self, labels: Tensor, count: int) -> Tensor:
        counted = labels[:, :count] != IGNORED
        if self.shift and count:
            counted = torch.cat([torch.zeros_like(counted[:, :1]), counted[:, 1:]], 1)
        return counted


@dataclass(frozen=True)
class MultiLabelLoss:
    """Binary cross-entropy of several labels that may hold at once.

    Attributes:
        reduction: "mean" over the C labels, as in training, or their "sum".
    """

    reduction: Literal["mean", "sum"] = "mean"

    def __call__(self, outputs: Any, labels: Tensor) -> Tensor:
        """(N,) losses.

        Args:
            outputs: Logits (N, C), or an output with such ``logits``.
            labels: (N, C) of 0 and 1.

        Raises:
            InputError: Labels of another shape.
        """
        logits = getattr(outputs, "logits", outputs)
        if logits.shape != labels.shape:
            raise InputError(
                f"labels of 0 and 1 of shape {tuple(logits.shape)}, one a class",
                str(tuple(labels.shape)),
                "Encode the labels with one column a class",
            )
        losses = F.binary_cross_entropy_with_logits(
            _wide(logits), labels.to(_wide(logits).dtype), reduction="none"
        )
        return losses.mean(1) if self.reduction == "mean" else losses.sum(1)


def _wide(logits: Tensor) -> Tensor:
    half = logits.dtype in (torch.float16, torch.bfloat16)
    return logits.float() if half else logits


def _logits(outputs: Any, labels: Tensor) -> Tensor:
    logits = getattr(outputs, "logits", outputs)
    if not isinstance(logits, Tensor) or logits.ndim != 3 or labels.ndim != 2:
        raise InputError(
            "logits (N, T, C) and labels (N, T), one a token",
            f"{tuple(getattr(logits, 'shape', ()))} and {tuple(labels.shape)}",
            "Use a causal model or one that classifies tokens, and its own encoding",
        )
    if len(logits) != len(labels) or labels.shape[1] < logits.shape[1]:
        raise InputError(
            f"labels for {tuple(logits.shape[:2])} tokens",
            str(tuple(labels.shape)),
            "Encode prompts and labels together",
        )
    return logits
