"""A piece: the per-sample gradients of one parameter, in whatever form is cheapest."""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from math import prod
from typing import Self, final

import torch
from torch import Tensor
from typing_extensions import override

from chaffinch.gradients.outer import lengths_of
from chaffinch.gradients.rows import Index, computing_dtype, pick, product_rows, row_blocks, widen


class Piece(ABC):
    """Gradients of N samples with respect to one parameter of P numbers, flat in row-major order.

    Results come in the element type to add up in (float32 where half precision is stored).

    Attributes:
        shape: The shape of the parameter.
    """

    shape: torch.Size

    @property
    def size(self) -> int:
        """P, how many numbers the parameter has."""
        return prod(self.shape)

    @property
    @abstractmethod
    def tensors(self) -> tuple[Tensor, ...]:
        """What is stored, samples first; the last one has the element type of the gradients."""

    @abstractmethod
    def rebuilt(self, tensors: Sequence[Tensor]) -> Self:
        """A piece of the same kind around other stored tensors of the same kinds."""

    @property
    def structure(self) -> Hashable:
        """Equal for pieces whose tensors can be laid one after the other."""
        return type(self), tuple(tensor.shape[1:] for tensor in self.tensors)

    @property
    def like(self) -> Tensor:
        """A stored tensor whose device and element type are those of the piece."""
        return self.tensors[-1]

    @property
    def dtype(self) -> torch.dtype:
        """The element type of results."""
        return computing_dtype(self.like.dtype)

    @property
    def floats_per_sample(self) -> int:
        """How many numbers are stored for one sample."""
        return sum(prod(tensor.shape[1:]) for tensor in self.tensors)

    @final
    def __len__(self) -> int:
        return len(self.tensors[0])

    @final
    def take(self, index: Index) -> Self:
        """The gradients of the samples at ``index``; a view for a slice."""
        return self.rebuilt([pick(tensor, index) for tensor in self.tensors])

    @final
    def to(self, dtype: torch.dtype) -> Self:
        """The same gradients, stored in another element type."""
        return self.rebuilt([t.to(dtype) if t.is_floating_point() else t for t in self.tensors])

    @abstractmethod
    def self_dot(self) -> Tensor:
        """(N,) squared L2 norms."""

    @abstractmethod
    def abs_sum(self) -> Tensor:
        """(N,) L1 norms."""

    @abstractmethod
    def add_dot(self, other: "Piece", out: Tensor) -> None:
        """Add to ``out`` (N, M) the inner products with M gradients by the same parameter."""

    @final
    def dot(self, other: "Piece") -> Tensor:
        """(N, M) inner products with the gradients of M samples by the same parameter."""
        out = self.like.new_zeros(len(self), len(other), dtype=self.dtype)
        self.add_dot(other, out)
        return out

    @abstractmethod
    def weighted_sum(self, weights: Tensor) -> Tensor:
        """(W, P) sums of gradients with the weights (W, N)."""

    @abstractmethod
    def add_matvec(self, matrix: Tensor, out: Tensor) -> None:
        """Add to ``out`` (N, K) the products with the matrix (P, K)."""

    @final
    def matvec(self, matrix: Tensor) -> Tensor:
        """(N, K) products with the matrix (P, K)."""
        out = self.like.new_zeros(len(self), matrix.shape[1], dtype=self.dtype)
        self.add_matvec(matrix, out)
        return out

    @abstractmethod
    def gather(self, samples: Tensor | slice, columns: Tensor) -> Tensor:
        """Values at pairs (sample, column): both (K,), or a slice of rows and one column ()."""

    @abstractmethod
    def dense(self) -> Tensor:
        """(N, P) materialised gradients."""


@final
class Dense(Piece):
    """Materialised gradients: biases, norm layers, and weights smaller than their factors.

    Args:
        values: (N, P) gradients.
        shape: The shape of the parameter, with P numbers.
    """

    def __init__(self, values: Tensor, shape: Sequence[int]) -> None:
        self.values = values
        self.shape = torch.Size(shape)

    @property
    @override
    def tensors(self) -> tuple[Tensor, ...]:
        return (self.values,)

    @override
    def rebuilt(self, tensors: Sequence[Tensor]) -> "Dense":
        return Dense(tensors[0], self.shape)

    @override
    def self_dot(self) -> Tensor:
        return lengths_of(widen(self.values), 2).square_()

    @override
    def abs_sum(self) -> Tensor:
        return lengths_of(widen(self.values), 1)

    @override
    def add_dot(self, other: Piece, out: Tensor) -> None:
        if isinstance(other, Dense):
            out.addmm_(self.dense().to(out.dtype), other.dense().to(out.dtype).T)
        else:
            other.add_dot(self, out.T)

    @override
    def weighted_sum(self, weights: Tensor) -> Tensor:
        return weights.to(self.dtype) @ widen(self.values)

    @override
    def add_matvec(self, matrix: Tensor, out: Tensor) -> None:
        out.addmm_(widen(self.values), matrix)

    @override
    def gather(self, samples: Tensor | slice, columns: Tensor) -> Tensor:
        return widen(self.values[samples, columns])

    @override
    def dense(self) -> Tensor:
        return widen(self.values)


@final
class Mixed(Piece):
    """The sum of pieces in several forms: one parameter used by layers of different types.

    Linear operations are sums over the parts; the others materialise row blocks.

    Args:
        parts: Pieces of the same parameter and the same samples.
    """

    def __init__(self, parts: Sequence[Piece]) -> None:
        self.parts = tuple(parts)
        self.shape = self.parts[0].shape

    @property
    @override
    def tensors(self) -> tuple[Tensor, ...]:
        return tuple(tensor for part in self.parts for tensor in part.tensors)

    @override
    def rebuilt(self, tensors: Sequence[Tensor]) -> "Mixed":
        rest, parts = list(tensors), []
        for part in self.parts:
            count = len(part.tensors)
            parts.append(part.rebuilt(rest[:count]))
            rest = rest[count:]
        return Mixed(parts)

    @property
    @override
    def structure(self) -> Hashable:
        return tuple(part.structure for part in self.parts)

    @override
    def self_dot(self) -> Tensor:
        blocks = row_blocks(len(self), self.size)
        return _chain(self, [Dense.self_dot(materialise(self.take(rows))) for rows in blocks])

    @override
    def abs_sum(self) -> Tensor:
        blocks = row_blocks(len(self), self.size)
        return _chain(self, [Dense.abs_sum(materialise(self.take(rows))) for rows in blocks])

    @override
    def add_dot(self, other: Piece, out: Tensor) -> None:
        add_dot_by_rows(self, other, out)

    @override
    def weighted_sum(self, weights: Tensor) -> Tensor:
        return _total([part.weighted_sum(weights) for part in self.parts])

    @override
    def add_matvec(self, matrix: Tensor, out: Tensor) -> None:
        for part in self.parts:
            part.add_matvec(matrix, out)

    @override
    def gather(self, samples: Tensor | slice, columns: Tensor) -> Tensor:
        return _total([part.gather(samples, columns) for part in self.parts])

    @override
    def dense(self) -> Tensor:
        return _total([part.dense() for part in self.parts])


def materialise(piece: Piece) -> Dense:
    """The same gradients as a dense piece."""
    return piece if isinstance(piece, Dense) else Dense(piece.dense(), piece.shape)


def add_dot_by_rows(piece: Piece, other: Piece, out: Tensor) -> None:
    """Add (N, M) inner products to ``out``, with row blocks of ``other`` materialised."""
    for columns in row_blocks(len(other), 1, product_rows(other.size)):
        out[:, columns] += piece.matvec(other.take(columns).dense().to(piece.dtype).T)


def _chain(piece: Piece, blocks: Sequence[Tensor]) -> Tensor:
    return torch.cat(list(blocks)) if blocks else piece.like.new_zeros(0, dtype=piece.dtype)


def _total(terms: Sequence[Tensor]) -> Tensor:
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total
