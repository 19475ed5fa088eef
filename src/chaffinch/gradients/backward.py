"""Gradients by rules in one backward pass, of parameters whose graph proves that they are right."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge

from chaffinch.gradients import combine, fallback
from chaffinch.gradients.graph import Trace, trace
from chaffinch.gradients.layer import Target
from chaffinch.gradients.objective import sample_losses
from chaffinch.gradients.packing import Packing
from chaffinch.gradients.piece import Piece
from chaffinch.gradients.plan import Plan
from chaffinch.gradients.recorder import Call, evaluating, recording
from chaffinch.gradients.rows import widen
from chaffinch.gradients.rules import rule_for
from chaffinch.models.forward import DIFFERENTIABLE, forward, running

_SCALES = 16
"""How many different powers of two the losses of a batch are multiplied by."""

_Errors = tuple[Tensor | None, ...]
_Parts = dict[tuple[int, str], list[Piece | None]]


def ruled_pieces(
    plan: Plan, x: Any, y: Any, positions: Sequence[int]
) -> tuple[dict[str, Piece], Tensor]:
    """Gradients of the samples of one batch by rules, and the (N,) losses.

    A parameter is missing where the batch does not prove that the gradients are those of the
    samples: it is used in the graph elsewhere than in the recorded calls of its layers, or rows of
    a layer are not those of the samples in their order. The order is known from the operations of
    the graph; where it is not, a second backward pass multiplies each loss by a power of two,
    which the rows of that sample must show to the last bit.

    Args:
        plan: What is wanted.
        x: Inputs of N samples.
        y: Their targets.
        positions: Those of the samples in the data, for messages.
    """
    samples = fallback.count(y)
    ruled = [target for target in plan.targets if target.name in plan.ruled]
    modules = {id(use.module): use.module for target in ruled for use in target.uses}
    with evaluating(plan.model):
        with recording(modules.values()) as calls:
            outputs = forward(plan.model, x)
            losses = sample_losses(plan.loss, outputs, y, samples, positions)
        edges = [one.edge for one in calls]
        end = getattr(getattr(outputs, "logits", outputs), "grad_fn", None)
        known = getattr(plan.loss, "by_sample", False)
        proof = trace(losses, {one.node for one in edges}, samples, end if known else None)
        scales = _scales(losses, positions[0])
        plain, scaled = _errors(losses, edges, proof, scales)
    with torch.no_grad():
        parts: _Parts = {}
        for one, gradient, other in zip(calls, plain, scaled, strict=True):
            if gradient is not None:
                for name, piece in _of_call(plan, one, (gradient, other), scales).items():
                    parts.setdefault((id(one.module), name), []).append(piece)
        summed = {target.name: _of_target(target, parts, proof, samples) for target in ruled}
    return {name: piece for name, piece in summed.items() if piece is not None}, losses.detach()


def _scales(losses: Tensor, seed: int) -> Tensor:
    """(N,) powers of two around 1, in an order that differs from batch to batch."""
    random = torch.Generator().manual_seed(seed)
    exponents = torch.randperm(len(losses), generator=random) % _SCALES - _SCALES // 2
    return torch.exp2(exponents.to(losses.device, losses.dtype))


def _errors(
    losses: Tensor, edges: list[GradientEdge], proof: Trace, scales: Tensor
) -> tuple[_Errors, _Errors]:
    """Output errors of the plain losses, and of the scaled ones where the order is open."""
    nothing: _Errors = (None,) * len(edges)
    if not edges or not losses.requires_grad:
        return nothing, nothing
    again, total = not proof.orderly, losses.sum()
    with running(DIFFERENTIABLE):
        plain = torch.autograd.grad(total, edges, allow_unused=True, retain_graph=again)
        if not again:
            return plain, nothing
        return plain, torch.autograd.grad((losses * scales).sum(), edges, allow_unused=True)


def _of_call(
    plan: Plan, one: Call, errors: tuple[Tensor, Tensor | None], scales: Tensor
) -> Mapping[str, Piece | None]:
    """The pieces of one call of a module; none where its rows are not those of the samples.

    A piece is None where there are no rows, such as for an expert that no sample was sent to.
    """
    rule, (gradient, scaled), given = rule_for(one.module), errors, one.layer_input
    if not len(gradient):
        return dict.fromkeys(name for name, _ in one.module.named_parameters(recurse=False))
    if isinstance(plan.model, Packing):
        if scaled is not None:
            scaled = plan.model.spread(given, scaled)[1]
        given, gradient = plan.model.spread(given, gradient)
    if rule is None or (scaled is not None and not _belong(gradient, scaled, scales)):
        return {}
    return rule.function(one.module, given, gradient)


def _belong(errors: Tensor, scaled: Tensor, scales: Tensor) -> bool:
    """Whether the i-th of N equal parts of the rows depends on the loss of sample i alone.

    Multiplying by powers of two rounds nothing; accelerators may add up in another order.
    """
    samples = len(scales)
    if len(errors) % samples:
        return False
    plain, other = (widen(one).reshape(samples, -1) for one in (errors, scaled))
    lengths = torch.linalg.vector_norm(plain, dim=1)
    gaps = torch.linalg.vector_norm(other / scales[:, None].to(other.dtype) - plain, dim=1)
    exact = errors.device.type == "cpu"
    share = 1e-5 if exact else max(1e-4, 4 * torch.finfo(errors.dtype).eps)
    floor = torch.finfo(errors.dtype).tiny * plain.shape[1] ** 0.5
    return bool((gaps <= share * lengths + floor).all())


def _of_target(target: Target, parts: _Parts, proof: Trace, samples: int) -> Piece | None:
    """The sum over all uses of a parameter, or None where some are missing or not by samples."""
    found = [
        piece for use in target.uses for piece in parts.get((id(use.module), use.attribute), [])
    ]
    if len(found) != proof.uses.get(id(target.parameter), 0):
        return None
    used = [piece for piece in found if piece is not None]
    if not used:
        return combine.nothing(target.parameter.detach(), samples, target.parameter.shape)
    regrouped = [combine.regroup(one, samples) for one in used]
    grouped = [one for one in regrouped if one is not None]
    return combine.add(grouped) if len(grouped) == len(used) else None
