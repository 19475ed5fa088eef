"""Inputs that have passed a frozen trunk once, and are described by its pooled outputs."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from chaffinch.core.types import Floats
from chaffinch.models.inputs import Inputs


@dataclass(frozen=True, eq=False)
class TrunkInputs:
    """Outputs of a trunk that no training changes.

    Attributes:
        tensor: (N, channels, H, W) float32.
    """

    tensor: Tensor

    @property
    def shape(self) -> tuple[int, ...]:
        """(channels, H, W)."""
        return tuple(self.tensor.shape[1:])

    def __len__(self) -> int:
        return len(self.tensor)

    def batch(self, index: Tensor) -> Tensor:
        """(B, channels, H, W) in channels-last memory, which convolutions prefer."""
        return self.tensor[index].contiguous(memory_format=torch.channels_last)

    def embedding(self) -> Floats:
        """(N, channels) outputs averaged over the positions: no label has touched them."""
        return np.asarray(self.tensor.mean((2, 3)).numpy(), dtype=np.float32)

    def embedding_of(self, other: Inputs) -> Floats:
        """(M, channels) the same description of other inputs of this trunk."""
        return other.embedding()
