"""A schedule: which optimizer, at which learning rate, for how many steps."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from chaffinch.core.errors import InputError

OptimizerName = Literal["adamw", "adam", "sgd"]
RatePlan = Literal["one_cycle", "constant", "steps"]


@dataclass(frozen=True)
class Schedule:
    """How to train; by default AdamW under a one-cycle rate (Smith and Topin, 2018).

    Attributes:
        epochs: E.
        batch_size: Samples a step; an epoch is cut into steps of nearly equal size.
        learning_rate: The rate of the first epoch; under ``one_cycle`` the peak.
        weight_decay: Of AdamW decoupled, of the others added to the gradient.
        optimizer: ``adamw``, ``adam`` or ``sgd``.
        momentum: Of ``sgd``.
        rates: ``one_cycle``, ``constant``, or ``steps``: constant, times `decay` from each epoch
            in `decay_epochs` on.
        decay_epochs: Epochs, counted from 0, before which the rate falls.
        decay: What the rate is multiplied by there.
        augment: Turns a batch of training samples into another one of the same shape; draws from
            torch's own random state, so that a run that goes on draws the same.
        steps: Steps an epoch, whatever the number of samples; None for as many as `batch_size`
            asks for. Keeps the number of steps when samples are taken out.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float = 1e-4
    optimizer: OptimizerName = "adamw"
    momentum: float = 0.0
    rates: RatePlan = "one_cycle"
    decay_epochs: tuple[int, ...] = ()
    decay: float = 0.1
    augment: Callable[[Tensor], Tensor] | None = None
    steps: int | None = None

    def steps_for(self, num_samples: int) -> int:
        """Steps an epoch for n samples; never more than samples, never fewer than one."""
        if self.steps is not None:
            return max(1, min(self.steps, num_samples))
        return max(1, math.ceil(num_samples / self.batch_size))


def make_optimizer(schedule: Schedule, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """The optimizer of a schedule.

    Raises:
        InputError: An unknown optimizer, or momentum for one that takes none.
    """
    name, rate, decay = schedule.optimizer, schedule.learning_rate, schedule.weight_decay
    if schedule.momentum and name != "sgd":
        raise InputError("momentum with the optimizer 'sgd' only", repr(name), "Leave it out")
    if name == "adamw":
        return torch.optim.AdamW(parameters, rate, weight_decay=decay, fused=True)
    if name == "adam":
        return torch.optim.Adam(parameters, rate, weight_decay=decay)
    if name == "sgd":
        return torch.optim.SGD(parameters, rate, momentum=schedule.momentum, weight_decay=decay)
    raise InputError("the optimizer adamw, adam or sgd", repr(name), "Choose one of these")


def make_rates(
    schedule: Schedule, optimizer: torch.optim.Optimizer, steps_per_epoch: int
) -> LRScheduler:
    """What sets the learning rate after each step.

    Raises:
        InputError: An unknown plan.
    """
    if schedule.rates == "one_cycle":
        total = steps_per_epoch * schedule.epochs
        return OneCycleLR(optimizer, schedule.learning_rate, total_steps=total)
    if schedule.rates == "constant":
        return LambdaLR(optimizer, lambda _step: 1.0)
    if schedule.rates == "steps":
        limits = [epoch * steps_per_epoch for epoch in schedule.decay_epochs]
        return LambdaLR(
            optimizer, lambda step: schedule.decay ** sum(step >= limit for limit in limits)
        )
    raise InputError(
        "rates one_cycle, constant or steps", repr(schedule.rates), "Choose one of these"
    )
