"""Group normalisation: statistics of each sample alone."""

from collections.abc import Mapping
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from chaffinch.gradients.piece import Dense, Piece
from chaffinch.gradients.rules.registry import rule


@rule(nn.GroupNorm)
def group_norm(module: Any, layer_input: Tensor, output_gradient: Tensor) -> Mapping[str, Piece]:
    """Inputs and output gradients (N, channels, *)."""
    normal = F.group_norm(layer_input, module.num_groups, eps=module.eps)
    return scale_and_shift_channels(normal, output_gradient)


def scale_and_shift_channels(normal: Tensor, errors: Tensor) -> Mapping[str, Piece]:
    """Pieces of one weight and one bias a channel; (N, channels, *) both."""
    shape = errors.shape[1:2]
    if errors.ndim == 2:
        return {"weight": Dense(normal * errors, shape), "bias": Dense(errors, shape)}
    flat = errors.flatten(2)
    return {
        "weight": Dense((normal.flatten(2) * flat).sum(2), shape),
        "bias": Dense(flat.sum(2), shape),
    }
