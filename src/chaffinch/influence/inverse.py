"""What a solver gives: the inverse of a curvature as a linear map, dense or not."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, final

import torch
from torch import Tensor

from chaffinch.core.errors import InputError
from chaffinch.gradients import GradientBlock
from chaffinch.gradients.rows import row_blocks
from chaffinch.influence.class_pairs import assemble, centred_basis, quadratic_forms
from chaffinch.influence.diagnostics import Diagnostics
from chaffinch.influence.last_layer import LastLayer


@dataclass(frozen=True, eq=False)
class Solution:
    """Values and how they were had.

    Attributes:
        values: The result.
        diagnostics: Convergence and damping.
    """

    values: Tensor
    diagnostics: Diagnostics


class Inverse(Protocol):
    """The inverse of a damped curvature A of P parameters."""

    def apply(self, vectors: Tensor) -> Solution:
        """(P, K): ``A^-1`` times (P, K) vectors, which are combinations of gradients."""
        ...

    def diagonal(self) -> Solution:
        """(N,): ``g_i^T A^-1 g_i`` of the training samples."""
        ...


def quadratic_by_rows(
    apply: Callable[[Tensor], Solution], block: GradientBlock, budget: int = 1 << 22
) -> Solution:
    """``g_i^T A^-1 g_i`` from nothing but products: a few materialised gradients at a time."""
    parts, diagnostics = [block.self_dot()[:0]], Diagnostics()
    for rows in row_blocks(len(block), block.num_parameters, budget):
        gradients = block.take(rows).dense()
        solved = apply(gradients.T)
        parts.append((gradients * solved.values.T).sum(1))
        diagnostics = diagnostics.merged(solved.diagnostics)
    return Solution(torch.cat(parts), diagnostics)


@final
class DenseInverse:
    """The inverse of a matrix, by Cholesky in float64.

    A matrix that is not positive definite is factored by LU instead, and a note says so.

    Args:
        matrix: (P, P) symmetric curvature, without damping.
        damping: Added to its diagonal.
        block: The training gradients.
    """

    def __init__(self, matrix: Tensor, damping: float, block: GradientBlock) -> None:
        self._block = block
        damped = matrix.double().clone()
        damped.diagonal().add_(damping)
        self._triangle, failed = torch.linalg.cholesky_ex(damped)
        self._inverse: Tensor | None = None
        notes: tuple[str, ...] = ()
        if int(failed):
            self._inverse, notes = _indefinite(damped, damping)
        self.diagnostics = Diagnostics(
            damping={"all": damping}, converged=not int(failed), notes=notes
        )

    def apply(self, vectors: Tensor) -> Solution:
        """(P, K): ``A^-1`` times vectors."""
        wide = vectors.double()
        if self._inverse is None:
            solved = torch.cholesky_solve(wide, self._triangle)
        else:
            solved = self._inverse @ wide
        return Solution(solved.to(vectors.dtype), self.diagnostics)

    def root(self, noise: Tensor) -> Tensor:
        """(P, K): vectors with the covariance ``A^-1`` from white noise (P, K)."""
        if self._inverse is not None:
            raise InputError(
                "a positive definite curvature to draw from", "an indefinite one", "Raise damping="
            )
        triangle = self._triangle.T
        drawn: Tensor = torch.linalg.solve_triangular(triangle, noise.double(), upper=True)
        return drawn

    @property
    def dimensions(self) -> int:
        """Length of the white noise that `root` takes."""
        return len(self._triangle)

    def diagonal(self) -> Solution:
        """(N,): ``g_i^T A^-1 g_i``."""
        block = self._block
        if self._inverse is not None:
            return quadratic_by_rows(self.apply, block)
        parts = [block.self_dot()[:0]]
        for rows in row_blocks(len(block), block.num_parameters, 1 << 22):
            gradients = block.take(rows).dense().double().T
            halves = torch.linalg.solve_triangular(self._triangle, gradients, upper=False)
            parts.append(halves.square().sum(0).to(block.dtype))
        return Solution(torch.cat(parts), self.diagnostics)


@final
class LastLayerInverse:
    """The inverse of a last layer's curvature, assembled in blocks of class pairs.

    Exact in the span of gradients under cross-entropy, whose errors sum to zero over the classes;
    parts of a vector outside of it are dropped.

    Args:
        layer: The N samples.
        curvature: Gives the weight matrices (n, C, C) of a slice of samples; see `hessian_weights`
            and `fisher_weights`.
        damping: Added to the diagonal of the mean curvature.
    """

    def __init__(
        self, layer: LastLayer, curvature: Callable[[LastLayer, slice], Tensor], damping: float
    ) -> None:
        basis = centred_basis(layer.shape[0], layer.features)

        def weights(rows: slice) -> Tensor:
            return basis.T @ curvature(layer, rows).to(basis) @ basis

        matrix = assemble(layer.features, layer.bias, weights, basis.shape[1])
        matrix /= max(1, len(layer))
        matrix.diagonal().add_(damping)
        triangle, failed = torch.linalg.cholesky_ex(matrix)
        del matrix
        if int(failed):
            raise InputError(
                "a damped curvature that is positive definite",
                f"one that is singular at damping {damping:.3g}",
                "Raise damping=, or leave it out for the default",
            )
        self._inverse = torch.cholesky_inverse(triangle)
        self._basis = basis
        self._layer = layer
        self.diagnostics = Diagnostics(damping={"all": damping})

    def apply(self, vectors: Tensor) -> Solution:
        """(P, K): ``A^-1`` times combinations of gradients."""
        (classes, size), (_, inputs) = self._basis.shape, self._layer.shape
        split, count = classes * inputs, vectors.shape[1]
        basis = self._basis.double()
        weight = vectors[:split].double().reshape(classes, inputs * count)
        parts = [(basis.T @ weight).view(size, inputs, count)]
        if self._layer.bias:
            parts.append((basis.T @ vectors[split:].double()).unsqueeze(1))
        flat = torch.cat(parts, 1).reshape(len(self._inverse), count)
        return Solution(self._lift(self._inverse @ flat).to(vectors.dtype), self.diagnostics)

    def root(self, noise: Tensor) -> Tensor:
        """(P, K): vectors with the covariance ``A^-1`` in the span, from noise (B J, K)."""
        return self._lift(torch.linalg.cholesky(self._inverse) @ noise.double())

    @property
    def dimensions(self) -> int:
        """Length of the white noise that `root` takes."""
        return len(self._inverse)

    def _lift(self, flat: Tensor) -> Tensor:
        """(P, K) of the layer's own parameters from (B J, K)."""
        (classes, size), (_, inputs) = self._basis.shape, self._layer.shape
        count, length = flat.shape[1], inputs + self._layer.bias
        wide = self._basis.double() @ flat.reshape(size, length * count)
        wide = wide.view(classes, length, count)
        weight = wide[:, :inputs].reshape(classes * inputs, count)
        return torch.cat([weight, wide[:, inputs]]) if self._layer.bias else weight

    def diagonal(self) -> Solution:
        """(N,): ``g_i^T A^-1 g_i`` in blocks of class pairs."""
        layer = self._layer
        errors = layer.errors @ self._basis.to(layer.errors)
        forms = quadratic_forms(self._inverse, layer.features, layer.bias, errors)
        return Solution(forms, self.diagnostics)


def hessian_weights(layer: LastLayer, rows: slice) -> Tensor:
    """(n, C, C) ``diag p - p p^T``: Hessian and Gauss-Newton matrix of cross-entropy alike."""
    p = layer.probabilities[rows]
    return torch.diag_embed(p) - p.unsqueeze(2) * p.unsqueeze(1)


def fisher_weights(layer: LastLayer, rows: slice) -> Tensor:
    """(n, C, C) ``d d^T``: the empirical Fisher matrix, with the given labels."""
    d = layer.errors[rows]
    return d.unsqueeze(2) * d.unsqueeze(1)


def _indefinite(damped: Tensor, damping: float) -> tuple[Tensor, tuple[str, ...]]:
    note = (
        f"The curvature is not positive definite at damping {damping:.3g}: the values solve the "
        "linear system, but are no influence; raise the damping, or use ggn."
    )
    try:
        return torch.linalg.inv(damped), (note,)
    except RuntimeError as error:  # torch.linalg.LinAlgError: exactly singular
        raise InputError(
            "a damped curvature that can be inverted",
            f"a singular one at damping {damping:.3g}",
            "Raise damping=, or leave it out for the default",
        ) from error
