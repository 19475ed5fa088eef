"""Convolutions in one to three dimensions: linear layers on the windows of the input."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from chaffinch.gradients.factored import Factored
from chaffinch.gradients.piece import Dense, Piece
from chaffinch.gradients.rules.registry import rule
from chaffinch.gradients.windows import Geometry, Windows


@rule(nn.Conv1d, nn.Conv2d, nn.Conv3d)
def convolution(module: Any, layer_input: Tensor, output_gradient: Tensor) -> Mapping[str, Piece]:
    """Inputs (N, G * channels, *S), output gradients (N, G * O, *L); any stride and padding."""
    source = Windows(output_gradient, layer_input, geometry(module))
    bias = output_gradient.flatten(2).sum(2)
    return {
        "weight": Factored([source], module.weight.shape, module.groups),
        "bias": Dense(bias, bias.shape[1:]),
    }


def geometry(module: Any) -> Geometry:
    """The geometry of a convolution module."""
    mode = "constant" if module.padding_mode == "zeros" else module.padding_mode
    return Geometry(
        kernel=tuple(module.kernel_size),
        stride=tuple(module.stride),
        dilation=tuple(module.dilation),
        padding=_amounts(module.padding, module.kernel_size, module.dilation),
        mode=mode,
        groups=module.groups,
    )


def _amounts(
    padding: str | tuple[int, ...], kernel: tuple[int, ...], dilation: tuple[int, ...]
) -> tuple[int, ...]:
    """Padding before and after each axis, last axis first; 'same' puts the odd one after."""
    if padding == "same":
        totals = [step * (size - 1) for size, step in zip(kernel, dilation, strict=True)]
    elif padding == "valid":
        totals = [0] * len(kernel)
    else:
        totals = [2 * int(amount) for amount in padding]
    return tuple(part for total in reversed(totals) for part in (total // 2, total - total // 2))
