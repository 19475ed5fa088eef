"""Capture: per-sample gradients of a model's layers in one backward pass a batch."""

import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn

from chaffinch.core.errors import InputError
from chaffinch.core.option import whole
from chaffinch.gradients import alone, combine, fallback
from chaffinch.gradients.backward import ruled_pieces
from chaffinch.gradients.batch import Batch, batches, drawn, length
from chaffinch.gradients.block import GradientBlock
from chaffinch.gradients.collector import Collector
from chaffinch.gradients.fallback import GradientFallbackWarning
from chaffinch.gradients.layer import Layers, choose
from chaffinch.gradients.objective import Loss, objective_of
from chaffinch.gradients.order import order_of_use
from chaffinch.gradients.piece import Piece, materialise
from chaffinch.gradients.plan import Plan
from chaffinch.gradients.recorder import evaluating
from chaffinch.gradients.rules import rule_for
from chaffinch.models.forward import forward

Form: TypeAlias = Literal["auto", "factored", "dense"]


_LATER_SLACK = 10.0
"""Samples drawn after the first batch refuse the whole capture, so only for a gross difference."""


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

    Every batch proves its gradients (see `chaffinch.gradients.backward`), and some samples are run
    alone for comparison; what fails is computed one sample at a time.

    Raises:
        InputError: Layers, data or losses that cannot be used; losses that are found to depend on
            the rest of the batch when it is too late to run each sample alone.

    Warns:
        GradientFallbackWarning: Parameters that are computed one sample at a time.
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
    if dtype is not None and not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
        raise InputError("a floating-point type of torch as dtype", repr(dtype), "Leave it out")
    objective, start, batch_size = objective_of(loss), 0, whole("a batch size", batch_size, 1)
    if not length(data):
        return
    with torch.inference_mode(False):
        plan = _plan(model, data, layers, objective, batch_size)
    proved = _Batches(plan)
    for x, y in batches(data, model, batch_size):
        with torch.inference_mode(False):
            block = _formed(proved.pieces(plan.arrange(x), y, start), dtype, form)
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


def _plan(model: nn.Module, data: Any, layers: Layers, loss: Loss, batch_size: int) -> Plan:
    """Choose parameters, and try the rules on samples of several batches, each alone as well."""
    first, *others = alone.first_positions(length(data), batch_size)
    x, y = drawn(data, model, first)

    with evaluating(model):
        alone.refuse_batch_statistics(model)
        targets = tuple(choose(model, layers, lambda: order_of_use(model, (x, y), loss)))
    ruled = frozenset(
        target.name
        for target in targets
        if all(rule_for(use.module) is not None for use in target.uses)
    )
    plan = Plan(model, loss, targets, ruled, _takes_channels_last(model, x))
    plan = _tried(plan, (x, y), first)
    for positions in others:
        if not plan.alone:
            plan = _tried(plan, drawn(data, model, positions), positions)
    return plan


def _tried(plan: Plan, batch: Batch, positions: list[int]) -> Plan:
    """The plan without the rules that fail on some samples, each of which runs alone as well."""
    x, y = plan.arrange(batch[0]), batch[1]
    found, losses = ruled_pieces(plan, x, y, positions)
    try:
        verdict = alone.compare(plan, (x, y), (found, losses), range(len(losses)))
    except InputError as error:
        if not isinstance(error.__cause__, ValueError):  # as batch norms raise
            raise
        raise InputError(
            f"a model ({type(plan.model).__name__}) that runs on one sample",
            error.got,
            "Replace what needs several samples, such as batch norms without running statistics",
        ) from error.__cause__
    if verdict.position is None:
        return replace(plan, ruled=frozenset(found) - verdict.failing)
    if verdict.silent:  # such as a contrast of the samples of a batch: no sample has a loss
        raise alone.dependent(verdict, "")
    return replace(plan, ruled=frozenset(), alone=True)


def _takes_channels_last(model: nn.Module, x: Any) -> bool:
    """Whether ``x`` are images on a CPU, and the model makes no assumption on their memory."""
    if not isinstance(x, Tensor) or x.ndim != 4 or x.device.type != "cpu":
        return False
    try:
        with evaluating(model):
            forward(model, x.contiguous(memory_format=torch.channels_last))
    except InputError:  # such as a view across axes; the other format stands, or fails by itself
        return False
    return True


class _Batches:
    """The gradients of one batch after the other, each proved, with a warning of what is slow."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._draws = alone.Draws()
        self._told = set[str]()
        self._compared = True  # every loss so far with that of the sample alone
        self._tell(set(plan.ruled))

    def pieces(self, x: Any, y: Any, start: int) -> dict[str, Piece]:
        """Gradients by all targets of the samples from position ``start`` on.

        Raises:
            InputError: Losses that cannot be used, or that depend on the rest of the batch.
        """
        positions = range(start, start + fallback.count(y))
        found, losses = ruled_pieces(self._plan, x, y, positions)
        early = self._compared
        verdict = self._verdict((x, y), found, losses)
        if verdict.position is not None and early:  # nothing wrong was returned yet
            self._plan = replace(self._plan, ruled=frozenset(), alone=True)
        else:
            alone.refuse(self._plan, verdict, start)
        if self._plan.alone:
            self._tell(set())
            with evaluating(self._plan.model):
                targets, loss = self._plan.targets, self._plan.loss
                found, _ = fallback.one_by_one(self._plan.model, targets, x, y, loss)
        return {target.name: found[target.name] for target in self._plan.targets}

    def _verdict(
        self, batch: tuple[Any, Any], found: dict[str, Piece], losses: Tensor
    ) -> alone.Verdict:
        """What samples alone say of a batch; adds to ``found`` what no rule gave."""
        verdict, slack = alone.Verdict(frozenset()), 1.0 if self._compared else _LATER_SLACK
        if found:
            drawn = self._draws.draw(len(losses), surely=len(found) < len(self._plan.ruled))
            verdict = alone.compare(self._plan, batch, (found, losses), drawn, slack=slack)
            if self._compared:  # not too late to do without a rule
                for name in verdict.failing:
                    del found[name]
                self._plan = replace(self._plan, ruled=self._plan.ruled - verdict.failing)
                verdict = replace(verdict, failing=frozenset())
        missing = [target for target in self._plan.targets if target.name not in found]
        self._compared = self._compared and bool(missing)
        if missing and not self._plan.alone and verdict.position is None and not verdict.failing:
            self._tell(set(found))
            with evaluating(self._plan.model):
                slow, single = fallback.per_sample(
                    self._plan.model, missing, *batch, self._plan.loss
                )
            found |= slow
            verdict = alone.compare_losses(self._plan, batch, losses, single, slack=slack)
        return verdict

    def _tell(self, ruled: set[str]) -> None:
        """Warn of parameters that are computed one sample at a time, once of each."""
        slow = [t for t in self._plan.targets if t.name not in ruled | self._told]
        if not slow:
            return
        self._told |= {target.name for target in slow}
        kinds = sorted({type(use.module).__name__ for target in slow for use in target.uses})
        names = [target.name for target in slow]
        listed = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        reason = (
            "the loss of a sample depends on the rest of its batch, so each sample is run alone"
            if self._plan.alone
            else "no gradient rule covers them, or not in every batch"
        )
        warnings.warn(
            f"The gradients of {listed} (in {', '.join(kinds)}) are computed one sample at a time: "
            f"{reason}. They are exact, but slower and materialised.",
            GradientFallbackWarning,
            stacklevel=6,
        )
