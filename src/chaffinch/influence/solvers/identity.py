"""The identity in place of the inverse curvature: gradient products at one or more checkpoints."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from chaffinch.core.errors import InputError
from chaffinch.gradients import GradientBlock, squared_norms
from chaffinch.influence.bilinear import mean_gradient
from chaffinch.influence.diagnostics import Diagnostics
from chaffinch.influence.estimator import (
    Averaged,
    Influence,
    Rows,
    Strip,
    Targets,
    Tasks,
    estimator,
)
from chaffinch.influence.last_layer import LastLayer
from chaffinch.influence.task import Task


@final
class GradientProduct:
    """Inner products or cosines of gradients; target gradients stay factored too.

    Args:
        task: The training samples.
        cosine: Whether gradients are divided by their lengths.
    """

    def __init__(self, task: Task, cosine: bool = False) -> None:
        self._task = task
        self._cosine = cosine

    def strips(self, targets: Targets) -> Iterator[Strip]:
        """All targets at once; with ``mean``, a product with one vector."""
        seen, mine = self._task.observe(targets.data), self._task.last_layer
        block = self._task.gradients(targets.data) if seen is None else seen.block
        if seen is not None and mine is not None and not (targets.mean or self._cosine):
            yield Strip(slice(0, len(seen)), lambda: self._products(mine, seen))
        elif not targets.mean:
            yield Strip(slice(0, len(block)), lambda: self._rows(block))
        elif self._cosine:
            weights = inverse_lengths(block) / max(1, len(block))
            yield Strip(slice(0, 1), lambda: self._against(block.weighted_sum(weights)[:, None]))
        else:
            yield Strip(slice(0, 1), lambda: self._against(mean_gradient(block)))

    def diagonal(self) -> tuple[Tensor, Diagnostics]:
        """(N,) squared norms, without storing a gradient; ones (or zeros) for the cosine."""
        task = self._task
        if task.last_layer is not None:
            squares = task.last_layer.block.self_dot()
        else:
            squares = squared_norms(
                task.model, task.data, task.chosen_layers, task.loss, batch_size=task.batch_size
            )
        return (squares > 0).to(squares) if self._cosine else squares, Diagnostics()

    def _products(self, mine: LastLayer, theirs: LastLayer) -> Rows:
        return Rows(lambda rows: mine.dot(theirs, rows), self._task.stationarity())

    def _rows(self, targets: GradientBlock) -> Rows:
        block = self._task.block
        theirs = inverse_lengths(targets) if self._cosine else None

        def compute(rows: slice) -> Tensor:
            part = block.take(rows)
            values = part.dot(targets)
            return values if theirs is None else values * inverse_lengths(part)[:, None] * theirs

        return Rows(compute, self._task.stationarity())

    def _against(self, vector: Tensor) -> Rows:
        block = self._task.block

        def compute(rows: slice) -> Tensor:
            part = block.take(rows)
            values = part.matvec(vector)
            return values * inverse_lengths(part)[:, None] if self._cosine else values

        return Rows(compute, self._task.stationarity())


@final
@estimator(
    "grad_dot",
    summary="inner product of the two gradients, at one checkpoint",
    paper="Charpiat et al., NeurIPS 2019",
    cost="N M (I + C) for a last layer, else N M P; self-influence one backward pass",
)
@dataclass(frozen=True)
class GradDot(Averaged):
    """The inner product of gradients."""

    def influence(self, task: Task) -> Influence:
        """At one checkpoint."""
        return GradientProduct(task)


@final
@estimator(
    "grad_cos",
    summary="cosine of the two gradients, blind to their lengths; 1 for every sample with itself",
    paper="Charpiat et al., NeurIPS 2019",
    cost="as grad_dot",
)
@dataclass(frozen=True)
class GradCos(Averaged):
    """The cosine of gradients."""

    def influence(self, task: Task) -> Influence:
        """At one checkpoint."""
        return GradientProduct(task, cosine=True)


@final
@estimator(
    "tracin",
    summary="inner products of gradients, summed over checkpoints by learning rate (TracInCP)",
    paper="Pruthi et al., NeurIPS 2020",
    cost="as grad_dot, once a checkpoint",
)
@dataclass(frozen=True)
class TracIn:
    """The sum over checkpoints of learning rate times inner product of gradients.

    Attributes:
        learning_rates: One for each checkpoint; None for 1 each.
    """

    learning_rates: Sequence[float] | None = None

    def influences(self, tasks: Tasks) -> Iterator[tuple[float, Influence]]:
        """One influence for each checkpoint, weighted by its learning rate.

        Raises:
            InputError: Not one finite learning rate for each checkpoint.
        """
        given = self.learning_rates
        rates = [1.0] * len(tasks) if given is None else [float(rate) for rate in given]
        if len(rates) != len(tasks) or not bool(torch.isfinite(torch.tensor(rates)).all()):
            raise InputError(
                f"one finite learning rate for each of {len(tasks)} checkpoints",
                str(rates),
                "Pass learning_rates= in the order of checkpoints=",
            )
        for rate, task in zip(rates, tasks, strict=True):
            yield rate, GradientProduct(task)


def inverse_lengths(block: GradientBlock) -> Tensor:
    """(N,) one over the norms; 0 for a gradient of zero."""
    lengths = block.norm(2)
    return torch.where(lengths > 0, 1 / lengths.clamp(min=torch.finfo(lengths.dtype).tiny), 0)
