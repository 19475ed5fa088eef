"""Exact inverses: the true Hessian, the Gauss-Newton matrix, the empirical Fisher matrix."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from chaffinch.core.errors import InputError
from chaffinch.gradients import GradientBlock
from chaffinch.gradients.rows import row_blocks
from chaffinch.influence.bilinear import Bilinear
from chaffinch.influence.estimator import Averaged, Influence, estimator
from chaffinch.influence.inverse import (
    DenseInverse,
    Inverse,
    LastLayerInverse,
    fisher_weights,
    hessian_weights,
)
from chaffinch.influence.product import Curvature, curvature_product
from chaffinch.influence.task import Task, choose_damping

_COLUMNS = 64
_COST = "N P^2 + P^3 (last layer: half of it, in class pairs); P up to 12,000"


@final
@estimator(
    "exact",
    summary="the inverse of the true damped Hessian, assembled and factored",
    paper="Koh and Liang, ICML 2017",
    cost=_COST,
)
@dataclass(frozen=True)
class Exact(Averaged):
    """``g_j^T (H + damping)^-1 g_i`` with the Hessian H of the mean training loss.

    Attributes:
        damping: Added to the diagonal; the strength of an L2 penalty belongs here. None for a
            tenth of the mean diagonal of the empirical Fisher matrix.
        limit: Largest P for which the P x P matrix is made.
    """

    damping: float | None = None
    limit: int = 12_000

    def influence(self, task: Task) -> Influence:
        """At one checkpoint."""
        return Bilinear(task, lambda: assembled(task, "hessian", self.damping, self.limit))


@final
@estimator(
    "ggn",
    summary="the same with the Gauss-Newton matrix, which is never indefinite",
    paper="Martens, JMLR 2020",
    cost=_COST,
)
@dataclass(frozen=True)
class Ggn(Averaged):
    """``g_j^T (G + damping)^-1 g_i`` with the generalised Gauss-Newton matrix G.

    Attributes:
        damping: As for `Exact`.
        limit: As for `Exact`.
    """

    damping: float | None = None
    limit: int = 12_000

    def influence(self, task: Task) -> Influence:
        """At one checkpoint."""
        return Bilinear(task, lambda: assembled(task, "ggn", self.damping, self.limit))


@final
@estimator(
    "fisher",
    summary="the same with the empirical Fisher matrix, the mean of g g^T",
    paper="Amari, 1998; not the true Fisher: Kunstner et al., NeurIPS 2019",
    cost=_COST,
)
@dataclass(frozen=True)
class Fisher(Averaged):
    """``g_j^T (F + damping)^-1 g_i`` with ``F = mean_i g_i g_i^T`` (given labels).

    Attributes:
        damping: As for `Exact`.
        limit: As for `Exact`.
    """

    damping: float | None = None
    limit: int = 12_000

    def influence(self, task: Task) -> Influence:
        """At one checkpoint."""
        return Bilinear(task, lambda: assembled(task, "fisher", self.damping, self.limit))


def assembled(task: Task, curvature: Curvature, damping: float | None, limit: int) -> Inverse:
    """The inverse of a curvature as a matrix.

    Raises:
        InputError: More parameters than the limit.
    """
    block = task.block
    if block.num_parameters > limit:
        raise InputError(
            f"at most {limit:,} parameters for a dense curvature",
            f"{block.num_parameters:,}",
            "Use estimator='ekfac' or 'cg', choose fewer layers, or raise limit=",
        )
    chosen, last = choose_damping(damping, block), task.last_layer
    if last is not None:
        weights = fisher_weights if curvature == "fisher" else hessian_weights
        return LastLayerInverse(last, weights, chosen)
    if curvature == "fisher":
        return DenseInverse(dense_fisher(block), chosen, block)
    return DenseInverse(dense_curvature(task, curvature), chosen, block)


def dense_fisher(block: GradientBlock) -> Tensor:
    """(P, P) mean of ``g g^T``, a few materialised gradients at a time."""
    size = block.num_parameters
    total = torch.zeros(size, size, dtype=block.dtype, device=block.device)
    for rows in row_blocks(len(block), size, 1 << 22):
        gradients = block.take(rows).dense()
        total.addmm_(gradients.T, gradients)
    return total / max(1, len(block))


def dense_curvature(task: Task, curvature: Curvature) -> Tensor:
    """(P, P) mean Hessian or Gauss-Newton matrix, a few columns at a time."""
    block = task.block
    product, size = curvature_product(task, curvature), block.num_parameters
    matrix = torch.zeros(size, size, dtype=block.dtype, device=block.device)
    for columns in row_blocks(size, 1, _COLUMNS):
        units = torch.zeros(size, columns.stop - columns.start, dtype=block.dtype)
        units[columns] = torch.eye(columns.stop - columns.start, dtype=block.dtype)
        matrix[:, columns] = product(units.to(block.device))
    return (matrix + matrix.T) / 2
