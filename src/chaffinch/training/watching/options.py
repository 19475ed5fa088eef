"""What a watch can be told."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from chaffinch.core.errors import InputError
from chaffinch.training.live.monitor import Monitor
from chaffinch.training.policies.stack import PolicyLike
from chaffinch.training.watching.clock import Boundary
from chaffinch.training.watching.criterion import LossLike
from chaffinch.training.watching.observer import EpochCall, EpochRecord, Observer

MOST_LOGITS = 5_000_000
"""Outputs (N x C) that are kept in every epoch unless asked otherwise."""

ObserverLike = Observer | Callable[[EpochRecord], Any]


class WatchOptions(TypedDict, total=False):
    """Options of `cf.watch`.

    Attributes:
        loss: None for cross-entropy, the name of a loss, a module with a `reduction`, or a function
            of logits and labels that returns (B,).
        policy: "observe" (the default) changes nothing; else a name, a `Policy`, or several.
        validation: (X, y) or a Dataset of (x, y): clean samples for influence and observers.
        influence: Share of the steps in which the influence of the samples is recorded, 0 to 1.
        out: A folder for records, decisions and evidence; None keeps them as long as the watch.
        callbacks: Observers, or functions of an `EpochRecord`.
        alarms: True for all alarms, names for some of them; see `Reading.alarms`.
        boundary: How epochs end: "inferred", "told", or a number of steps.
        logits: Whether outputs of every epoch are kept, as `Watch.evidence` needs; None to keep
            them up to 5 million (N x C).
        num_classes: C, to refuse outputs of another width; None to take it from the first.
        groups: (N,) the group of each sample, such as its source or annotator, for observers and
            for findings, which judge labels by the rate of their group.
        ids: (N,) names of the samples for evidence and findings; None for 0..N - 1.
        classes: (C,) names of the classes; None for 0..C - 1.
        layer: The last linear layer; None to find it.
        optimizer: To record the learning rate of each epoch.
        seed: Decides the order in which validation samples take turns.
    """

    loss: LossLike
    policy: PolicyLike
    validation: Any
    influence: float
    out: str | Path | None
    callbacks: Sequence[ObserverLike]
    alarms: bool | Sequence[str]
    boundary: Boundary
    logits: bool | None
    num_classes: int | None
    groups: Any
    ids: Any
    classes: Any
    layer: nn.Linear | None
    optimizer: torch.optim.Optimizer | None
    seed: int


def observers(callbacks: Sequence[ObserverLike], alarms: bool | Sequence[str]) -> list[Observer]:
    """Observers as they are, functions made observers, and a monitor where alarms are wanted.

    Raises:
        InputError: Something else, or alarms beside a monitor.
    """
    made: list[Observer] = []
    for one in callbacks if isinstance(callbacks, Iterable) else [callbacks]:
        if isinstance(one, Observer) and not isinstance(one, type):
            made.append(one)
        elif callable(one) and not isinstance(one, type):
            made.append(EpochCall(one))
        else:
            raise InputError(
                "observers or functions of an EpochRecord as callbacks",
                repr(one),
                "Give an object with on_steps, on_epoch and close, or a function",
            )
    if alarms is False:
        return made
    if any(isinstance(one, Monitor) for one in made):
        raise InputError(
            "one Monitor", f"alarms={alarms!r} and a Monitor in callbacks", "Leave alarms= out"
        )
    return [*made, Monitor("all" if alarms is True else alarms)]


def column(values: Any, size: int, what: str) -> NDArray[Any] | None:
    """One value a sample (or class), or None.

    Raises:
        InputError: Another number of values.
    """
    if values is None:
        return None
    array = np.asarray(values)
    if array.shape != (size,):
        raise InputError(f"{what} of shape ({size},)", f"shape {array.shape}", "Give one for each")
    return array


def check_known(options: WatchOptions) -> None:
    """Refuse misspelt options, and what is no optimizer.

    Raises:
        InputError: Some are unknown, or the optimizer is none.
    """
    unknown = sorted(set(options) - set(WatchOptions.__annotations__))
    if unknown:
        known = ", ".join(sorted(WatchOptions.__annotations__))
        raise InputError(f"options of cf.watch ({known})", ", ".join(unknown), "Check the spelling")
    optimizer = options.get("optimizer")
    if optimizer is not None and not hasattr(optimizer, "param_groups"):
        raise InputError(
            "an optimizer of torch", type(optimizer).__name__, "Pass the one that takes the steps"
        )
