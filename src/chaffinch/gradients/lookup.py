"""Gradients of an embedding table: the rows that were looked up, and their output errors."""

from collections.abc import Sequence
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor
from typing_extensions import override

from chaffinch.gradients.outer import gram_operations
from chaffinch.gradients.piece import Piece, add_dot_by_rows
from chaffinch.gradients.rows import row_blocks, widen


@final
class Lookup(Piece):
    """Gradients ``G_n[v] = sum_{t: index_nt = v} d_nt`` of a table of V rows and E columns.

    Args:
        indices: (N, T) rows looked up.
        errors: (N, T, E) output errors, zero where the row is the padding row.
        shape: (V, E).
    """

    def __init__(self, indices: Tensor, errors: Tensor, shape: Sequence[int]) -> None:
        self.indices = indices
        self.errors = errors
        self.shape = torch.Size(shape)

    @property
    @override
    def tensors(self) -> tuple[Tensor, ...]:
        return self.indices, self.errors

    @override
    def rebuilt(self, tensors: Sequence[Tensor]) -> "Lookup":
        return Lookup(tensors[0], tensors[1], self.shape)

    def lengthened(self, positions: int) -> "Lookup":
        """The same gradients at more positions, the added ones without error."""
        gap = positions - self.indices.shape[1]
        errors = F.pad(self.errors, (0, 0, 0, gap))
        return Lookup(F.pad(self.indices, (0, gap)), errors, self.shape)

    def entries(self) -> tuple[Tensor, Tensor, Tensor]:
        """The non-zero rows of all gradients: samples (U,), table rows (U,), values (U, E)."""
        height = self.shape[0]
        samples = torch.arange(len(self), device=self.like.device)
        keys = (samples[:, None] * height + self.indices).flatten()
        unique, slots = torch.unique(keys, return_inverse=True)
        values = self.like.new_zeros(len(unique), self.shape[1], dtype=self.dtype)
        values.index_add_(0, slots, widen(self.errors).flatten(0, 1))
        return unique // height, unique % height, values

    def narrow(self, table_rows: Tensor) -> "Lookup":
        """The gradients of some rows of the table only (sorted), as of a smaller table."""
        slots = torch.searchsorted(table_rows, self.indices).clamp_(max=len(table_rows) - 1)
        errors = self.errors * (table_rows[slots] == self.indices).unsqueeze(-1)
        return Lookup(slots, errors, (len(table_rows), self.shape[1]))

    @override
    def self_dot(self) -> Tensor:
        samples, _, values = self.entries()
        return self._by_sample(samples, values.square().sum(1))

    @override
    def abs_sum(self) -> Tensor:
        samples, _, values = self.entries()
        return self._by_sample(samples, values.abs().sum(1))

    @override
    def add_dot(self, other: Piece, out: Tensor) -> None:
        if not isinstance(other, Lookup):
            return add_dot_by_rows(self, other, out)
        ours, theirs = torch.unique(self.indices), torch.unique(other.indices)
        common = ours[torch.isin(ours, theirs)]
        if not len(common):
            return None
        positions = self.errors.shape[1], other.errors.shape[1]
        if gram_operations(*positions, 0, self.shape[1]) <= len(common) * self.shape[1]:
            return self._add_dot_by_gram(other, out)
        return add_dot_by_rows(self.narrow(common), other.narrow(common), out)

    @override
    def weighted_sum(self, weights: Tensor) -> Tensor:
        result = self.like.new_zeros(len(weights), *self.shape, dtype=self.dtype)
        for table, weight in zip(result, weights.to(self.dtype), strict=True):
            scaled = widen(self.errors) * weight[:, None, None]
            table.index_add_(0, self.indices.flatten(), scaled.flatten(0, 1))
        return result.flatten(1)

    @override
    def add_matvec(self, matrix: Tensor, out: Tensor) -> None:
        samples, rows, values = self.entries()
        table = matrix.view(*self.shape, -1)
        for block in row_blocks(len(rows), matrix.shape[1] * self.shape[1]):
            chosen = table[rows[block]]
            products = (values[block].unsqueeze(1) @ chosen).squeeze(1)
            out.index_add_(0, samples[block], products)

    @override
    def gather(self, samples: Tensor | slice, columns: Tensor) -> Tensor:
        row, entry = columns // self.shape[1], columns % self.shape[1]
        hits = self.indices[samples] == row.reshape(-1, 1)
        if isinstance(samples, slice):
            errors = self.errors[samples, :, int(entry)]
        else:
            errors = self.errors[samples, :, entry]
        return (widen(errors) * hits).sum(-1)

    @override
    def dense(self) -> Tensor:
        result = self.like.new_zeros(len(self), *self.shape, dtype=self.dtype)
        samples, rows, values = self.entries()
        result[samples, rows] = values
        return result.flatten(1)

    def _add_dot_by_gram(self, other: "Lookup", out: Tensor) -> None:
        positions, theirs = self.errors.shape[1], other.errors.shape[1]
        for columns in row_blocks(len(other), 64 * positions * theirs):
            right = widen(other.errors[columns]).to(self.dtype).flatten(0, 1).T
            index = other.indices[columns].flatten()
            for rows in row_blocks(len(self), positions * len(index)):
                gram = widen(self.errors[rows]).flatten(0, 1) @ right
                gram *= self.indices[rows].flatten()[:, None] == index
                blocks = gram.view(-1, positions, len(index) // max(1, theirs), theirs)
                out[rows, columns] += blocks.sum((1, 3))

    def _by_sample(self, samples: Tensor, values: Tensor) -> Tensor:
        return values.new_zeros(len(self)).index_add_(0, samples, values)
