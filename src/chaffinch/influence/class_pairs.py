"""Curvature of a last layer in blocks of class pairs, on matrix products alone.

A curvature ``sum_i W_i x h_i h_i^T`` with small matrices W_i (B, B) consists of B (B + 1) / 2
different blocks, each a weighted Gram matrix of the features. Only the upper half of the features
is multiplied, in strips, which leaves a quarter of the operations of the full matrix. The same
layout gives quadratic forms ``(d x h)^T M (d x h)`` of all samples without forming a gradient; it
takes fewer operations than triangular solves with a Cholesky factor (``0.28`` against ``0.5`` of
``2 N P^2``).

Under cross-entropy the errors sum to zero over the classes and ``diag p - p p^T`` has the ones in
its null space, so all is done exactly in the C - 1 dimensions that remain (`centred_basis`).
"""

from collections.abc import Callable, Iterator
from typing import TypeAlias

import torch
from torch import Tensor

from chaffinch.gradients.rows import row_blocks

Weights: TypeAlias = Callable[[slice], Tensor]

_ROWS = 512
_STRIP = 64


def centred_basis(classes: int, like: Tensor) -> Tensor:
    """(C, C - 1) orthonormal columns that are orthogonal to the ones (Helmert contrasts)."""
    basis = torch.zeros(classes, classes - 1, dtype=torch.float64)
    for k in range(1, classes):
        basis[:k, k - 1] = 1.0
        basis[k, k - 1] = -float(k)
        basis[:, k - 1] /= (k * (k + 1)) ** 0.5
    return basis.to(like)


def assemble(features: Tensor, bias: bool, weights: Weights, size: int) -> Tensor:
    """The matrix ``sum_i W_i x h_i h_i^T``.

    Args:
        features: (N, I) layer inputs.
        bias: Whether a 1 is appended to them, which makes J = I + 1.
        weights: Gives the symmetric W of a slice of n samples, (n, B, B).
        size: B.

    Returns:
        (B * J, B * J) float64, ordered by class, then feature; summed up in the element type of
        the features.
    """
    length = features.shape[1] + bias
    first, second = torch.triu_indices(size, size)
    matrix = torch.zeros(size, length, size, length, dtype=torch.float64)
    sums = _sums(features, bias, weights, size)
    for (a, b), values in zip(_strips(length), sums, strict=True):
        for block, i, j in zip(values.double(), first.tolist(), second.tolist(), strict=True):
            for one, other in {(i, j), (j, i)}:
                matrix[one, a:b, other, a:] = block
                matrix[one, a:, other, a:b] = block.T
    return matrix.view(size * length, size * length)


def quadratic_forms(matrix: Tensor, features: Tensor, bias: bool, errors: Tensor) -> Tensor:
    """(N,) values of ``g^T M g`` for ``g = d x h``.

    Args:
        matrix: (B * J, B * J) symmetric, ordered as `assemble` does.
        features: (N, I) layer inputs h.
        bias: Whether a 1 is appended to them.
        errors: (N, B) output errors d.
    """
    size, length = errors.shape[1], features.shape[1] + bias
    tables = [_fold(matrix, size, length, strip).to(features.dtype) for strip in _strips(length)]
    return _forms(tables, features, bias, errors)


def forms_of_sum(features: Tensor, bias: bool, errors: Tensor, weights: Weights) -> Tensor:
    """(N,) values of ``g^T M g`` for ``M = sum_i W_i x h_i h_i^T``, of which a quarter is kept.

    Args:
        features: (N, I) layer inputs h.
        bias: Whether a 1 is appended to them.
        errors: (N, B) output errors d of ``g = d x h``.
        weights: As for `assemble`.
    """
    size, length = errors.shape[1], features.shape[1] + bias
    first, second = torch.triu_indices(size, size)
    sums, tables = _sums(features, bias, weights, size), list[Tensor]()
    for a, b in _strips(length):
        part = sums.pop(0)  # freed as soon as its table is there
        part[first != second] *= 2
        part[:, :, b - a :] *= 2
        tables.append(part.permute(2, 0, 1).reshape(length - a, -1))
        del part
    return _forms(tables, features, bias, errors)


def _sums(features: Tensor, bias: bool, weights: Weights, size: int) -> list[Tensor]:
    """Weighted Gram matrices (pairs, b - a, J - a) of the features of each strip with the rest."""
    length = features.shape[1] + bias
    first, second = torch.triu_indices(size, size)
    strips = list(_strips(length))
    sums = [features.new_zeros(len(first) * (b - a), length - a) for a, b in strips]
    buffer = _buffer(features, len(first))
    for rows in row_blocks(len(features), 1, _ROWS):
        h, pairs = _appended(features[rows], bias), weights(rows)[:, first, second]
        across, down = pairs.T.contiguous().unsqueeze(1), h.T.contiguous()
        for (a, b), total in zip(strips, sums, strict=True):
            scaled = buffer[: len(first) * (b - a) * len(h)].view(len(first), b - a, len(h))
            torch.mul(across, down[a:b], out=scaled)
            total.addmm_(scaled.flatten(0, 1), h[:, a:])
    return [s.view(len(first), b - a, -1) for s, (a, b) in zip(sums, strips, strict=True)]


def _forms(tables: list[Tensor], features: Tensor, bias: bool, errors: Tensor) -> Tensor:
    """(N,) quadratic forms with folded tables (J - a, pairs * (b - a)) of all strips."""
    length = features.shape[1] + bias
    first, second = torch.triu_indices(errors.shape[1], errors.shape[1])
    result, buffer = features.new_zeros(len(features)), _buffer(features, len(first))
    for rows in row_blocks(len(features), 1, _ROWS):
        h, d = _appended(features[rows], bias), errors[rows]
        products = (d[:, first] * d[:, second]).unsqueeze(1)
        for (a, b), table in zip(_strips(length), tables, strict=True):
            mapped = buffer[: len(h) * table.shape[1]].view(len(h), -1)
            torch.mm(h[:, a:], table, out=mapped)
            summed = products @ mapped.view(len(h), len(first), b - a)
            result[rows] += (summed.squeeze(1) * h[:, a:b]).sum(1)
    return result


def _fold(matrix: Tensor, size: int, length: int, strip: tuple[int, int]) -> Tensor:
    """(J - a, pairs * (b - a)) part of M that meets features a to b, both triangles in one."""
    a, b = strip
    table = matrix.view(size, length, size, length)
    first, second = torch.triu_indices(size, size)
    # Advanced indices with slices between them come first: (pairs, J - a, b - a).
    part = table[first, a:, second, a:b] + table[second, a:, first, a:b]
    part[first == second] *= 0.5
    part[:, b - a :] *= 2
    return part.permute(1, 0, 2).reshape(length - a, -1)


def _buffer(features: Tensor, pairs: int) -> Tensor:
    """Room for one product, used again and again: fresh memory costs more than the arithmetic."""
    rows, width = min(_ROWS, len(features)), min(_STRIP, features.shape[1] + 1)
    return features.new_empty(rows * pairs * width)


def _strips(length: int) -> Iterator[tuple[int, int]]:
    for start in range(0, length, _STRIP):
        yield start, min(length, start + _STRIP)


def _appended(h: Tensor, bias: bool) -> Tensor:
    return torch.cat([h, h.new_ones(len(h), 1)], 1) if bias else h
