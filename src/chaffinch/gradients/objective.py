"""The loss of each sample whose gradient is captured."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor
from torch._C._functorch import is_batchedtensor

from chaffinch.core.errors import InputError
from chaffinch.gradients.rows import widen
from chaffinch.losses.loss import check_distributions
from chaffinch.models.forward import running

Loss: TypeAlias = Callable[[Any, Any], Tensor]

_RUNS = "a loss that runs on outputs and targets"


def cross_entropy(outputs: Any, targets: Tensor) -> Tensor:
    """(N,) cross-entropy of logits (N, C), or of an output with such ``logits``.

    Args:
        outputs: Logits (N, C) of at least two classes.
        targets: (N,) class codes, or (N, C) class probabilities.

    Raises:
        InputError: Outputs of another shape, codes outside 0..C-1, or rows of targets that are
            negative or do not sum to 1.
    """
    logits = logits_of(outputs)
    if targets.is_floating_point() and targets.shape == logits.shape:
        check_distributions(targets)
        return F.cross_entropy(widen(logits), widen(targets), reduction="none")
    if not _are_codes(targets, logits.shape[1]):
        raise InputError(
            f"targets (N,) with codes 0 to {logits.shape[1] - 1}",
            f"shape {tuple(targets.shape)} of {targets.dtype}{_odd(targets, logits.shape[1])}",
            "Encode the labels as codes of the model's classes",
        )
    return F.cross_entropy(widen(logits), targets.long(), reduction="none")


def logits_of(outputs: Any) -> Tensor:
    """Logits (N, C), or those of an output that has some.

    Raises:
        InputError: Outputs of another kind or shape.
    """
    logits = getattr(outputs, "logits", outputs)
    if isinstance(logits, Tensor) and logits.ndim == 2 and logits.shape[1] >= 2:
        return logits
    raise InputError(
        "logits (N, C) of two or more classes from the model",
        str(tuple(logits.shape)) if isinstance(logits, Tensor) else type(logits).__name__,
        "Pass loss=, a function of outputs and targets that returns one loss a sample",
    )


def objective_of(loss: Loss | None) -> Loss:
    """The loss to use: cross-entropy where none is given.

    Raises:
        InputError: Something that is no function.
    """
    if loss is not None and not callable(loss):
        raise InputError(
            "a function of outputs and targets as the loss", repr(loss), "Leave it out, or pass one"
        )
    return cross_entropy if loss is None else loss


def total_of(loss: Loss, outputs: Any, targets: Any) -> Tensor:
    """The () sum of the losses of a batch.

    Raises:
        InputError: The loss raised an error, or returned no tensor.
    """
    with running(_RUNS):
        return loss(outputs, targets).sum()


def sample_losses(
    loss: Loss, outputs: Any, targets: Any, samples: int, positions: Sequence[int]
) -> Tensor:
    """(N,) losses of a batch, checked.

    Args:
        loss: Function of outputs and targets.
        outputs: What the model returned.
        targets: The targets of the batch.
        samples: N, the size of the batch.
        positions: Those of the samples in the data, for the message.

    Raises:
        InputError: Not one loss a sample, or a loss that is not finite.
    """
    with running(_RUNS):
        losses = loss(outputs, targets)
    if not isinstance(losses, Tensor):
        raise InputError(
            f"a tensor of {samples} losses",
            f"a {type(losses).__name__}",
            "Return one loss a sample",
        )
    if losses.shape != (samples,):
        raise InputError(
            f"one loss for each of {samples} samples",
            f"shape {tuple(losses.shape)}",
            "Use reduction='none', and add up the positions of a sample",
        )
    bad = torch.nonzero(~torch.isfinite(losses.detach()))
    if len(bad):
        first = int(bad[0])
        raise InputError(
            "a finite loss for every sample",
            f"{float(losses.detach()[first])} for the sample at position {positions[first]}",
            "Look at that sample, or for a model that has diverged",
        )
    return losses


def _odd(targets: Tensor, classes: int) -> str:
    """The first value that is no code."""
    values = targets.flatten()
    odd = values[(values < 0) | (values >= classes) | (values != values.floor())]
    return f", such as {(odd if len(odd) else values)[:1].tolist()}"


def _are_codes(targets: Tensor, classes: int) -> bool:
    if targets.ndim != 1 or targets.is_floating_point():
        return False
    if is_batchedtensor(targets):  # inside vmap no value can be looked at
        return True
    return not len(targets) or 0 <= int(targets.min()) <= int(targets.max()) < classes
