"""What a watch tells those who look on: records of steps in blocks, and of whole epochs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from torch import distributed as dist

from chaffinch.core.types import Codes, Floats, Mask

FIELDS = (
    "loss",
    "margin",
    "probability",
    "entropy",
    "gradient_norm",
    "feature_norm",
    "weight",
    "influence",
)
"""What is recorded of every sample in every epoch.

``loss`` is that of the loss in use, before weights. ``margin`` is the output at the label less the
greatest other output, ``probability`` the softmax at the label, ``entropy`` that of the softmax in
nats. ``gradient_norm`` is the L2 norm of the gradient of cross-entropy, whatever loss is in use, by
weights and bias of the last linear layer; ``feature_norm`` that of the input of this layer.
``weight`` is what the policy gave the sample. ``influence`` is the dot product of the sample's
gradient with that of the mean validation loss, both by the last layer: positive = a step along it
helps.
"""


@dataclass(frozen=True, eq=False)
class StepRecord:
    """Some steps in a row, n rows in the order in which they came.

    Attributes:
        epoch: The epoch, from 0.
        steps: (n,) number of the step of each row, from 0 in the whole training.
        ids: (n,) positions of the samples among N.
        labels: (n,) codes; of a soft label the greatest.
        values: By name of `FIELDS` an array (n,).
    """

    epoch: int
    steps: NDArray[np.int64]
    ids: NDArray[np.int64]
    labels: Codes
    values: Mapping[str, Floats]


@dataclass(frozen=True, eq=False)
class ValidationRecord:
    """What the model says of M validation samples at the end of an epoch.

    Attributes:
        logits: (M, C) outputs in evaluation mode.
        labels: (M,) codes.
        loss: Mean cross-entropy.
    """

    logits: Floats
    labels: Codes
    loss: float


@dataclass(frozen=True, eq=False)
class EpochRecord:
    """One epoch of all N samples.

    Attributes:
        epoch: The epoch, from 0.
        labels: (N,) codes as last seen; -1 for samples never seen.
        seen: (N,) whether the sample came in this epoch.
        values: By name of `FIELDS` an array (N,); the mean over the times that the sample came, NaN
            where it did not.
        num_classes: C.
        rows: How often samples came, over all processes.
        steps: Steps of this process.
        seconds: From the first to the last step of the epoch.
        rate: Learning rate at the end of the epoch, NaN if the watch was not given an optimizer.
        logits: (N, C) outputs, as `values`, or None if they are not kept.
        groups: (N,) the group of each sample, such as its source, or None.
        validation: What is said of the validation samples, or None.
        broken: Rows of this process that were left out, for they were not finite.
    """

    epoch: int
    labels: Codes
    seen: Mask
    values: Mapping[str, Floats]
    num_classes: int
    rows: int = 0
    steps: int = 0
    seconds: float = 0.0
    rate: float = float("nan")
    logits: Floats | None = None
    groups: NDArray[Any] | None = None
    validation: ValidationRecord | None = None
    broken: int = 0


@runtime_checkable
class Observer(Protocol):
    """Looks on while a model trains.

    An observer that has ``state_dict`` and ``load_state_dict`` is kept with the watch's state. One
    that has ``every_step = False`` is not shown steps, which then need not be copied for it.
    """

    def on_steps(self, record: StepRecord) -> None:
        """Some thousand rows at a time, and what is left at the end of the epoch."""
        ...

    def on_epoch(self, record: EpochRecord) -> None:
        """Once an epoch, after its last step; under data parallel training in every process."""
        ...

    def close(self) -> None:
        """The watch ends."""
        ...


class EpochCall:
    """Makes an observer of a function of an `EpochRecord`.

    Args:
        function: Called once an epoch.
    """

    every_step = False

    def __init__(self, function: Callable[[EpochRecord], Any]) -> None:
        self._function = function

    def on_steps(self, record: StepRecord) -> None:
        """Nothing."""

    def on_epoch(self, record: EpochRecord) -> None:
        """Call the function."""
        self._function(record)

    def close(self) -> None:
        """Nothing."""


def in_charge() -> bool:
    """Whether this process writes: the first one, or the only one."""
    return not (dist.is_available() and dist.is_initialized()) or dist.get_rank() == 0
