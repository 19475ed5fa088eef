"""A plain training loop that can be killed between any two epochs and goes on to the same end."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chaffinch.core.durable import replace
from chaffinch.core.errors import InputError
from chaffinch.losses import CrossEntropy
from chaffinch.models.factory import ModelFactory
from chaffinch.models.forward import described, forward, running
from chaffinch.models.inputs import Inputs
from chaffinch.training.schedule import Schedule, make_optimizer, make_rates

_LOG = logging.getLogger("chaffinch")
_REASON = 120
_AS_IN_EVALUATION = "Return logits (B, C) in training mode too, without cutting off gradients"

__all__ = [
    "MakeLoss",
    "OnEpoch",
    "Schedule",
    "StateFile",
    "Task",
    "Training",
    "save_whole",
    "train",
]


@dataclass(frozen=True)
class Training:
    """One model to train.

    Attributes:
        name: Names its state file.
        rows: (n,) positions of the samples to train on.
        seed: Decides initial weights, order of samples and dropout.
        universe: Where above 0, the order is drawn for so many samples, of which the rows are a
            part: trainings on different parts then see the samples that they share in one order.
    """

    name: str
    rows: Tensor
    seed: int
    universe: int = 0

    def draw_order(self) -> Tensor:
        """(n,) the rows in the random order of one epoch."""
        if not self.universe:
            return self.rows[torch.randperm(len(self.rows))]
        place = torch.randperm(self.universe)
        return self.rows[place[self.rows].argsort()]


MakeLoss = Callable[[], CrossEntropy]
"""Makes the loss of one training: losses may remember samples and epochs."""


@dataclass(frozen=True)
class Task:
    """What all trainings of a run share: samples, labels and how to train on them.

    Attributes:
        inputs: N encoded samples.
        codes: (N,) labels.
        factory: Makes the untrained model.
        schedule: How to train.
        device: Where.
        weights: (N,) what each sample's loss counts, 1 on average; None for 1 throughout.
        loss: Makes what is minimised, a loss of `chaffinch.losses`; None for the mean
            cross-entropy. It is told the epoch, and for each batch the positions of its samples
            among the N. With `weights` its reduction must be "none".
    """

    inputs: Inputs
    codes: Tensor
    factory: ModelFactory
    schedule: Schedule
    device: torch.device
    weights: Tensor | None = None
    loss: MakeLoss | None = None


OnEpoch = Callable[[int, nn.Module, float], None]
"""Called after each epoch with its number from 0, the model and the mean learning rate."""


def save_whole(state: dict[str, Any], path: Path) -> None:
    """Save with torch so that readers see either the old or the whole new file."""
    draft = path.with_suffix(".draft")
    torch.save(state, draft)
    replace(draft, path)


class StateFile:
    """Where a training is kept between epochs, so that a killed run goes on.

    Args:
        path: The file, or None to keep nothing.
        seconds: Write at most this often; a small model would spend its time on the disk.
    """

    def __init__(self, path: Path | None, seconds: float = 5.0) -> None:
        self._path = path
        self._seconds = seconds
        self._written = time.monotonic()

    def load(self) -> dict[str, Any] | None:
        """The latest state; None where there is none, or it was damaged and is discarded."""
        if self._path is None or not self._path.is_file():
            return None
        try:
            state: dict[str, Any] = torch.load(self._path, weights_only=True)
            if int(state["epoch"]) < 0:
                raise ValueError(f"epoch {state['epoch']}")
        except Exception as error:  # on arbitrary bytes the unpickler lets any error through
            self.discard(error)
            return None
        return state

    def discard(self, error: Exception) -> None:
        """Remove a state that cannot be used, and say so: the training begins again."""
        if self._path is not None:
            reason = (" ".join(str(error).split()) or type(error).__name__)[:_REASON]
            _LOG.warning("%s is damaged: this training begins again (%s)", self._path, reason)
            self._path.unlink(missing_ok=True)

    def save(self, make: Callable[[], dict[str, Any]], final: bool) -> None:
        """Write what ``make`` returns, if it is time or the training is over."""
        if self._path is None or not (final or time.monotonic() - self._written >= self._seconds):
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        save_whole(make(), self._path)
        self._written = time.monotonic()


def train(task: Task, training: Training, on_epoch: OnEpoch, state_file: StateFile) -> nn.Module:
    """Train one model, from the start or from its state file.

    The process's random state is left as it was.

    Args:
        task: What to learn.
        training: Which samples and seed.
        on_epoch: Called after each epoch that is run here (not for those in the state file).
        state_file: Where to go on from, and where to keep the state.

    Returns:
        The trained model, in training mode.

    Raises:
        InputError: The loss is no longer finite, or has no value for each sample to be weighted.
    """
    schedule, rows = task.schedule, training.rows
    steps = schedule.steps_for(len(rows))
    devices = [task.device] if task.device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        first, parts = _begin(task, training, steps, state_file)
        model: nn.Module = parts["model"]
        optimizer, cycle = parts["optimizer"], parts["cycle"]
        loss = parts.get("loss")
        for epoch in range(first, schedule.epochs):
            model.train()
            if loss is not None:
                loss.epoch(epoch)
            order = training.draw_order()
            rate = 0.0
            for chunk in torch.tensor_split(order, steps):
                rate += optimizer.param_groups[0]["lr"] / steps
                with _whole_batches(len(chunk)):
                    _step((model, loss), task, chunk, optimizer)
                cycle.step()
            _check_finite(model, epoch)
            on_epoch(epoch, model, rate)
            state_file.save(
                lambda done=epoch + 1: _state(parts, done),  # type: ignore[misc]
                final=epoch + 1 == schedule.epochs,
            )
    return model


@contextmanager
def _whole_batches(size: int) -> Iterator[None]:
    """Say what to do where a layer cannot normalise a single sample."""
    try:
        yield
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise InputError(
            "batches of at least two samples, which batch normalisation needs",
            f"a batch of {size}",
            "Raise the batch size (--batch-size)",
        ) from error


def _begin(
    task: Task, training: Training, steps: int, state_file: StateFile
) -> tuple[int, dict[str, Any]]:
    """The first epoch to run and the parts of the training, as they were before it."""

    def fresh() -> dict[str, Any]:
        torch.manual_seed(training.seed)
        model = task.factory().to(task.device)
        free = [p for p in model.parameters() if p.requires_grad]
        if not free:
            raise InputError(
                "a model with parameters to train",
                "one whose parameters are all frozen, or that has none",
                "Set requires_grad for some, or score the model as it is: train=False in Python",
            )
        optimizer = make_optimizer(task.schedule, free)
        cycle = make_rates(task.schedule, optimizer, steps)
        parts = {"model": model, "optimizer": optimizer, "cycle": cycle}
        loss = _make_loss(task)
        return parts if loss is None else {**parts, "loss": loss}

    parts, state = fresh(), state_file.load()
    try:
        return _restore(parts, state), parts
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        state_file.discard(error)
        return 0, fresh()  # the others may be half restored


def _make_loss(task: Task) -> CrossEntropy | None:
    if task.loss is None:
        return None
    loss = task.loss().to(task.device)
    if task.weights is not None and loss.reduction != "none":
        raise InputError(
            "a loss with reduction 'none', as its samples are weighted",
            f"reduction {loss.reduction!r}",
            "Make the loss with reduction='none'",
        )
    return loss


def _step(
    trained: tuple[nn.Module, CrossEntropy | None],
    task: Task,
    chunk: Tensor,
    optimizer: torch.optim.Optimizer,
) -> None:
    model, criterion = trained
    batch = task.inputs.batch(chunk).to(task.device)
    if task.schedule.augment is not None:
        batch = task.schedule.augment(batch)
    codes = task.codes[chunk].to(task.device)
    reduction = "mean" if task.weights is None else "none"
    outputs = forward(model, batch)
    with running(lambda: _trainable(model, batch), _AS_IN_EVALUATION):
        if criterion is None:
            loss = F.cross_entropy(outputs, codes, reduction=reduction)
        else:
            loss = criterion(outputs, codes, chunk.to(task.device))
        if task.weights is not None:
            loss = loss * task.weights[chunk].to(loss)
        optimizer.zero_grad(set_to_none=True)
        loss.mean().backward()  # type: ignore[no-untyped-call]  # a mean's mean is itself
    optimizer.step()


def _trainable(model: nn.Module, batch: Tensor) -> str:
    return f"a model ({type(model).__name__}) that can be trained on {described(batch)}"


def _check_finite(model: nn.Module, epoch: int) -> None:
    if not all(bool(torch.isfinite(parameter).all()) for parameter in model.parameters()):
        raise InputError(
            "a training that stays finite",
            f"NaN or infinite weights in epoch {epoch + 1}",
            "Lower the learning rate (--lr) or check the model",
        )


def _state(parts: dict[str, Any], epoch: int) -> dict[str, Any]:
    state = {name: part.state_dict() for name, part in parts.items()}
    return {**state, "epoch": epoch, "random": torch.get_rng_state()}


def _restore(parts: dict[str, Any], state: dict[str, Any] | None) -> int:
    if state is None:
        return 0
    for name, part in parts.items():
        part.load_state_dict(state[name])
    torch.set_rng_state(state["random"])
    return int(state["epoch"])
