"""Combining pieces of one parameter: uses added up, rows regrouped into samples, no use at all."""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

from chaffinch.gradients.factored import Factored
from chaffinch.gradients.lookup import Lookup
from chaffinch.gradients.piece import Dense, Mixed, Piece, materialise
from chaffinch.gradients.positions import Positions
from chaffinch.gradients.rows import split_axis


def add(pieces: Sequence[Piece]) -> Piece:
    """The sum of pieces of one parameter that is used several times, for the same samples."""
    first = pieces[0]
    if len(pieces) == 1:
        return first
    factored = [piece for piece in pieces if isinstance(piece, Factored)]
    if len(factored) == len(pieces) and len({piece.groups for piece in factored}) == 1:
        sources = [source for piece in factored for source in piece.sources]
        return Factored(sources, first.shape, factored[0].groups)
    dense = [piece.values for piece in pieces if isinstance(piece, Dense)]
    if len(dense) == len(pieces):
        return Dense(torch.stack(dense).sum(0), first.shape)
    tables = [piece for piece in pieces if isinstance(piece, Lookup)]
    if len(tables) == len(pieces):
        indices = torch.cat([piece.indices for piece in tables], 1)
        return Lookup(indices, torch.cat([piece.errors for piece in tables], 1), first.shape)
    return Mixed(pieces)


def regroup(piece: Piece, samples: int) -> Piece | None:
    """A piece whose rows are positions of samples, samples first, as a piece of ``samples`` rows.

    Returns:
        None where the rows do not divide evenly.
    """
    if len(piece) == samples:
        return piece
    if samples == 0 or len(piece) % samples:
        return None
    if isinstance(piece, Factored):
        d, h = (_split(factor, samples) for factor in piece.factors())
        return Factored([Positions(d, h)], piece.shape, piece.groups)
    if isinstance(piece, Lookup):
        indices = piece.indices.reshape(samples, -1)
        errors = piece.errors.reshape(*indices.shape, piece.errors.shape[2])
        return Lookup(indices, errors, piece.shape)
    return Dense(split_axis(piece.dense(), 0, samples).sum(1), piece.shape)


def nothing(like: Tensor, samples: int, shape: Sequence[int]) -> Piece:
    """Zero gradients of a parameter that was not used."""
    if len(shape) < 2:
        return Dense(like.new_zeros(samples, prod(shape)), shape)
    errors = like.new_zeros(samples, 1, 0, shape[0])
    return Factored([Positions(errors, like.new_zeros(samples, 1, 0, prod(shape[1:])))], shape)


def compact(piece: Piece) -> Piece:
    """The materialised piece where that is smaller than what is stored, else the piece itself.

    A parameter smaller than its factors also makes every later operation cheaper.
    """
    return materialise(piece) if piece.size <= piece.floats_per_sample else piece


def _split(factor: Tensor, samples: int) -> Tensor:
    """(N * k, G, T, X) to (N, G, k * T, X)."""
    return split_axis(factor, 0, samples).transpose(1, 2).flatten(2, 3)


def join(pieces: Sequence[Piece]) -> Piece:
    """The samples of several pieces of one parameter one after the other, whatever their forms.

    Where samples have different numbers of positions, the missing ones are filled with zeros.
    """
    if len({piece.structure for piece in pieces}) > 1:
        pieces = _alike(pieces)
    columns = zip(*(piece.tensors for piece in pieces), strict=True)
    return pieces[0].rebuilt([torch.cat(column) for column in columns])


def _alike(pieces: Sequence[Piece]) -> Sequence[Piece]:
    """The same gradients in pieces of one structure."""
    factored = [piece for piece in pieces if isinstance(piece, Factored)]
    if len(factored) == len(pieces) and len({piece.groups for piece in factored}) == 1:
        longest = max(piece.positions for piece in factored)
        return [piece.lengthened(longest) for piece in factored]
    tables = [piece for piece in pieces if isinstance(piece, Lookup)]
    if len(tables) == len(pieces):
        longest = max(piece.indices.shape[1] for piece in tables)
        return [piece.lengthened(longest) for piece in tables]
    return [materialise(piece) for piece in pieces]
