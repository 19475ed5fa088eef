"""Sketches: random projections of per-sample gradients to K dimensions that keep inner products.

Every kind has ``E[<S g, S g'>] = <g, g'>``. The projection of a parameter depends on the seed, the
kind, K, and the parameter's place and shape alone - never on the samples, or on whether its
gradients are factored - so sketches taken apart can be compared.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import isqrt, prod

import torch
from torch import Tensor

from chaffinch.core.registry import Registry
from chaffinch.gradients.factored import Factored
from chaffinch.gradients.lookup import Lookup
from chaffinch.gradients.piece import Dense, Mixed, Piece
from chaffinch.gradients.rows import row_blocks, split_axis, widen

Draw = Callable[[int, "Projection", torch.Generator], Tensor]


@dataclass(frozen=True)
class Projection:
    """What determines the projection of one parameter.

    Attributes:
        kind: A name in `SKETCHES`.
        dimensions: K.
        seed: The user's seed.
        place: Which parameter of the block it is.
        parameters: P of the whole block, for the density of sparse projections.
    """

    kind: str
    dimensions: int
    seed: int
    place: int
    parameters: int

    def generator(self, part: int | str) -> torch.Generator:
        """Random numbers for one part (a row of the weight) of the projection."""
        name = f"{self.kind}/{self.dimensions}/{self.seed}/{self.place}/{part}"
        number = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")
        return torch.Generator().manual_seed(number >> 1)


SKETCHES: Registry[Draw] = Registry("sketch")


def _kind(name: str) -> Callable[[Draw], Draw]:
    return lambda draw: SKETCHES.add(name, draw)


@_kind("gaussian")
def gaussian(rows: int, projection: Projection, generator: torch.Generator) -> Tensor:
    """(rows, K) independent normal numbers (Johnson and Lindenstrauss 1984)."""
    count = projection.dimensions
    return _scaled(torch.randn(rows, count, generator=generator), count**-0.5)


@_kind("rademacher")
def rademacher(rows: int, projection: Projection, generator: torch.Generator) -> Tensor:
    """(rows, K) independent signs (Achlioptas 2003; TRAK, Park et al. 2023)."""
    count = projection.dimensions
    bits = torch.randint(0, 2, (rows, count), generator=generator)
    return _scaled(2.0 * bits - 1, count**-0.5)


@_kind("sparse")
def sparse(rows: int, projection: Projection, generator: torch.Generator) -> Tensor:
    """(rows, K) signs with probability 1 / sqrt(P), else 0 (very sparse, Li et al. 2006)."""
    count, density = projection.dimensions, projection.parameters**-0.5
    draws = torch.rand(rows, count, generator=generator)
    signs = (draws < density / 2).float() - (draws > 1 - density / 2).float()
    return _scaled(signs, (count * density) ** -0.5)


@_kind("sjlt")
def sjlt(rows: int, projection: Projection, generator: torch.Generator) -> Tensor:
    """(rows, K) with up to eight signs a row (Kane and Nelson 2014; GraSS, Hu et al. 2025)."""
    count = projection.dimensions
    hits = min(8, count)
    keys = torch.rand(rows, count, generator=generator)
    slots = keys.topk(hits, dim=1).indices
    signs = torch.randint(0, 2, (rows, hits), generator=generator).float() * 2 - 1
    return torch.zeros(rows, count).scatter_(1, slots, signs / hits**0.5)


@_kind("kronecker")
def kronecker(rows: int, projection: Projection, generator: torch.Generator) -> Tensor:
    """(rows, K) normal numbers, for parameters that are vectors; weights go by `factor_pair`.

    Two-sided projection ``P_out G P_in^T`` of every weight (LoGra, Choe et al. 2024).
    """
    return gaussian(rows, projection, generator)


def factor_pair(projection: Projection, outputs: int, inputs: int) -> tuple[Tensor, Tensor]:
    """Projections (k_out, O) and (k_in, I) with ``k_out * k_in = K``, as square as O allows."""
    count = projection.dimensions
    top = min(outputs, isqrt(count))
    left = next(size for size in range(top, 0, -1) if count % size == 0)
    right = count // left
    p_out = torch.randn(left, outputs, generator=projection.generator("out"))
    p_in = torch.randn(right, inputs, generator=projection.generator("in"))
    return _scaled(p_out, left**-0.5), _scaled(p_in, right**-0.5)


def add_sketch(piece: Piece, projection: Projection, out: Tensor) -> None:
    """Add to ``out`` (N, K) the sketch of the gradients of one parameter."""
    if isinstance(piece, Mixed):
        for part in piece.parts:
            add_sketch(part, projection, out)
    elif projection.kind == "kronecker" and len(piece.shape) > 1:
        _add_two_sided(piece, projection, out)
    elif isinstance(piece, Lookup):
        used = torch.unique(piece.indices)
        for block in row_blocks(len(used), 1, 64):
            matrix = _draw(piece, projection, used[block].tolist())
            piece.narrow(used[block]).add_matvec(matrix, out)
    else:
        for start, stop in _row_chunks(piece, projection):
            matrix = _draw(piece, projection, range(start, stop))
            _narrow(piece, start, stop).add_matvec(matrix, out)


def _add_two_sided(piece: Piece, projection: Projection, out: Tensor) -> None:
    outputs, inputs = piece.shape[0], prod(piece.shape[1:])
    pair = factor_pair(projection, outputs, inputs)
    p_out, p_in = (one.to(piece.like.device, piece.dtype) for one in pair)
    for rows in row_blocks(len(piece), piece.floats_per_sample + piece.shape[0] * len(p_in)):
        out[rows] += _sided(piece.take(rows), p_out, p_in).flatten(1)


def _sided(piece: Piece, p_out: Tensor, p_in: Tensor) -> Tensor:
    """(N, k_out, k_in) projections ``P_out G P_in^T``."""
    if isinstance(piece, Lookup):
        errors = widen(piece.errors) @ p_in.T
        return torch.einsum("ntb,nta->nab", errors, p_out.T[piece.indices])
    if isinstance(piece, Factored):
        d, h = piece.factors()
        left = d @ split_axis(p_out, 1, piece.groups).permute(1, 2, 0)
        return torch.einsum("ngta,ngtb->nab", left, h @ piece.stored(p_in).T)
    return p_out @ piece.dense().view(len(piece), p_out.shape[1], p_in.shape[1]) @ p_in.T


def _scaled(tensor: Tensor, factor: float) -> Tensor:
    """In float64, so that a projection is the same for gradients of any element type."""
    return tensor.double().mul_(factor)


def _row_length(piece: Piece) -> int:
    return prod(piece.shape[1:]) if len(piece.shape) > 1 else piece.size


def _draw(piece: Piece, projection: Projection, rows: Iterable[int]) -> Tensor:
    """(rows * I, K) the part of the projection that belongs to some rows of the weight."""
    draw, length = SKETCHES[projection.kind], _row_length(piece)
    parts = [draw(length, projection, projection.generator(row)) for row in rows]
    return torch.cat(parts).to(piece.like.device, piece.dtype)


def _row_chunks(piece: Piece, projection: Projection) -> Iterator[tuple[int, int]]:
    """Consecutive rows of the weight, few enough at once, never across groups."""
    count = piece.shape[0] if len(piece.shape) > 1 else 1
    group = count // piece.groups if isinstance(piece, Factored) else count
    for start in range(0, count, max(1, group)):
        for rows in row_blocks(group, _row_length(piece) * projection.dimensions, 1 << 22):
            yield start + rows.start, start + rows.stop


def _narrow(piece: Piece, start: int, stop: int) -> Piece:
    length = _row_length(piece)
    if isinstance(piece, Factored):
        return piece.narrow(start, stop)
    if isinstance(piece, Dense):
        columns = slice(start * length, stop * length)
        return Dense(piece.values[:, columns], ((stop - start) * length,))
    raise TypeError(type(piece).__name__)
