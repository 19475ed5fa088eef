"""Samples run through the model alone, as the truth that captured gradients are held against."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from chaffinch.core.errors import InputError
from chaffinch.core.randomness import stream
from chaffinch.gradients import fallback
from chaffinch.gradients.piece import Piece
from chaffinch.gradients.plan import Plan
from chaffinch.gradients.recorder import evaluating
from chaffinch.gradients.rows import widen

_REPEATS = 3
"""How often a sample whose losses differ runs again: is the batch to blame, or chance?"""

FIRST_SAMPLES = 8
"""How many samples are run alone before the first batch: fewer where there are several batches."""

_REMEDY = (
    "Pass batch_size=1, or take out of the model and the loss what looks at the whole batch or is "
    "random (batch statistics, padding to the longest, dropout)"
)


@dataclass(frozen=True)
class Verdict:
    """What samples run alone say of gradients captured in a batch.

    Attributes:
        failing: Names of parameters with other gradients.
        position: Which sample has another loss in the batch than alone, or None: then the model
            or the loss depends on the rest of the batch.
        losses: The losses of that sample, alone and in the batch.
        silent: Whether no sample has any gradient alone.
    """

    failing: frozenset[str]
    position: int | None = None
    losses: tuple[float, float] = (0.0, 0.0)
    silent: bool = False


def first_positions(samples: int, batch_size: int) -> list[list[int]]:
    """Positions of the samples that are tried first: some of the first batch and of another.

    Samples of one batch stay together: they may be alike by intent, such as texts of one length.
    """
    random, size = stream(0, "samples run alone first"), max(1, batch_size)
    batches = -(-samples // size)
    chosen = [0, int(random.integers(1, batches))] if batches > 1 else [0]
    count = 3 if batches > 1 else FIRST_SAMPLES
    tried = []
    for batch in chosen:
        rows = range(batch * size, min(samples, (batch + 1) * size))
        picked = random.choice(len(rows), min(count, len(rows)), replace=False)
        tried.append([rows[int(place)] for place in sorted(picked)])
    return tried


class Draws:
    """Which samples of a batch run alone as well: often at first, ever more seldom later.

    The last one always does: it is what a limited capacity leaves out first.
    """

    def __init__(self) -> None:
        self._random = stream(0, "samples run alone")
        self._batches = 0

    def draw(self, samples: int, *, surely: bool) -> list[int]:
        """The samples drawn from the next batch of N samples, or none."""
        self._batches += 1
        drawn = int(self._random.integers(samples))
        seldom = self._random.random() * self._batches >= 2
        return [] if seldom and not surely else sorted({drawn, samples - 1})


def compare(
    plan: Plan,
    batch: tuple[Any, Any],
    found: tuple[Mapping[str, Piece], Tensor],
    rows: Iterable[int],
    *,
    slack: float = 1.0,
) -> Verdict:
    """Hold captured gradients and losses of a batch against those of samples run alone.

    Args:
        plan: How they were captured.
        batch: Inputs and targets.
        found: What was captured, and the (N,) losses in the batch.
        rows: Positions in the batch to compare.
        slack: By how much to widen the tolerances.

    Raises:
        InputError: A sample that alone has another loss each time.
    """
    pieces, losses = found
    failing, silent, other = set[str](), True, list[tuple[int, tuple[float, float]]]()
    allowed = _Tolerance.of(plan, losses, slack)
    for i in rows:
        one = fallback.row(batch[0], i), fallback.row(batch[1], i)
        with evaluating(plan.model):
            loss, truth = fallback.autograd(plan.model, plan.targets, *one, plan.loss)
        pair = float(loss), float(losses[i])
        sizes = [0.0 if value is None else float(widen(value).norm()) for value in truth]
        total = math.hypot(*sizes)
        silent = silent and total == 0
        if abs(pair[0] - pair[1]) > allowed.gap(pair[0]):
            _refuse_chance(plan, one, pair[0], allowed)
            other.append((i, pair))
        if not math.isfinite(total):  # nothing to compare with; the gradients are what they are
            continue
        for target, value, size in zip(plan.targets, truth, sizes, strict=True):
            if target.name not in pieces:
                continue
            gap = pieces[target.name].take(slice(i, i + 1)).dense()[0]
            if value is not None:
                gap = gap - widen(value).reshape(-1).to(gap.dtype)
            if not float(gap.norm()) <= allowed.own * size + allowed.whole * total:
                failing.add(target.name)
    position, values = other[0] if other else (None, (0.0, 0.0))
    return Verdict(frozenset(failing), position, values, silent)


def compare_losses(
    plan: Plan, batch: tuple[Any, Any], losses: Tensor, single: Tensor, *, slack: float = 1.0
) -> Verdict:
    """Hold all (N,) losses of a batch against those of its samples alone; else as `compare`."""
    allowed = _Tolerance.of(plan, losses, slack)
    for i, pair in enumerate(zip(single.tolist(), losses.tolist(), strict=True)):
        if abs(pair[0] - pair[1]) > allowed.gap(pair[0]):
            one = fallback.row(batch[0], i), fallback.row(batch[1], i)
            _refuse_chance(plan, one, pair[0], allowed)
            return Verdict(frozenset(), i, pair)
    return Verdict(frozenset())


def _refuse_chance(plan: Plan, one: tuple[Any, Any], loss: float, allowed: "_Tolerance") -> None:
    """Refuse a model or loss that gives one sample another loss when it runs again."""
    for _ in range(_REPEATS):
        with evaluating(plan.model):
            again = float(fallback.autograd(plan.model, (), *one, plan.loss)[0])
        if abs(again - loss) > allowed.gap(loss):
            raise InputError(
                "a model and a loss that are not random in eval mode",
                f"losses of {loss:.6g} and {again:.6g} for the same sample, run alone twice",
                "Use nn.Dropout, or F.dropout(x, p, self.training), and add no noise in eval mode",
            )


def refuse(plan: Plan, verdict: Verdict, start: int) -> None:
    """Refuse what the samples run alone contradict; earlier batches may be wrong as well.

    Raises:
        InputError: Losses or gradients of the batch are not those of the samples.
    """
    if verdict.position is not None:
        raise dependent(verdict, f" (at position {start + verdict.position})")
    if verdict.failing:
        names = [target.name for target in plan.targets if target.name in verdict.failing]
        raise InputError(
            "captured gradients that are those of each sample run alone",
            f"others for {', '.join(names[:5])} in the batch from position {start}",
            "Leave these parameters out of layers, or give their module a type of its own, so that "
            "no gradient rule is taken for it",
        )


def dependent(verdict: Verdict, where: str) -> InputError:
    """The error of a model or loss that looks at the whole batch."""
    alone, together = verdict.losses
    return InputError(
        "a model and a loss that take each sample by itself",
        f"a loss of {alone:.6g} for a sample alone and {together:.6g} in its batch{where}",
        _REMEDY,
    )


def refuse_batch_statistics(model: nn.Module) -> None:
    """Refuse a model with batch statistics that it keeps on in eval mode, before they change.

    Raises:
        InputError: A batch norm that stays in training mode.
    """
    for name, module in model.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.training:
            raise InputError(
                "a model whose eval() switches batch statistics off",
                f"the batch norm {name!r} in training mode",
                "Let train() reach it, or replace it by another norm: there is no gradient of one "
                "sample where the samples of a batch are normalised by one another",
            )


@dataclass(frozen=True)
class _Tolerance:
    """How far rounding may take apart what runs alone and in a batch.

    Attributes:
        loss: Relative, of losses.
        own: Relative to the gradient of the parameter.
        whole: Relative to the gradient of all parameters.
    """

    loss: float
    own: float
    whole: float

    def gap(self, loss: float) -> float:
        """How far another value of this loss may be off."""
        return self.loss * (abs(loss) + 0.1)

    @classmethod
    def of(cls, plan: Plan, losses: Tensor, slack: float) -> "_Tolerance":
        """The tolerance for the element types of a model."""
        kinds = {one.dtype for one in plan.model.parameters() if one.is_floating_point()}
        eps = max((torch.finfo(kind).eps for kind in kinds), default=0.0)
        if eps > 1e-4:  # half precision
            loss, own, whole = 8 * eps, 32 * eps, eps
        elif losses.dtype == torch.float64:
            loss, own, whole = 1e-6, 1e-6, 1e-9
        else:  # accelerators round to fewer bits
            loss, own, whole = 1e-3 if losses.device.type == "cpu" else 1e-2, 1e-2, 1e-5
        return cls(slack * loss, min(0.5, slack * own), min(0.05, slack * whole))
