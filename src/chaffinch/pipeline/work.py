"""What one run has to train, and where its evidence goes."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from chaffinch.core.dataset import Dataset
from chaffinch.models.factory import ModelFactory
from chaffinch.pipeline.canaries import Canaries, joined
from chaffinch.pipeline.encode import Encoded
from chaffinch.training.loop import Schedule, StateFile, Task, Training, train
from chaffinch.training.recorder import Wanted

STATE = "state"


@dataclass(frozen=True, eq=False)
class Work:
    """Everything needed to collect the evidence of one run.

    Attributes:
        dataset: The data.
        encoded: Its encoded form.
        factory: Makes the model.
        schedule: How to train.
        folds: K, or 0.
        device: Where to train.
        seed: Decides weights, order and folds.
        folder: Where evidence and training states go.
        state_seconds: Keep a training's state at most this often.
        keep_checkpoints: Whether the full training's weights are kept after every epoch.
        records: Names of the records to collect beyond those of every run; what cannot be had
            (dropout of a model without it) is left out.
        ensemble: S, how many models there are in an ensemble if one is asked for.
        dropout_passes: D, how many passes with dropout on, if they are asked for.
        wider_factory: Makes the model with one class more, where that is possible.
        weights: (N,) what each sample's loss counts in the trainings, 1 on average; None for 1.
        canaries: K samples that only the training on all samples sees beside the N, or None.
        fold_schedule: How to train the fold models, for F epochs; None for `schedule`.
    """

    dataset: Dataset
    encoded: Encoded
    factory: ModelFactory
    schedule: Schedule
    folds: int
    device: torch.device
    seed: int
    folder: Path
    state_seconds: float = 5.0
    keep_checkpoints: bool = False
    records: frozenset[str] = frozenset()
    ensemble: int = 3
    dropout_passes: int = 5
    wider_factory: ModelFactory | None = None
    weights: Tensor | None = None
    canaries: Canaries | None = None
    fold_schedule: Schedule | None = None

    @property
    def together(self) -> Task:
        """What the training on all samples learns: the N samples, and the canaries after them."""
        task = self.task
        if self.canaries is None:
            return task
        codes = torch.cat([task.codes, torch.from_numpy(self.canaries.codes)])
        inputs = joined(task.inputs, self.canaries.inputs)
        weights = task.weights
        if weights is not None:
            weights = torch.cat([weights, torch.ones(len(self.canaries))])
        return replace(task, inputs=inputs, codes=codes, weights=weights)

    @property
    def task(self) -> Task:
        """What the other trainings learn."""
        codes = torch.from_numpy(self.dataset.labels.codes)
        inputs = self.encoded.inputs
        return Task(inputs, codes, self.factory, self.schedule, self.device, self.weights)

    @property
    def fold_task(self) -> Task:
        """What the fold models learn: the same, by a schedule of their own."""
        return replace(self.task, schedule=self.fold_schedule or self.schedule)

    @property
    def held_out_epochs(self) -> int:
        """F, epochs of each fold model."""
        return (self.fold_schedule or self.schedule).epochs

    @property
    def states(self) -> Path:
        """Where unfinished trainings are kept."""
        return self.folder / STATE

    @property
    def wanted(self) -> Wanted:
        """What the recorder shall keep beyond logits and features."""
        held = self.encoded.validation
        inputs = None if held is None else held[0]
        passes = self.dropout_passes if "held_out_dropout_logits" in self.records else 0
        return Wanted(self.records, inputs, self.held_out_epochs, passes)

    def run(self, task: Task, training: Training, on_epoch: Any, recorded: bool) -> nn.Module:
        """Train, from the training's state if there is one and its epochs were ``recorded``."""
        file = self.states / f"{training.name}.pt"
        if not recorded:
            file.unlink(missing_ok=True)
        state = StateFile(file, self.state_seconds)
        known = state.load()
        if known is not None:
            on_epoch.advance(int(known["epoch"]))
        return train(task, training, on_epoch, state)
