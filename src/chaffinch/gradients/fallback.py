"""Per-sample gradients of parameters without a rule, by `torch.func`."""

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap

from chaffinch.gradients.layer import Target
from chaffinch.gradients.objective import Loss, total_of
from chaffinch.gradients.piece import Dense, Piece
from chaffinch.gradients.rows import widen
from chaffinch.models.forward import DIFFERENTIABLE, forward, running


class GradientFallbackWarning(UserWarning):
    """Some parameters have no rule; their gradients are exact, but slower and materialised."""


def per_sample(
    model: nn.Module, targets: Sequence[Target], x: Any, y: Any, loss: Loss
) -> tuple[dict[str, Piece], Tensor]:
    """Materialised gradients of some parameters, by vmap, or one sample at a time if that fails.

    With them the (N,) losses of the samples, each alone.

    What vmap gives has to add up to the gradient of the batch: it does not see a parameter that the
    model reads by another reference than its attribute.

    Args:
        model: The model, in eval mode.
        targets: The parameters.
        x: Inputs of N samples, tensors whose first axis is the samples.
        y: Their targets.
        loss: One loss a sample.
    """
    parameters = {target.name: target.parameter.detach() for target in targets}

    def single(chosen: dict[str, Tensor], one_x: Any, one_y: Any) -> Tensor:
        arguments = _map(one_x, lambda tensor: tensor.unsqueeze(0))
        keywords = arguments if isinstance(arguments, dict) else {}
        positional = () if keywords else arguments
        outputs = functional_call(model, chosen, positional, keywords)
        return loss(outputs, _map(one_y, lambda tensor: tensor.unsqueeze(0))).sum()

    values, losses = None, torch.zeros(0)

    try:
        with warnings.catch_warnings():  # one warning, that of the plan, has said it is slower
            warnings.filterwarnings("ignore", message="There is a performance drop")
            each = vmap(grad_and_value(single), in_dims=(None, 0, 0))
            values, losses = each(parameters, x, y)
    except (RuntimeError, TypeError, ValueError):  # what fails for good fails again below
        pass
    if values is None or not _adds_up(values, autograd(model, targets, x, y, loss)[1]):
        return one_by_one(model, targets, x, y, loss)
    rows = {target.name: _dense(values[target.name].detach(), target) for target in targets}
    return rows, losses.detach()


def one_by_one(
    model: nn.Module, targets: Sequence[Target], x: Any, y: Any, loss: Loss
) -> tuple[dict[str, Piece], Tensor]:
    """Gradients and losses by plain autograd, each sample alone; all as for `per_sample`."""
    rows: dict[str, list[Tensor]] = {target.name: [] for target in targets}
    losses = []
    for i in range(count(y)):
        total, values = autograd(model, targets, row(x, i), row(y, i), loss)
        losses.append(total)
        for target, value in zip(targets, values, strict=True):
            rows[target.name].append(torch.zeros_like(target.parameter) if value is None else value)
    pieces = {target.name: _dense(torch.stack(rows[target.name]), target) for target in targets}
    return pieces, torch.stack(losses)


def autograd(
    model: nn.Module, targets: Sequence[Target], x: Any, y: Any, loss: Loss
) -> tuple[Tensor, list[Tensor | None]]:
    """The summed loss of one batch, and its gradients; None where a parameter is unused."""
    total = total_of(loss, forward(model, x), y)
    if not total.requires_grad or not targets:
        return total.detach(), [None] * len(targets)
    chosen = [target.parameter for target in targets]
    with running(DIFFERENTIABLE):
        values = torch.autograd.grad(total, chosen, allow_unused=True)
    dense: list[Tensor | None] = [
        None if v is None else v.to_dense() if v.is_sparse else v for v in values
    ]
    return total.detach(), dense


def _adds_up(values: dict[str, Tensor], totals: Sequence[Tensor | None]) -> bool:
    """Whether the gradients of the samples (N, *shape) add up to those of their batch."""
    gaps, scales, eps = [], [], 0.0
    for rows, total in zip(values.values(), totals, strict=True):
        wide = widen(rows.detach()).reshape(len(rows), -1)
        whole = torch.zeros_like(wide[0]) if total is None else widen(total).reshape(-1)
        gaps.append(float((wide.sum(0) - whole).norm()))
        scales.append(float(torch.linalg.vector_norm(wide, dim=1).sum() + whole.norm()))
        eps = max(eps, torch.finfo(rows.dtype).eps)
    floor = 4 * eps * sum(scale**2 for scale in scales) ** 0.5  # of what is zero but for rounding
    share = 8 * max(eps, 1e-4)
    return all(gap <= share * scale + floor for gap, scale in zip(gaps, scales, strict=True))


def _dense(values: Tensor, target: Target) -> Piece:
    return Dense(values.reshape(len(values), -1), target.parameter.shape)


def row(part: Any, i: int) -> Any:
    """One sample of a batch, as a dense and contiguous batch of one.

    With channels last, PyTorch 2.13 crashes in the backward pass of a first GroupNorm on the CPU.
    """

    def cut(tensor: Tensor) -> Tensor:
        dense = tensor if tensor.layout == torch.strided else tensor.to_dense()
        return dense[i : i + 1].contiguous()

    return _map(part, cut)


def count(part: Any) -> int:
    """N, the first axis of the first tensor."""
    if isinstance(part, dict):
        return count(next(iter(part.values())))
    return count(part[0]) if isinstance(part, tuple) else len(part)


def _map(part: Any, function: Any) -> Any:
    if isinstance(part, dict):
        return {name: _map(value, function) for name, value in part.items()}
    if isinstance(part, tuple):
        return tuple(_map(value, function) for value in part)
    return function(part)
