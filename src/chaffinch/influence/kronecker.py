"""The Kronecker eigenbasis of one layer, with eigenvalues corrected to the gradients."""

from collections.abc import Iterator
from typing import final

import torch
from torch import Tensor

from chaffinch.gradients.factored import Factored
from chaffinch.gradients.piece import Dense, Piece
from chaffinch.gradients.rows import row_blocks

_BUDGET = 1 << 20


@final
class KroneckerBasis:
    """The eigenbasis ``U_S x U_A`` of a linear or convolutional layer and its variances in it.

    A layer of G groups has G such bases. Each gradient is a matrix (O, J) in each group, with
    J = I, or I + 1 where the bias is the last column.

    Args:
        weight: Gradients of the weight for the labels that define the curvature.
        bias: Whether the layer has a bias.
    """

    def __init__(self, weight: Factored, bias: bool) -> None:
        self._bias = bias
        self.groups, self.outputs, self.inputs = weight.groups, weight.outputs, weight.inputs
        width = self.inputs + bias
        inner = torch.zeros(self.groups, width, width, dtype=torch.float64)
        outer = torch.zeros(self.groups, self.outputs, self.outputs, dtype=torch.float64)
        for d, h in self._factors(weight):
            inner += _gram(h)
            outer += _gram(d)
        self.right = torch.linalg.eigh(inner)[1].to(weight.dtype)
        self.left = torch.linalg.eigh(outer)[1].to(weight.dtype)
        total = weight.like.new_zeros(self.groups, self.outputs, width, dtype=weight.dtype)
        for d, h in self._factors(weight):
            left, right = _turned(d, self.left), _turned(h, self.right)
            if d.shape[2] == 1:  # the square of an outer product is that of the squares
                left, right = left[:, :, 0].square_(), right[:, :, 0].square_()
                total += left.permute(1, 2, 0) @ right.transpose(0, 1)
            else:
                total += (left.mT @ right).square().sum(0)
        self.variances = total / max(1, len(weight))

    def apply(self, weight: Piece, vectors: Tensor, damping: float) -> Tensor:
        """The damped inverse times (P, K) vectors, weight first, then bias.

        Args:
            weight: Any gradients of the weight, for the order of its numbers.
            vectors: (P, K) of the weight and bias together.
            damping: Added to the variances.
        """
        split, count = weight.size, vectors.shape[1]
        shape = (count, self.groups, self.outputs)
        stored = weight.stored(vectors[:split].T) if isinstance(weight, Factored) else vectors.T
        matrix = stored.reshape(*shape, self.inputs)
        if self._bias:
            matrix = torch.cat([matrix, vectors[split:].T.reshape(*shape, 1)], 3)
        turned = self.left.mT @ matrix @ self.right / (self.variances + damping)
        back = self.left @ turned @ self.right.mT
        flat = back[..., : self.inputs].reshape(count, split)
        if isinstance(weight, Factored):
            flat = weight.canonical(flat.view(*shape, self.inputs)).reshape(count, split)
        parts = [flat.T, back[..., self.inputs :].reshape(count, -1).T] if self._bias else [flat.T]
        return torch.cat(parts)

    def forms(self, weight: Factored, damping: float) -> Tensor:
        """(N,) ``g_i^T A^-1 g_i`` from the factors of samples."""
        inverse = 1 / (self.variances + damping)
        parts = [weight.like.new_zeros(0, dtype=weight.dtype)]
        for d, h in self._factors(weight):
            left, right = _turned(d, self.left), _turned(h, self.right)
            if d.shape[2] == 1:
                mapped = _turned(left.square_(), inverse)
                parts.append(mapped.mul_(right.square_()).sum((1, 2, 3)))
            else:
                parts.append((left.mT @ right).square_().mul_(inverse).sum((1, 2, 3)))
        return torch.cat(parts)

    def _factors(self, weight: Factored) -> Iterator[tuple[Tensor, Tensor]]:
        """Errors (n, G, T, O) and inputs (n, G, T, J) of a few samples at a time."""
        positions = weight.positions
        gradient = weight.size if positions > 1 else 0
        stored = weight.groups * positions * (weight.outputs + weight.inputs)
        for rows in row_blocks(len(weight), 2 * stored + gradient, _BUDGET):
            d, h = weight.factors(rows)
            if self._bias:
                h = torch.cat([h, h.new_ones(*h.shape[:-1], 1)], 3)
            yield d, h


@final
class DiagonalBasis:
    """Parameters without Kronecker factors (norm layers, embeddings): their own variances.

    Args:
        piece: Gradients for the labels that define the curvature.
    """

    def __init__(self, piece: Piece) -> None:
        total = piece.like.new_zeros(piece.size, dtype=piece.dtype)
        for rows in row_blocks(len(piece), piece.size, _BUDGET):
            total += piece.take(rows).dense().square().sum(0)
        self.variances = total / max(1, len(piece))

    def apply(self, _piece: Piece, vectors: Tensor, damping: float) -> Tensor:
        """The damped inverse times (P, K)."""
        return vectors / (self.variances + damping)[:, None]

    def forms(self, piece: Piece, damping: float) -> Tensor:
        """(N,) ``g_i^T A^-1 g_i``."""
        inverse = 1 / (self.variances + damping)
        parts = [piece.like.new_zeros(0, dtype=piece.dtype)]
        for rows in row_blocks(len(piece), piece.size, _BUDGET):
            parts.append(piece.take(rows).dense().square() @ inverse)  # noqa: PERF401
        return torch.cat(parts)


def has_factors(piece: Piece) -> bool:
    """Whether a Kronecker basis can be made of a piece: one use of a linear or conv layer."""
    return isinstance(piece, Factored) and len(piece.sources) == 1


def is_bias_of(piece: Piece, weight: Piece) -> bool:
    """Whether a piece is the bias that goes with a weight."""
    return isinstance(piece, Dense) and tuple(piece.shape) == (weight.shape[0],)


def _turned(factor: Tensor, basis: Tensor) -> Tensor:
    """(n, G, T, Y) products of (n, G, T, X) with (G, X, Y), in one product a group.

    Broadcasting would make it one product a sample, of which each reads the whole basis again.
    """
    flat = factor.transpose(0, 1).flatten(1, 2) @ basis
    return flat.view(len(flat), len(factor), factor.shape[2], flat.shape[2]).transpose(0, 1)


def _gram(factor: Tensor) -> Tensor:
    """(G, X, X) sum over samples and positions of outer products of (n, G, T, X)."""
    flat = factor.transpose(0, 1).flatten(1, 2)
    return (flat.mT @ flat).double()
