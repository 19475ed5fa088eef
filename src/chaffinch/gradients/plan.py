"""The plan of a capture: which parameters, and how the gradients of each are had."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from chaffinch.gradients.layer import Target
from chaffinch.gradients.objective import Loss


@dataclass(frozen=True)
class Plan:
    """How the gradients of the chosen parameters are had.

    Attributes:
        model: The model.
        loss: One loss a sample.
        targets: All chosen parameters, in flat order.
        ruled: Names of those that rules cover.
        channels_last: Whether images go in with channels last in memory, which most CPU kernels
            prefer.
        alone: Whether the loss of a sample depends on the rest of its batch, so that each has to
            run through the model alone.
    """

    model: nn.Module
    loss: Loss
    targets: tuple[Target, ...]
    ruled: frozenset[str]
    channels_last: bool
    alone: bool = False

    def arrange(self, x: Any) -> Any:
        """The inputs in the memory format of the plan."""
        return x.contiguous(memory_format=torch.channels_last) if self.channels_last else x
