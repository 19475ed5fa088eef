"""The task of an estimator: one model at one checkpoint, its training samples and its loss."""

from collections.abc import Callable
from functools import cached_property
from typing import Any, final

import torch
from torch import Tensor, nn

from chaffinch.core.errors import InputError
from chaffinch.gradients import GradientBlock, capture
from chaffinch.gradients.batch import length
from chaffinch.gradients.capture import Form
from chaffinch.gradients.layer import Layers
from chaffinch.influence.diagnostics import Diagnostics
from chaffinch.influence.last_layer import LastLayer, find_last_layer, observe

Loss = Callable[[Any, Any], Tensor]

DAMPING_SHARE = 0.1
"""Default damping as a share of the mean diagonal of the empirical Fisher matrix."""

_SMALLEST_DAMPING = 1e-10


@final
class Task:
    """One model at one checkpoint with the N samples that it was trained on.

    Everything is computed on first use and kept, so that a solver asks for no more than it needs.

    Args:
        model: The model; never modified.
        data: A torch Dataset of (x, y), or a pair (X, y).
        layers: Which parameters count, as `chaffinch.gradients.capture` takes them.
        loss: One loss a sample; None for cross-entropy.
        batch_size: Samples in one forward and backward pass.
    """

    def __init__(
        self,
        model: nn.Module,
        data: Any,
        layers: Layers = "last",
        loss: Loss | None = None,
        batch_size: int = 64,
    ) -> None:
        if not length(data):
            raise InputError("at least one sample", "none", "Pass data that are not empty")
        self.model = model
        self.data = data
        self.layers = layers
        self.loss = loss
        self.batch_size = batch_size

    def __len__(self) -> int:
        return length(self.data)

    @cached_property
    def last_layer(self) -> LastLayer | None:
        """The training samples as the last layer sees them; None for other layers or losses."""
        return self.observe(self.data)

    @cached_property
    def block(self) -> GradientBlock:
        """The gradients of the training samples, factored."""
        return self.gradients(self.data) if self.last_layer is None else self.last_layer.block

    @cached_property
    def gradient_sum(self) -> Tensor:
        """(P,) the sum of all training gradients, near zero at a stationary point."""
        return self.block.weighted_sum()

    def observe(self, data: Any) -> LastLayer | None:
        """Any data as the last layer sees them, in a forward pass; None for other layers."""
        if self._last_name is None or not length(data):
            return None
        return observe(self.model, data, self._last_name)

    def gradients(self, data: Any, form: Form = "auto", loss: Loss | None = None) -> GradientBlock:
        """The gradients of any data for the parameters of the task.

        Args:
            data: As for the task.
            form: "factored" never materialises what a rule factors.
            loss: Another function than the loss of the task.
        """
        seen = self.observe(data) if loss is None else None
        if seen is not None:
            return seen.block
        chosen = self.loss if loss is None else loss
        return capture(
            self.model, data, self.chosen_layers, chosen, batch_size=self.batch_size, form=form
        )

    @property
    def chosen_layers(self) -> Layers:
        """The layers, the last one by its name where that is known."""
        return self.layers if self._last_name is None else [self._last_name]

    def stationarity(self) -> Diagnostics:
        """``|sum g|``, alone and against ``sum |g|``."""
        total, lengths = float(self.gradient_sum.norm()), float(self.block.norm(2).sum())
        return Diagnostics(
            gradient_sum=total, gradient_sum_ratio=total / lengths if lengths > 0 else 0.0
        )

    @cached_property
    def _last_name(self) -> str | None:
        last = isinstance(self.layers, str) and self.layers == "last"
        if not last or self.loss is not None:
            return None
        return find_last_layer(self.model, self.data)


def choose_damping(damping: float | None, block: GradientBlock) -> float:
    """The damping to use: as given, or a tenth of the mean diagonal of the empirical Fisher matrix.

    Args:
        damping: As given; None for the default, ``mean_i |g_i|^2 / (10 P)`` (that of DataInf and
            of K-FAC, here one for all chosen parameters).
        block: The training gradients.

    Raises:
        InputError: A negative damping.
    """
    if damping is None:
        mean = float(block.self_dot().double().mean()) / block.num_parameters
        return max(DAMPING_SHARE * mean, _SMALLEST_DAMPING)
    if not damping >= 0 or damping == float("inf"):
        raise InputError("a damping of at least 0", str(damping), "Pass None for the default")
    return float(damping)


def generator(seed: int) -> torch.Generator:
    """A source of random numbers of its own."""
    return torch.Generator().manual_seed(seed)
