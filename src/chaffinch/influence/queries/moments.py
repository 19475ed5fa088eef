"""Second moments of layer inputs and output errors, added up batch by batch, for EK-FAC."""

import torch
from torch import Tensor

from chaffinch.gradients import GradientBlock
from chaffinch.gradients.factored import Factored
from chaffinch.gradients.rows import row_blocks

_BUDGET = 1 << 22
INNER, OUTER = "inner/", "outer/"


def add_moments(sums: dict[str, Tensor], block: GradientBlock) -> None:
    """Add ``sum h h^T`` and ``sum d d^T`` of each weight in one group, over samples and positions.

    Positions without an error, such as padding, do not count: they add nothing to any gradient.

    Args:
        sums: What was added up before, by name; changed in place.
        block: Gradients with their factors. Parameters without any are left out.
    """
    for name, piece in block.pieces.items():
        if not isinstance(piece, Factored) or piece.groups != 1 or len(piece.sources) != 1:
            continue
        for rows in row_blocks(len(piece), piece.floats_per_sample, _BUDGET):
            d, h = (factor.flatten(0, 2).cpu() for factor in piece.factors(rows))
            h = h * (d != 0).any(1, keepdim=True)
            for kind, factor in ((INNER, h), (OUTER, d)):
                gram = factor.T @ factor
                key = kind + name
                sums[key] = sums[key].add_(gram) if key in sums else gram


def eigenbases(sums: dict[str, Tensor], name: str) -> tuple[Tensor, Tensor] | None:
    """Eigenvectors (O, O) and (I, I) of both moments of a weight; None where there are none."""
    if INNER + name not in sums:
        return None
    left, right = (torch.linalg.eigh(sums[kind + name].double())[1] for kind in (OUTER, INNER))
    return left.float(), right.float()
