"""One training under `cf.watch`, as a user would write it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.experiments.noisy_images.robust import ROBUST, Facts, make_loss
from benchmarks.experiments.training.problem import Problem
from benchmarks.experiments.training.rows import (
    BY_POLICY,
    CORRECTIONS,
    MIXUP,
    MIXUP_ALPHA,
    ROWS,
)
from benchmarks.experiments.training.settings import Settings
from chaffinch.core.errors import InputError
from chaffinch.core.randomness import stream
from chaffinch.core.types import Floats
from chaffinch.losses import LOSSES, CrossEntropy, mixup, transition_from_anchors
from chaffinch.training.alarms import Alarm
from chaffinch.training.live import Monitor
from chaffinch.training.recorder import evaluate
from chaffinch.training.schedule import Schedule, make_optimizer, make_rates
from chaffinch.training.threads import threads_for
from chaffinch.training.watching.watch import Watch, watch

_FLOOR = 1e-12


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a training came to.

    Attributes:
        accuracy: On the test samples after the last epoch.
        losses: (N,) cross-entropy with the given label, mean over the epochs; None where samples
            were not trained on one by one.
        alarms: All that were raised.
        probabilities: (N, C) in the last epoch, or None.
    """

    accuracy: float
    losses: Floats | None
    alarms: list[Alarm] = field(default_factory=list)
    probabilities: Floats | None = None


@dataclass(frozen=True, eq=False)
class Bench:
    """Trains the rows of one cell.

    Attributes:
        problem: What is learned.
        settings: How.
        seed: Decides initial weights, order of samples and augmentation: the same for all rows.
    """

    problem: Problem
    settings: Settings
    seed: int

    def row(self, name: str) -> Outcome:
        """Train a row of `ROWS`.

        Raises:
            InputError: There is no such row.
        """
        if name not in ROWS:
            raise InputError("a row of the experiment", repr(name), f"Known: {', '.join(ROWS)}")
        everyone = np.arange(len(self.problem.given))
        if name == "oracle":
            return self._train(everyone[~self.problem.wrong])
        if name == MIXUP:
            return self._train(everyone, blend=True)
        if name in BY_POLICY:
            return self._train(everyone, policy=BY_POLICY[name])
        return self._train(everyone, loss=self._loss(name))

    def _loss(self, name: str) -> CrossEntropy | None:
        if name in ROBUST:
            size = len(self.problem.given)
            facts = Facts(size, self.problem.num_classes, self.settings.epochs, self.seed)
            return make_loss(ROBUST[name], facts)
        if name in CORRECTIONS:
            kind: Any = LOSSES[CORRECTIONS[name]]
            made: CrossEntropy = kind(self.transition)
            return made
        return None

    @cached_property
    def transition(self) -> Floats:
        """(C, C) transition matrix, as estimated without the truth."""
        third = math.ceil(self.settings.epochs / 3)
        first = self._train(np.arange(len(self.problem.given)), epochs=third)
        if first.probabilities is None:
            raise AssertionError("outputs are kept")
        return transition_from_anchors(first.probabilities)

    def _train(
        self, rows: NDArray[np.int64], *, epochs: int | None = None, blend: bool = False, **how: Any
    ) -> Outcome:
        """Train on some rows; ``how`` is told to the watch."""
        problem, schedule = self.problem, self.settings.schedule
        if how.get("policy") == "influence":
            held, codes = problem.validation
            everything = held.batch(torch.arange(len(held)))
            how["validation"] = (everything, torch.from_numpy(codes))
        monitor = Monitor()
        with torch.random.fork_rng([]):
            torch.manual_seed(self.seed)
            model = problem.factory()
            options = {"callbacks": [monitor], "logits": True, "seed": self.seed, **how}
            with (
                threads_for(model, problem.inputs.shape),
                watch(model, len(problem.given), **options) as watched,
            ):
                loop = _Loop(problem, schedule, torch.from_numpy(rows), model, watched)
                loop.run(epochs or schedule.epochs, stream(self.seed, "mixup") if blend else None)
                losses = None if blend else _mean_loss(watched)
                probabilities = None if blend else _softmax(watched.history("logits")[-1])
        test, codes = problem.test
        logits = evaluate(model, test, torch.arange(len(test)), None).logits
        accuracy = float((logits.argmax(axis=1) == codes).mean())
        return Outcome(accuracy, losses, [] if blend else monitor.alarms, probabilities)


@dataclass(frozen=True, eq=False)
class _Loop:
    problem: Problem
    schedule: Schedule
    rows: Tensor
    model: nn.Module
    watched: Watch

    def run(self, epochs: int, blend: np.random.Generator | None) -> None:
        schedule = self.schedule
        steps = schedule.steps_for(len(self.rows))
        optimizer = make_optimizer(schedule, self.model.parameters())
        rates = make_rates(schedule, optimizer, steps)
        for _ in range(epochs) if blend else self.watched.epochs(epochs):
            self.model.train()
            for chunk in torch.tensor_split(self.rows[torch.randperm(len(self.rows))], steps):
                loss = self._loss(chunk, blend)
                optimizer.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                rates.step()

    def _loss(self, chunk: Tensor, blend: np.random.Generator | None) -> Tensor:
        batch = self.problem.inputs.batch(chunk)
        if self.schedule.augment is not None:
            batch = self.schedule.augment(batch)
        codes = torch.from_numpy(self.problem.given)[chunk]
        if blend is None:
            return self.watched.loss(self.model(batch), codes, chunk)
        mixed, soft = mixup(batch, codes, self.problem.num_classes, blend, MIXUP_ALPHA)
        return nn.functional.cross_entropy(self.model(mixed), soft)


def _mean_loss(watched: Watch) -> Floats:
    """(N,) mean cross-entropy over the epochs; of samples never seen the greatest of all."""
    probability = np.asarray(watched.history("probability"), dtype=np.float64)
    losses = -np.log(np.maximum(probability, _FLOOR))
    seen = np.isfinite(losses)
    mean = np.where(seen, losses, 0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
    return np.asarray(np.where(seen.any(axis=0), mean, mean.max()))


def _softmax(logits: NDArray[Any]) -> Floats:
    raised = np.exp(np.asarray(logits, dtype=np.float64) - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def early(alarms: Sequence[Alarm], epochs: int) -> list[Alarm]:
    """Alarms about the labels in the first third of the training."""
    return [one for one in alarms if one.about == "labels" and 3 * (one.epoch + 1) <= epochs]
