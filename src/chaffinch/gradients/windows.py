"""The source of factors of a convolution: its raw input, unfolded a few rows at a time."""

from collections.abc import Hashable
from dataclasses import dataclass, replace
from math import prod
from typing import Any, final

import torch
import torch.nn.functional as F
from torch import Tensor
from typing_extensions import override

from chaffinch.gradients.rows import split_axis, widen
from chaffinch.gradients.source import Source


@dataclass(frozen=True)
class Geometry:
    """What a convolution does in each of its spatial axes.

    Attributes:
        kernel: Size of the kernel.
        stride: Steps between positions.
        dilation: Steps between the points of the kernel.
        padding: Amounts before and after each axis, last axis first, as `torch.nn.functional.pad`
            takes them.
        mode: How it is padded ("constant", "reflect", "replicate", "circular").
        groups: Number of groups of channels.
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: tuple[int, ...]
    mode: str
    groups: int


@final
class Windows(Source):
    """Factors of a convolution: one position for each output pixel.

    Args:
        errors: (N, G * O, *L) output errors.
        inputs: (N, G * channels, *S) layer inputs; their windows are the I inputs of a position.
        geometry: Of the convolution.
    """

    def __init__(self, errors: Tensor, inputs: Tensor, geometry: Geometry) -> None:
        self.errors = errors
        self.inputs = inputs
        self.geometry = geometry

    @property
    @override
    def positions(self) -> int:
        return prod(self.errors.shape[2:])

    @property
    @override
    def structure(self) -> Hashable:
        return self.geometry, self.errors.shape[1:], self.inputs.shape[1:]

    @override
    def rebuilt(self, errors: Tensor, inputs: Tensor) -> "Windows":
        return Windows(errors, inputs, self.geometry)

    @property
    @override
    def floats_copied(self) -> int:
        channels = self.inputs.shape[1] * prod(self.geometry.kernel)
        return (channels + self.errors.shape[1]) * self.positions

    @override
    def narrow(self, group: int, outputs: slice) -> "Windows":
        errors = split_axis(self.errors, 1, self.geometry.groups)[:, group, outputs]
        inputs = split_axis(self.inputs, 1, self.geometry.groups)[:, group]
        return Windows(errors, inputs, replace(self.geometry, groups=1))

    @override
    def factors(self) -> tuple[Tensor, Tensor]:
        groups, positions = self.geometry.groups, self.positions
        errors = split_axis(widen(self.errors), 1, groups).flatten(3)
        windows = split_axis(self._view(widen(self.inputs)), -1, groups)
        windows = windows.movedim(-2, 1)  # (N, G, *L, *kernel, channels), still without a copy
        return errors.mT, windows.reshape(*windows.shape[:2], positions, -1)

    @override
    def lookup(
        self, samples: Tensor | slice, at: tuple[Tensor, Tensor, Tensor]
    ) -> tuple[Tensor, Tensor]:
        group, output, entry = at
        groups, axes = self.geometry.groups, len(self.geometry.kernel)
        channels = self.inputs.shape[1] // groups
        errors = self.errors[samples, group * (self.errors.shape[1] // groups) + output]
        inputs = self.inputs[samples, group * channels + entry % channels]
        view = self._view(widen(inputs).unsqueeze(1))[..., 0].movedim(0, -1)
        point: Any = torch.unravel_index(entry // channels, self.geometry.kernel)
        view = view.movedim(tuple(range(axes, 2 * axes)), tuple(range(axes)))
        if isinstance(samples, slice):
            windows = view[tuple(int(axis) for axis in point)].movedim(-1, 0)
        else:
            row = torch.arange(view.shape[-1], device=view.device)
            windows = view.movedim(-1, axes)[(*point, row)]
        return widen(errors).flatten(1), windows.flatten(1)

    def _view(self, inputs: Tensor) -> Tensor:
        """(N, *L, *kernel, channels) windows over the padded inputs, channels last in memory.

        Reading runs of channels makes the copy of the windows several times faster than from
        channels first.
        """
        geometry = self.geometry
        if geometry.mode != "constant" and any(geometry.padding):
            inputs = F.pad(inputs, geometry.padding, mode=geometry.mode)
        last = inputs.movedim(1, -1)
        if geometry.mode == "constant" and any(geometry.padding):
            last = F.pad(last, (0, 0, *geometry.padding))
        last = last.contiguous()
        rows, *steps, channel = last.stride()
        sizes = (len(last), *self.errors.shape[2:], *geometry.kernel, last.shape[-1])
        inner = [a * b for a, b in zip(steps, geometry.dilation, strict=True)]
        outer = [a * b for a, b in zip(steps, geometry.stride, strict=True)]
        return last.as_strided(sizes, (rows, *outer, *inner, channel))
