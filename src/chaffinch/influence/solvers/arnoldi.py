"""Arnoldi: the inverse in the few directions where the curvature is largest."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from chaffinch.gradients import GradientBlock
from chaffinch.influence.bilinear import Bilinear
from chaffinch.influence.diagnostics import Diagnostics
from chaffinch.influence.estimator import Averaged, Influence, at_least, estimator
from chaffinch.influence.inverse import Solution
from chaffinch.influence.product import Curvature, Product, curvature_product
from chaffinch.influence.task import Task, choose_damping, generator


@final
@estimator(
    "arnoldi",
    summary="the inverse in the top eigenvectors of a Krylov space; the rest is dropped",
    paper="Schioppa et al., AAAI 2022",
    cost="iterations x products of 4 N P operations, once; then N K and M K",
)
@dataclass(frozen=True)
class Arnoldi(Averaged):
    """``sum_k (q_k . g_i)(q_k . g_j) / (lambda_k + damping)`` over the top eigenpairs.

    Attributes:
        damping: As for `Exact`; the paper's own is 0.
        curvature: "hessian", "ggn" or "fisher".
        iterations: Dimensions of the Krylov space.
        top: K, the eigenpairs of largest magnitude that are kept.
        seed: Of the starting vector.
    """

    damping: float | None = None
    curvature: Curvature = "hessian"
    iterations: int = 100
    top: int = 50
    seed: int = 0

    def influence(self, task: Task) -> Influence:
        """At one checkpoint."""
        at_least("iterations", self.iterations, 1)
        at_least("top", self.top, 1)
        return Bilinear(task, lambda: self.invert(task))

    def invert(self, task: Task) -> "LowRank":
        """The inverse in the kept directions."""
        block = task.block
        product = curvature_product(task, self.curvature)
        start = torch.randn(
            block.num_parameters, generator=generator(self.seed), dtype=torch.float64
        )
        basis, values = krylov(product, start.to(block.dtype), self.iterations)
        kept = values.abs().argsort(descending=True)[: self.top]
        damping = choose_damping(self.damping, block)
        return LowRank(block, basis[:, kept], values[kept], damping)


@final
class LowRank:
    """An inverse in the span of a few eigenvectors.

    Args:
        block: The training gradients.
        vectors: (P, K) orthonormal.
        values: (K,) eigenvalues.
        damping: Added to them.
    """

    def __init__(
        self, block: GradientBlock, vectors: Tensor, values: Tensor, damping: float
    ) -> None:
        self._block = block
        self._vectors = vectors
        self._inverse = 1 / (values + damping)
        negative = int((values < -damping).sum())
        note = f"{negative} of the {len(values)} kept eigenvalues are negative: use curvature='ggn'"
        self._diagnostics = Diagnostics(
            damping={"all": damping},
            iterations=len(values),
            notes=(note,) if negative else (),
        )

    def apply(self, vectors: Tensor) -> Solution:
        """(P, K): the inverse of the part in the span; the rest is dropped."""
        inside = self._vectors.T @ vectors * self._inverse[:, None]
        return Solution(self._vectors @ inside, self._diagnostics)

    def diagonal(self) -> Solution:
        """(N,): the form of the training gradients, from N x K products."""
        inside = self._block.matvec(self._vectors)
        return Solution(inside.square() @ self._inverse, self._diagnostics)


def krylov(product: Product, start: Tensor, iterations: int) -> tuple[Tensor, Tensor]:
    """Eigenpairs of a symmetric matrix in a Krylov space, fully reorthogonalised.

    Args:
        product: Multiplies (P, 1) by the matrix.
        start: (P,) starting vector.
        iterations: Dimensions, fewer where the space closes.

    Returns:
        Ritz vectors (P, D) and values (D,).
    """
    size = min(iterations, len(start))
    basis, images = start.new_empty(len(start), size), start.new_empty(len(start), size)
    vector, largest, found = start / start.norm(), 0.0, 0
    for step in range(size):
        basis[:, step] = vector
        image = product(vector[:, None])[:, 0]
        images[:, step], found = image, step + 1
        largest = max(largest, float(image.norm()))
        rest = image
        for _pass in range(2):  # the second pass removes what rounding left
            rest = rest - basis[:, :found] @ (basis[:, :found].T @ rest)
        length = float(rest.norm())
        if length <= 100 * torch.finfo(start.dtype).eps * largest:
            break
        vector = rest / length
    basis, images = basis[:, :found], images[:, :found]
    small = (basis.T @ images).double()
    values, rotation = torch.linalg.eigh((small + small.T) / 2)
    return basis @ rotation.to(basis), values.to(basis)
