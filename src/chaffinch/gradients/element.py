"""Single columns and single values of a matrix of gradients that is never formed."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from chaffinch.core.errors import InputError
from chaffinch.gradients.piece import Piece
from chaffinch.gradients.rows import row_blocks


def column(pieces: Mapping[str, Piece], wanted: int) -> Tensor:
    """(N,) one column of the concatenated pieces; negative ones count from the end."""
    total = sum(piece.size for piece in pieces.values())
    start, place = 0, wanted + total if wanted < 0 else wanted
    for piece in pieces.values():
        if 0 <= place - start < piece.size:
            at = torch.tensor(place - start, device=piece.like.device)
            blocks = row_blocks(len(piece), piece.floats_per_sample)
            parts = [piece.gather(rows, at) for rows in blocks]
            return torch.cat([piece.like.new_zeros(0, dtype=piece.dtype), *parts])
        start += piece.size
    raise InputError(f"a column below {total}", str(wanted), "Check the index")


def values(pieces: Mapping[str, Piece], samples: Tensor, columns: Tensor) -> Tensor:
    """Values at pairs of sample and column, of the shape that both have together."""
    total = sum(piece.size for piece in pieces.values())
    shape = np.broadcast_shapes(tuple(samples.shape), tuple(columns.shape))
    rows, wanted = (one.expand(shape).flatten() for one in (samples, columns))
    if len(wanted) and not 0 <= int(wanted.min()) <= int(wanted.max()) < total:
        raise InputError(
            f"columns from 0 to {total - 1}",
            f"{int(wanted.min())} to {int(wanted.max())}",
            "Check the indices",
        )
    first = next(iter(pieces.values()))
    result, start = first.like.new_zeros(len(rows), dtype=first.dtype), 0
    for piece in pieces.values():
        here = torch.nonzero((wanted >= start) & (wanted < start + piece.size)).squeeze(1)
        for block in row_blocks(len(here), piece.floats_per_sample):
            part = here[block]
            result[part] = piece.gather(rows[part], wanted[part] - start).to(result.dtype)
        start += piece.size
    return result.reshape(shape)
