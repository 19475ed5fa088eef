"""Linear layers at any number of positions: ``G_n = sum_t d_nt h_nt^T``."""

from collections.abc import Mapping
from math import prod

from torch import Tensor, nn

from chaffinch.gradients.factored import Factored
from chaffinch.gradients.piece import Dense, Piece
from chaffinch.gradients.positions import Positions
from chaffinch.gradients.rules.registry import rule


@rule(nn.Linear)
def linear(_module: nn.Module, layer_input: Tensor, output_gradient: Tensor) -> Mapping[str, Piece]:
    """Inputs (N, *, I), output gradients (N, *, O); sparse rows (N, I) are made dense.

    Adapters of LoRA (Hu et al. 2022) are pairs of linear layers and need no rule of their own.
    """
    if layer_input.layout != output_gradient.layout:
        layer_input = layer_input.to_dense()
    positions = prod(output_gradient.shape[1:-1])
    errors = output_gradient.reshape(len(output_gradient), 1, positions, -1)
    inputs = layer_input.reshape(len(layer_input), 1, positions, -1)
    shape = errors.shape[3], inputs.shape[3]
    return {
        "weight": Factored([Positions(errors, inputs)], shape),
        "bias": Dense(errors[:, 0, 0] if positions == 1 else errors.sum((1, 2)), shape[:1]),
    }
