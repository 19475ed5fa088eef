"""Factored gradients of a weight: sums of outer products, kept as their factors."""

from collections.abc import Callable, Hashable, Sequence
from math import prod
from typing import final

import torch
from torch import Tensor
from typing_extensions import override

from chaffinch.gradients import outer
from chaffinch.gradients.piece import Piece, add_dot_by_rows, materialise
from chaffinch.gradients.positions import Positions
from chaffinch.gradients.rows import Index, product_rows, row_blocks
from chaffinch.gradients.source import Source

_FEW_COLUMNS = 128
"""Up to here a product from factors of one position is faster than materialised row blocks."""

_MAPPED_FLOATS = 1 << 12
"""Numbers that a product maps one sample to at once: few enough to take many samples."""


@final
class Factored(Piece):
    """Gradients ``G_n = sum_t d_nt h_nt^T`` of a weight (G * O, I...), kept as factors.

    Args:
        sources: Factors of the same N samples; their positions count together.
        shape: The shape of the weight; its first axis runs over groups, then outputs.
        groups: G, 1 but for grouped convolutions.
    """

    def __init__(self, sources: Sequence[Source], shape: Sequence[int], groups: int = 1) -> None:
        self.sources = tuple(sources)
        self.shape = torch.Size(shape)
        self.groups = groups
        self.outputs = self.shape[0] // groups
        self.inputs = prod(self.shape[1:])
        self.cells = prod(self.shape[2:])

    @property
    @override
    def tensors(self) -> tuple[Tensor, ...]:
        return tuple(t for source in self.sources for t in (source.inputs, source.errors))

    @override
    def rebuilt(self, tensors: Sequence[Tensor]) -> "Factored":
        pairs = zip(tensors[1::2], tensors[::2], strict=True)
        sources = [source.rebuilt(*pair) for source, pair in zip(self.sources, pairs, strict=True)]
        return Factored(sources, self.shape, self.groups)

    @property
    @override
    def structure(self) -> Hashable:
        return tuple(source.structure for source in self.sources)

    @property
    def positions(self) -> int:
        """T, how many outer products one sample has."""
        return sum(source.positions for source in self.sources)

    def lengthened(self, positions: int) -> "Factored":
        """The same gradients at more positions, the added ones zero; windows are unfolded."""
        source = Positions(*self.factors()).lengthened(positions)
        return Factored([source], self.shape, self.groups)

    def factors(self, index: Index | None = None) -> tuple[Tensor, Tensor]:
        """Output errors (N, G, T, O) and layer inputs (N, G, T, I) of some or all samples.

        A stored tensor comes as a view; convolutions are unfolded, so ask for a few rows at once.
        The I inputs of a convolution are ordered by kernel cell, then channel: see `canonical`.
        """
        sources = self.sources if index is None else self.take(index).sources
        pairs = [source.factors() for source in sources]
        if len(pairs) == 1:
            return pairs[0]
        return torch.cat([d for d, _ in pairs], 2), torch.cat([h for _, h in pairs], 2)

    @override
    def self_dot(self) -> Tensor:
        positions, shape = self.positions, (self.outputs, self.inputs)
        work = self._gradient
        if positions > 1 and outer.gram_is_cheaper(positions, *shape):
            work = 2 * self.groups * positions**2
        return self._each(outer.squared_norms, work)

    @override
    def abs_sum(self) -> Tensor:
        return self._each(outer.absolute_norms, self._gradient)

    @override
    def add_dot(self, other: Piece, out: Tensor) -> None:
        if not isinstance(other, Factored) or not self._gram_suits(other):
            return add_dot_by_rows(self, other, out)
        span = max(1, self.positions * other.positions * self.groups)
        for columns in row_blocks(len(other), 32 * span):
            d2, h2 = (factor.to(self.dtype) for factor in other.factors(columns))
            for rows in row_blocks(len(self), len(d2) * span + self._copied):
                out[rows, columns] += outer.inner_products(*self.factors(rows), d2, h2)
        return None

    @override
    def weighted_sum(self, weights: Tensor) -> Tensor:
        result = self.like.new_zeros(len(weights), self.size, dtype=self.dtype)
        work = self._copied + self.positions * self.shape[0]
        for rows in row_blocks(len(self), work):
            d, h = self.factors(rows)
            for row, weight in zip(result, weights.to(self.dtype), strict=True):
                row += self.canonical(outer.weighted_sum(d, h, weight[rows])).flatten()
        return result

    @override
    def add_matvec(self, matrix: Tensor, out: Tensor) -> None:
        count, positions = matrix.shape[1], self.positions
        if positions * count > positions + count or count > _FEW_COLUMNS:
            at_once = product_rows(self._copied + self.size)
            for rows in row_blocks(len(self), 1, at_once):
                materialise(self.take(rows)).add_matvec(matrix, out[rows])
            return
        width = positions * self.shape[0]
        for columns in row_blocks(count, width, _MAPPED_FLOATS):
            part = self.stored(matrix[:, columns].T).T
            shaped = part.reshape(self.groups, self.outputs, self.inputs, -1)
            for rows in row_blocks(len(self), self._copied + width * shaped.shape[-1]):
                out[rows, columns] += outer.apply(*self.factors(rows), shaped)

    @override
    def gather(self, samples: Tensor | slice, columns: Tensor) -> Tensor:
        row, entry = columns // self.inputs, columns % self.inputs
        entry = entry % self.cells * (self.inputs // self.cells) + entry // self.cells
        at = (row // self.outputs, row % self.outputs, entry)
        pairs = [source.lookup(samples, at) for source in self.sources]
        return torch.stack([(d * h).sum(-1) for d, h in pairs]).sum(0)

    @override
    def dense(self) -> Tensor:
        result = self.like.new_empty(len(self), self.size, dtype=self.dtype)
        for rows in row_blocks(len(self), self._copied + self.size):
            result[rows] = self.canonical(outer.materialise(*self.factors(rows))).flatten(1)
        return result

    def canonical(self, tensor: Tensor) -> Tensor:
        """A tensor (..., I) in the order of `factors` put into that of the weight."""
        return self._reorder(tensor, self.cells)

    def stored(self, tensor: Tensor) -> Tensor:
        """A tensor (..., I) or (..., P) in the order of the weight put into that of `factors`."""
        return self._reorder(tensor, self.inputs // max(1, self.cells))

    def narrow(self, start: int, stop: int) -> "Factored":
        """The gradients of the rows ``start`` to ``stop`` of the weight, all of one group."""
        group, first = divmod(start, self.outputs)
        last = first + stop - start
        sources = [source.narrow(group, slice(first, last)) for source in self.sources]
        return Factored(sources, (stop - start, *self.shape[1:]))

    @property
    def _copied(self) -> int:
        """Numbers that `factors` copies for one sample."""
        if len(self.sources) == 1:
            return self.sources[0].floats_copied
        return self.groups * self.positions * (self.outputs + self.inputs)

    @property
    def _gradient(self) -> int:
        """Numbers of a materialised gradient; one outer product alone is never materialised."""
        return self.size if self.positions > 1 else 0

    def _gram_suits(self, other: "Factored") -> bool:
        """Whether Gram matrices take fewer operations a pair than materialised row blocks.

        A materialised block of ``other`` serves all rows, and rows are materialised once a block.
        """
        block = max(1, min(len(other), product_rows(self.size)))
        shares = 1 + other.positions / max(1, len(self)) + self.positions / block
        shape = self.positions, other.positions, self.outputs, self.inputs
        return outer.gram_operations(*shape) <= self.outputs * self.inputs * shares

    def _reorder(self, tensor: Tensor, first: int) -> Tensor:
        """Transpose the last axis, taken as (..., first, second)."""
        if self.cells == 1:
            return tensor
        second = self.inputs // max(1, first)
        pairs = tensor.reshape(*tensor.shape[:-1], -1, first, second)
        return pairs.mT.reshape(tensor.shape)

    def _each(self, norm: Callable[[Tensor, Tensor], Tensor], work: int) -> Tensor:
        result = self.like.new_empty(len(self), dtype=self.dtype)
        for rows in row_blocks(len(self), self._copied + work):
            result[rows] = norm(*self.factors(rows))
        return result
