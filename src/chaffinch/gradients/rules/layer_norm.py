"""Layer normalisation over the last axes, of any shape."""

from collections.abc import Mapping
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from chaffinch.gradients.piece import Dense, Piece
from chaffinch.gradients.rules.registry import rule


@rule(nn.LayerNorm)
def layer_norm(module: Any, layer_input: Tensor, output_gradient: Tensor) -> Mapping[str, Piece]:
    """Inputs and output gradients (N, *, *normalized_shape)."""
    shape = tuple(module.normalized_shape)
    normal = F.layer_norm(layer_input, shape, eps=module.eps)
    return scale_and_shift(normal, output_gradient, shape)


def scale_and_shift(normal: Tensor, errors: Tensor, shape: tuple[int, ...]) -> Mapping[str, Piece]:
    """Pieces of an elementwise weight and bias over the last axes; (N, *, *shape) both."""
    axes = (len(errors), -1, *shape)
    return {
        "weight": Dense((normal * errors).reshape(axes).sum(1).flatten(1), shape),
        "bias": Dense(errors.reshape(axes).sum(1).flatten(1), shape),
    }
