"""Root-mean-square normalisation (Zhang and Sennrich 2019)."""

from collections.abc import Mapping
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from chaffinch.gradients.piece import Piece
from chaffinch.gradients.rules.layer_norm import scale_and_shift
from chaffinch.gradients.rules.registry import rule


@rule(nn.RMSNorm)
def rms_norm(module: Any, layer_input: Tensor, output_gradient: Tensor) -> Mapping[str, Piece]:
    """Inputs and output gradients (N, *, *normalized_shape)."""
    shape = tuple(module.normalized_shape)
    normal = F.rms_norm(layer_input, shape, eps=module.eps)
    return {"weight": scale_and_shift(normal, output_gradient, shape)["weight"]}
