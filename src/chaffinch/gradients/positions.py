"""The source of factors of a linear layer: two plain tensors."""

from collections.abc import Hashable
from math import prod
from typing import final

import torch.nn.functional as F
from torch import Tensor
from typing_extensions import override

from chaffinch.gradients.rows import computing_dtype, widen
from chaffinch.gradients.source import Source


@final
class Positions(Source):
    """Factors as plain tensors: linear layers at any number of positions.

    Args:
        errors: (N, G, T, O) output errors.
        inputs: (N, G, T, I) layer inputs.
    """

    def __init__(self, errors: Tensor, inputs: Tensor) -> None:
        self.errors = errors
        self.inputs = inputs

    @property
    @override
    def positions(self) -> int:
        return self.errors.shape[2]

    @property
    @override
    def structure(self) -> Hashable:
        return Positions, self.errors.shape[1:], self.inputs.shape[1:]

    @override
    def rebuilt(self, errors: Tensor, inputs: Tensor) -> "Positions":
        return Positions(errors, inputs)

    @property
    @override
    def floats_copied(self) -> int:
        half = computing_dtype(self.errors.dtype) != self.errors.dtype
        return prod(self.errors.shape[1:]) + prod(self.inputs.shape[1:]) if half else 0

    @override
    def narrow(self, group: int, outputs: slice) -> "Positions":
        one = slice(group, group + 1)
        return Positions(self.errors[:, one, :, outputs], self.inputs[:, one])

    @override
    def factors(self) -> tuple[Tensor, Tensor]:
        return widen(self.errors), widen(self.inputs)

    @override
    def lookup(
        self, samples: Tensor | slice, at: tuple[Tensor, Tensor, Tensor]
    ) -> tuple[Tensor, Tensor]:
        group, output, entry = at
        errors = self.errors[samples, group, :, output]
        return widen(errors), widen(self.inputs[samples, group, :, entry])

    def lengthened(self, positions: int) -> "Positions":
        """The same gradients at more positions, the added ones zero."""
        pad = (0, 0, 0, positions - self.positions)
        return Positions(F.pad(self.errors, pad), F.pad(self.inputs, pad))
