"""Training afresh after a repair: same initial weights, number of steps and augmentation."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from benchmarks.cell import Protocol
from benchmarks.experiment import Measurement
from chaffinch.core.randomness import stream
from chaffinch.core.types import Codes, Floats, Mask
from chaffinch.models.inputs import Inputs
from chaffinch.pipeline.collect import CHECKPOINTS
from chaffinch.pipeline.work import Work
from chaffinch.training.loop import MakeLoss, StateFile, Task, Training, train
from chaffinch.training.recorder import evaluate


@dataclass(frozen=True, eq=False)
class Repair:
    """What is changed before training again.

    Attributes:
        kept: (N,) samples to train on.
        codes: (N,) new labels, or None for those given.
        weights: (N,) what each sample's loss counts, or None for 1 throughout.
    """

    kept: Mask
    codes: Codes | None = None
    weights: Floats | None = None


@dataclass(frozen=True, eq=False)
class Retrainer:
    """Trains as the first training did, on repaired data.

    Attributes:
        work: How the first training went. Its number of steps an epoch is kept, so that fewer
            samples mean smaller batches, not less training.
        test: Test samples and their classes.
    """

    work: Work
    test: tuple[Inputs, Codes]

    def accuracies(self, repair: Repair, seed: int, loss: MakeLoss | None = None) -> list[float]:
        """Accuracy on the test samples after each of the E epochs.

        Args:
            repair: What is changed.
            seed: Decides initial weights, order of samples and augmentation.
            loss: Makes what is minimised, as in `Task`; None for the loss of the first training.
        """
        work, (inputs, codes) = self.work, self.test
        schedule = replace(work.schedule, steps=work.schedule.steps_for(len(work.encoded.inputs)))
        given = work.dataset.labels.codes if repair.codes is None else repair.codes
        rows = torch.from_numpy(np.flatnonzero(repair.kept))
        weights = None
        if repair.weights is not None:
            scale = float(repair.weights[repair.kept].mean())
            weights = torch.from_numpy(np.asarray(repair.weights / scale, dtype=np.float32))
        task = Task(
            work.encoded.inputs,
            torch.from_numpy(np.asarray(given, dtype=np.int64)),
            work.factory,
            schedule,
            work.device,
            weights,
            loss,
        )
        found: list[float] = []

        def on_epoch(_epoch: int, model: nn.Module, _rate: float) -> None:
            logits = evaluate(model, inputs, torch.arange(len(inputs)), None).logits
            found.append(float((logits.argmax(axis=1) == codes).mean()))

        train(task, Training("retraining", rows, seed), on_epoch, StateFile(None))
        return found

    def last(
        self, rows: NDArray[np.int64], codes: Codes | None, weights: Floats | None, seed: int
    ) -> float:
        """Accuracy in the last epoch, in the form of `Situation.retrain`."""
        kept = np.zeros(len(self.work.encoded.inputs), dtype=np.bool_)
        kept[rows] = True
        return self.accuracies(Repair(kept, codes, weights), seed)[-1]


def most_suspicious(scores: Floats, share: float, seed: int) -> Mask:
    """(N,) the given share of the samples with the highest scores; ties are drawn.

    Args:
        scores: (N,) higher = more suspicious.
        share: In 0..1; rounded to a whole number of samples.
        seed: Decides between equal scores.
    """
    shuffled = stream(seed, "ties").permutation(len(scores))
    order = shuffled[np.argsort(-np.asarray(scores)[shuffled], kind="stable")]
    chosen = np.zeros(len(scores), dtype=np.bool_)
    chosen[order[: round(share * len(scores))]] = True
    return chosen


def reported(
    name: str, curve: Sequence[float], protocol: Protocol, group: str = "", x: float = float("nan")
) -> Iterator[Measurement]:
    """What is said of a training: ``accuracy`` by the protocol, and ``accuracy_best_epoch``.

    The published protocol reports the epoch that is best on the test samples. That is no result
    but a hindsight, so it stands beside the accuracy of the last epoch, never in its place.

    Args:
        name: The method behind the training.
        curve: Accuracy on the test samples after each epoch.
        protocol: Decides which of them is ``accuracy``.
        group: Of the measurements.
        x: Of the measurements.
    """
    best = max(curve)
    yield Measurement(name, "accuracy", best if protocol == "paper" else curve[-1], group, x)
    yield Measurement(name, "accuracy_best_epoch", best, group, x)


def saved_checkpoints(work: Work) -> tuple[dict[str, object], ...]:
    """State dicts of the model after each epoch, if they were kept."""
    if not work.keep_checkpoints:
        return ()
    names = (f"epoch-{epoch + 1:04}.pt" for epoch in range(work.schedule.epochs))
    folder = work.folder / CHECKPOINTS
    return tuple(torch.load(folder / name, weights_only=True) for name in names)
