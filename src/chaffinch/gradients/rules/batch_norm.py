"""Batch normalisation with running statistics, as in eval mode."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from chaffinch.gradients.piece import Piece
from chaffinch.gradients.rules.group_norm import scale_and_shift_channels
from chaffinch.gradients.rules.registry import rule


def _has_statistics(module: Any) -> bool:
    return module.running_mean is not None


@rule(nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, covers=_has_statistics)
def batch_norm(module: Any, layer_input: Tensor, output_gradient: Tensor) -> Mapping[str, Piece]:
    """Inputs and output gradients (N, channels, *).

    The statistics are constants here, so that no sample sees another.
    """
    ones = (1, -1, *(1,) * (layer_input.ndim - 2))
    scale = (module.running_var + module.eps).rsqrt().view(ones)
    normal = (layer_input - module.running_mean.view(ones)) * scale
    return scale_and_shift_channels(normal, output_gradient)
