"""Bilinear influence ``g_i^T A^-1 g_j``: what all solvers but the ensembles share."""

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import final

import torch
from torch import Tensor

from chaffinch.gradients import GradientBlock
from chaffinch.gradients.rows import row_blocks
from chaffinch.influence.diagnostics import Diagnostics
from chaffinch.influence.estimator import Rows, Strip, Targets
from chaffinch.influence.inverse import Inverse
from chaffinch.influence.task import Task

_STRIP_FLOATS = 1 << 26
"""Numbers of the solved target vectors that are kept at once: 256 MiB in float32."""


@final
class Bilinear:
    """The influence of a task through the inverse of a curvature.

    Args:
        task: The training samples.
        invert: Makes the inverse; called once, when it is first needed.
    """

    def __init__(self, task: Task, invert: Callable[[], Inverse]) -> None:
        self._task = task
        self._invert = invert

    @cached_property
    def _inverse(self) -> Inverse:
        return self._invert()

    def strips(self, targets: Targets) -> Iterator[Strip]:
        """Strips of as many targets as a bounded number of solved vectors allows."""
        block = self._task.gradients(targets.data)
        if targets.mean:
            yield Strip(slice(0, 1), lambda: self._solve(mean_gradient(block)))
            return
        for columns in row_blocks(len(block), block.num_parameters, _STRIP_FLOATS):
            part = block.take(columns)
            yield Strip(columns, lambda part=part: self._solve(part.dense().T))  # type: ignore[misc]

    def diagonal(self) -> tuple[Tensor, Diagnostics]:
        """(N,) with one curvature for the whole set."""
        solved = self._inverse.diagonal()
        return solved.values, solved.diagnostics.merged(self._task.stationarity())

    def _solve(self, vectors: Tensor) -> Rows:
        solved = self._inverse.apply(vectors)
        block = self._task.block
        return Rows(
            lambda rows: block.take(rows).matvec(solved.values),
            solved.diagnostics.merged(self._task.stationarity()),
        )


@final
class Embedded:
    """An influence that is an inner product of rows of two tables, ``X_i . Y_j``.

    Args:
        samples: (N, K) table of the training samples.
        embed: Gives the table (M, K) of any data.
        diagonal: (N,) influence of the samples on themselves.
        diagnostics: How the tables were had.
    """

    def __init__(
        self,
        samples: Tensor,
        embed: Callable[[Targets], Tensor],
        diagonal: Tensor,
        diagnostics: Diagnostics,
    ) -> None:
        self._samples = samples
        self._embed = embed
        self._diagonal = diagonal
        self._diagnostics = diagnostics

    def strips(self, targets: Targets) -> Iterator[Strip]:
        """One strip: the tables are narrow."""
        table = self._embed(targets)
        if targets.mean:
            table = table.mean(0, keepdim=True)

        def solve() -> Rows:
            return Rows(lambda rows: self._samples[rows] @ table.T, self._diagnostics)

        yield Strip(slice(0, len(table)), solve)

    def diagonal(self) -> tuple[Tensor, Diagnostics]:
        """(N,) influence of each training sample on itself."""
        return self._diagonal, self._diagnostics


def mean_gradient(block: GradientBlock) -> Tensor:
    """(P, 1) mean gradient of M targets: that of their mean loss."""
    weights = torch.full((len(block),), 1.0 / max(1, len(block)), dtype=torch.float64)
    return block.weighted_sum(weights)[:, None]
