"""Conjugate gradients: the inverse from products with the curvature alone."""

from dataclasses import dataclass
from typing import Literal, final

import torch
from torch import Tensor

from chaffinch.core.errors import InputError
from chaffinch.gradients import GradientBlock
from chaffinch.gradients.rows import row_blocks
from chaffinch.influence.bilinear import Bilinear
from chaffinch.influence.diagnostics import Diagnostics
from chaffinch.influence.estimator import Averaged, Influence, at_least, estimator
from chaffinch.influence.inverse import Inverse, Solution, quadratic_by_rows
from chaffinch.influence.product import Curvature, Product, curvature_product
from chaffinch.influence.task import Task, choose_damping


@final
@estimator(
    "cg",
    summary="conjugate gradients on curvature-vector products, to a tolerance",
    paper="Martens, ICML 2010; Koh and Liang, ICML 2017",
    cost="iterations x products of 4 N P operations, for every target",
)
@dataclass(frozen=True)
class ConjugateGradients(Averaged):
    """The solution of ``(H + damping) x = g_j`` for all targets side by side.

    Attributes:
        damping: As for `Exact`.
        curvature: "hessian", "ggn" or "fisher".
        tolerance: Relative residual at which a target is solved.
        iterations: At most so many.
        preconditioner: "none", or "diagonal" for that of the empirical Fisher matrix.
    """

    damping: float | None = None
    curvature: Curvature = "hessian"
    tolerance: float = 1e-5
    iterations: int = 500
    preconditioner: Literal["none", "diagonal"] = "none"

    def influence(self, task: Task) -> Influence:
        """At one checkpoint."""
        at_least("iterations", self.iterations, 1)
        if self.preconditioner not in ("none", "diagonal"):
            raise InputError(
                "the preconditioner none or diagonal", repr(self.preconditioner), "Choose one"
            )
        return Bilinear(task, lambda: self.invert(task))

    def invert(self, task: Task) -> Inverse:
        """The inverse as a linear map."""
        return Iterated(self, task)


@final
class Iterated:
    """An inverse by conjugate gradients.

    Args:
        options: Tolerance, iterations, preconditioner.
        task: The training samples.
    """

    def __init__(self, options: ConjugateGradients, task: Task) -> None:
        self._options = options
        self._block = task.block
        self._damping = choose_damping(options.damping, task.block)
        self._product = curvature_product(task, options.curvature)
        self._scale: Tensor | None = None
        if options.preconditioner == "diagonal":
            self._scale = fisher_diagonal(task.block)[:, None] + max(self._damping, 1e-12)

    def apply(self, vectors: Tensor) -> Solution:
        """(P, K): ``A^-1`` times vectors."""
        options = self._options

        def product(x: Tensor) -> Tensor:
            return self._product(x) + self._damping * x

        solved, steps, reached, curved = conjugate_gradients(
            product, vectors, self._scale, options.tolerance, options.iterations
        )
        worst = relative_residual(product, solved, vectors)
        note = "Conjugate gradients met a direction of negative curvature: use curvature='ggn'."
        diagnostics = Diagnostics(
            damping={"all": self._damping},
            iterations=steps,
            residual=worst,
            converged=reached and not curved,
            notes=(note,) if curved else (),
        )
        return Solution(solved, diagnostics)

    def diagonal(self) -> Solution:
        """(N,): ``g_i^T A^-1 g_i``, one solve a sample, many side by side."""
        return quadratic_by_rows(self.apply, self._block)


def conjugate_gradients(
    product: Product, vectors: Tensor, scale: Tensor | None, tolerance: float, iterations: int
) -> tuple[Tensor, int, bool, bool]:
    """Solve ``A x = v`` for all columns at once, each with its own step lengths.

    Args:
        product: Multiplies (P, K) by a symmetric A.
        vectors: (P, K) right-hand sides.
        scale: (P, 1) diagonal preconditioner; None for none.
        tolerance: Relative residual at which a column stops.
        iterations: At most so many.

    Returns:
        Solutions (P, K), iterations, whether no column was cut off, and whether one stopped at a
        direction of negative curvature.
    """
    x, r = torch.zeros_like(vectors), vectors.clone()
    z = r if scale is None else r / scale
    p, rho = z.clone(), (r * z).sum(0)
    goal = tolerance * vectors.norm(dim=0)
    active, curved, steps = r.norm(dim=0) > goal, False, 0
    while steps < iterations and bool(active.any()):
        mapped = product(p)
        bend = (p * mapped).sum(0)
        flat = active & (bend <= 0)
        curved = curved or bool(flat.any())
        active = active & ~flat
        step = torch.where(active, rho / torch.where(active, bend, 1), 0)
        x += step * p
        r -= step * mapped
        z = r if scale is None else r / scale
        following = (r * z).sum(0)
        p = z + torch.where(active, following / torch.where(rho > 0, rho, 1), 0) * p
        rho, steps = following, steps + 1
        active = active & (r.norm(dim=0) > goal)
    return x, steps, not bool(active.any()), curved


def relative_residual(product: Product, x: Tensor, vectors: Tensor) -> float:
    """The largest ``|A x - v| / |v|`` of any column; zero columns count as solved."""
    if not vectors.shape[1]:
        return 0.0
    lengths = vectors.norm(dim=0)
    errors = (product(x) - vectors).norm(dim=0) / torch.where(lengths > 0, lengths, 1)
    return float(errors.max())


def fisher_diagonal(block: GradientBlock) -> Tensor:
    """(P,) mean squared gradient of every parameter."""
    total = torch.zeros(block.num_parameters, dtype=block.dtype, device=block.device)
    for rows in row_blocks(len(block), block.num_parameters, 1 << 22):
        total += block.take(rows).dense().square_().sum(0)
    return total / max(1, len(block))
