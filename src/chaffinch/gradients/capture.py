"""Capture: per-sample gradients of a model's layers in one backward pass a batch."""

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn

from chaffinch.core.errors import InputError
from chaffinch.gradients import combine, fallback
from chaffinch.gradients.batch import batches, length
from chaffinch.gradients.block import GradientBlock
from chaffinch.gradients.collector import Collector
from chaffinch.gradients.fallback import GradientFallbackWarning
from chaffinch.gradients.layer import Layers, Target, choose
from chaffinch.gradients.objective import Loss, cross_entropy, sample_losses
from chaffinch.gradients.order import order_of_use
from chaffinch.gradients.packing import Packing
from chaffinch.gradients.piece import Piece, materialise
from chaffinch.gradients.recorder import call, evaluating, recording
from chaffinch.gradients.rules import rule_for

Form: TypeAlias = Literal["auto", "factored", "dense"]


@dataclass(frozen=True)
class Plan:
    """How the gradients of the chosen parameters are had.

    Attributes:
        model: The model.
        loss: One loss a sample.
        targets: All chosen parameters, in flat order.
        ruled: Names of those that rules cover.
        channels_last: Whether images go in with channels last in memory, which most CPU kernels
            prefer.
    """

    model: nn.Module
    loss: Loss
    targets: tuple[Target, ...]
    ruled: frozenset[str]
    channels_last: bool

    def arrange(self, x: Any) -> Any:
        """The inputs in the memory format of the plan."""
        return x.contiguous(memory_format=torch.channels_last) if self.channels_last else x


def capture(
    model: nn.Module,
    data: Any,
    layers: Layers = "all",
    loss: Loss | None = None,
    *,
    batch_size: int = 64,
    dtype: torch.dtype | None = None,
    form: Form = "auto",
) -> GradientBlock:
    """Capture the gradient of each sample's loss by the parameters of the chosen layers.

    The gradient of a sample is that of its loss when it runs through the model alone, in eval
    mode. Mode, ``requires_grad``, ``.grad`` and hooks of the model are afterwards as before.

    Args:
        model: Any module; frozen parameters are left out.
        data: A torch Dataset of (x, y), or a pair (X, y) of arrays, tensors, mappings of tensors
            (passed to the model as keywords) or inputs with a ``batch(index)`` method.
        layers: "all"; "last" (the layer with a weight matrix that is used last); "lora",
            "head", "last_block"; names or globs of modules or parameters; module types; or a
            function of name and module.
        loss: Function of outputs and targets that returns (N,) losses; None for the cross-entropy
            of logits (N, C).
        batch_size: Samples in one forward and backward pass.
        dtype: The element type to store; None for that of the model.
        form: "factored" never materialises what a rule factors, "dense" always does, "auto" does
            where a parameter has fewer numbers than its factors.

    Returns:
        A block of N samples by P parameters.

    Raises:
        InputError: Layers, data or losses that cannot be used.

    Warns:
        GradientFallbackWarning: Parameters that no rule covers.
    """
    samples, collectors = length(data), dict[str, Collector]()
    for block in stream(model, data, layers, loss, batch_size=batch_size, dtype=dtype, form=form):
        for name, piece in block.pieces.items():
            collectors.setdefault(name, Collector(samples)).add(piece)
    if collectors:
        return GradientBlock({name: one.result() for name, one in collectors.items()})
    with evaluating(model):
        targets = choose(model, layers, lambda: [])
    empty = {t.name: combine.nothing(t.parameter.detach(), 0, t.parameter.shape) for t in targets}
    return _formed(empty, dtype, form)


def stream(
    model: nn.Module,
    data: Any,
    layers: Layers = "all",
    loss: Loss | None = None,
    *,
    batch_size: int = 64,
    dtype: torch.dtype | None = None,
    form: Form = "auto",
) -> Iterator[GradientBlock]:
    """Capture batch by batch: for what can be added up without keeping the gradients.

    Arguments as for `capture`. Between batches the model is as the caller left it.

    Yields:
        One block for each batch, in the order of the data; none for empty data.
    """
    if form not in ("auto", "factored", "dense"):
        raise InputError("the form auto, factored or dense", repr(form), "Choose one of them")
    objective, start = loss or cross_entropy, 0
    if not length(data):
        return
    with torch.inference_mode(False):
        plan = _plan(model, data, layers, objective)
    for x, y in batches(data, model, batch_size):
        with torch.inference_mode(False):
            block = _formed(_pieces(plan, plan.arrange(x), y, start), dtype, form)
        start += fallback.count(y)
        yield block


def squared_norms(
    model: nn.Module,
    data: Any,
    layers: Layers = "all",
    loss: Loss | None = None,
    *,
    batch_size: int = 64,
) -> Tensor:
    """(N,) squared L2 norms of the gradients, without ever storing gradients or factors.

    Arguments as for `capture`; this is the self-influence of TracIn at one checkpoint with
    learning rate 1 (Pruthi et al. 2020).
    """
    blocks = stream(model, data, layers, loss, batch_size=batch_size, form="factored")
    parts = [block.self_dot() for block in blocks]
    return torch.cat(parts) if parts else torch.zeros(0)


def _formed(pieces: dict[str, Piece], dtype: torch.dtype | None, form: Form) -> GradientBlock:
    if form != "factored":
        turn = combine.compact if form == "auto" else materialise
        pieces = {name: turn(piece) for name, piece in pieces.items()}
    if dtype is not None:
        pieces = {name: piece.to(dtype) for name, piece in pieces.items()}
    return GradientBlock(pieces)


def _plan(model: nn.Module, data: Any, layers: Layers, loss: Loss) -> Plan:
    """Choose parameters, and try the rules on the first two samples against plain autograd."""
    x, y = next(batches(data, model, 2, limit=2))

    with evaluating(model):
        targets = tuple(choose(model, layers, lambda: order_of_use(model, (x, y), loss)))
    ruled = frozenset(
        target.name
        for target in targets
        if all(rule_for(use.module) is not None for use in target.uses)
    )
    tried = Plan(model, loss, targets, ruled, _takes_channels_last(model, x))
    plan = replace(tried, ruled=ruled - _failing(tried, tried.arrange(x), y))
    _warn(plan)
    return plan


def _takes_channels_last(model: nn.Module, x: Any) -> bool:
    """Whether ``x`` are images on a CPU, and the model makes no assumption on their memory."""
    if not isinstance(x, Tensor) or x.ndim != 4 or x.device.type != "cpu":
        return False
    try:
        with evaluating(model):
            call(model, x.contiguous(memory_format=torch.channels_last))
    except RuntimeError:  # such as a view across axes; the other format stands, or fails by itself
        return False
    return True


def _failing(plan: Plan, x: Any, y: Any) -> set[str]:
    """Names of ruled parameters whose gradients are not those of each sample alone.

    A weight used outside its own module, a layer that shuffles the samples among other axes, or
    samples that see one another show here.
    """
    ruled = [target for target in plan.targets if target.name in plan.ruled]
    if not ruled:
        return set()
    found = _ruled_pieces(plan, x, y, 0)
    failing = {target.name for target in ruled} - set(found)
    # Adapters may be in float32 where the weights around them are not.
    half = any(p.dtype in (torch.float16, torch.bfloat16) for p in plan.model.parameters())
    relative, absolute = (0.2, 1e-2) if half else (1e-2, 1e-5)
    for i in range(fallback.count(y)):
        one = fallback.row(x, i), fallback.row(y, i)
        with evaluating(plan.model):
            truth = fallback.single_gradient(plan.model, ruled, *one, plan.loss)
        lengths = [0.0 if value is None else float(value.norm()) for value in truth]
        floor = absolute * sum(length**2 for length in lengths) ** 0.5
        if not math.isfinite(floor):  # nothing to compare with; the gradients are what they are
            continue
        for target, value, size in zip(ruled, truth, lengths, strict=True):
            if target.name in found:
                error = _distance(found[target.name].take(slice(i, i + 1)), value)
                if not error <= relative * size + floor:
                    failing.add(target.name)
    return failing


def _distance(piece: Piece, value: Tensor | None) -> float:
    """The L2 distance of one captured gradient from another, up to the rounding of squares."""
    squared = float(piece.self_dot())
    if value is not None:
        flat = value.reshape(-1, 1).to(piece.dtype)
        squared += float(flat.norm()) ** 2 - 2 * float(piece.matvec(flat))
    return float(max(0.0, squared) ** 0.5)


def _pieces(plan: Plan, x: Any, y: Any, start: int) -> dict[str, Piece]:
    samples, found = fallback.count(y), dict[str, Piece]()
    if plan.ruled:
        found = _ruled_pieces(plan, x, y, start)
    missing = [target for target in plan.targets if target.name not in found]
    if missing:
        with evaluating(plan.model):
            if not plan.ruled:
                sample_losses(plan.loss, call(plan.model, x), y, samples, start)
            found |= fallback.per_sample(plan.model, missing, x, y, plan.loss)
    return {target.name: found[target.name] for target in plan.targets}


def _ruled_pieces(plan: Plan, x: Any, y: Any, start: int) -> dict[str, Piece]:
    """Gradients by rules; parameters whose rows do not belong to samples are missing."""
    samples = fallback.count(y)
    ruled = [target for target in plan.targets if target.name in plan.ruled]
    modules = {id(use.module): use.module for target in ruled for use in target.uses}
    with evaluating(plan.model):
        with recording(modules.values()) as calls:
            losses = sample_losses(plan.loss, call(plan.model, x), y, samples, start)
        edges = [one.edge for one in calls]
        gradients: tuple[Tensor | None, ...] = (None,) * len(calls)
        if edges and losses.requires_grad:
            gradients = torch.autograd.grad(losses.sum(), edges, allow_unused=True)
    parts: dict[tuple[int, str], list[Piece]] = {}
    with torch.no_grad():
        for one, gradient in zip(calls, gradients, strict=True):
            rule = rule_for(one.module)
            if gradient is not None and rule is not None:
                pair = one.layer_input, gradient
                if isinstance(plan.model, Packing):
                    pair = plan.model.spread(*pair)
                for name, piece in rule.function(one.module, *pair).items():
                    parts.setdefault((id(one.module), name), []).append(piece)
        summed = {target.name: _of_target(target, parts, samples) for target in ruled}
    return {name: piece for name, piece in summed.items() if piece is not None}


def _of_target(
    target: Target, parts: dict[tuple[int, str], list[Piece]], samples: int
) -> Piece | None:
    """The sum over all uses of a parameter, or None where rows do not belong to samples."""
    found = [
        piece for use in target.uses for piece in parts.get((id(use.module), use.attribute), [])
    ]
    if not found:
        return combine.nothing(target.parameter.detach(), samples, target.parameter.shape)
    regrouped = [combine.regroup(one, samples) for one in found]
    grouped = [one for one in regrouped if one is not None]
    return combine.add(grouped) if len(grouped) == len(found) else None


def _warn(plan: Plan) -> None:
    missing = [target for target in plan.targets if target.name not in plan.ruled]
    if not missing:
        return
    kinds = sorted({type(use.module).__name__ for target in missing for use in target.uses})
    names = [target.name for target in missing]
    listed = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    warnings.warn(
        f"No gradient rule covers {listed} (in {', '.join(kinds)}): exact gradients by torch.func "
        "instead, slower and materialised.",
        GradientFallbackWarning,
        stacklevel=5,
    )
