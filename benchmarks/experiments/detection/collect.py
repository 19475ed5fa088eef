"""From a cell to a situation: draw, inject, encode, train once, record."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.cell import Cell
from benchmarks.data import draw_splits
from benchmarks.experiments.detection.injection import inject_glitch
from benchmarks.experiments.detection.settings import Settings
from benchmarks.nets import encode_splits, factory_for, schedule_for
from benchmarks.situation import Situation
from chaffinch.core.labels import Labels
from chaffinch.core.types import Codes, Floats, Modality
from chaffinch.data import TensorData
from chaffinch.models.inputs import Inputs
from chaffinch.pipeline.collect import CHECKPOINTS, collect_by_training
from chaffinch.pipeline.encode import Encoded
from chaffinch.pipeline.work import Work
from chaffinch.training.loop import StateFile, Task, Training, train
from chaffinch.training.recorder import evaluate

BY_EPOCH = ("features_by_epoch", "validation_logits_by_epoch", "validation_features_by_epoch")


def build_situation(cell: Cell, folder: Path) -> Situation:
    """Train the network of a cell on its data with glitches, once, and record everything.

    Trainings, their states and the evidence are kept in ``folder``: a second call with the same
    folder trains nothing and yields the same.

    Args:
        cell: The cell; its seed redraws data, glitches, folds and initial weights.
        folder: Where to keep what was trained and recorded.

    Raises:
        InputError: Settings, data, glitch or network that do not fit.
    """
    settings = Settings.of(cell.settings)
    splits = draw_splits(cell.data, cell.seed, settings.sizes(cell.data))
    glitched = inject_glitch(
        splits, cell.glitch, cell.rate, cell.seed, cell.settings, cell.protocol
    )
    held, test = splits.validation, splits.test
    encoding = encode_splits(cell.model, glitched.samples, held.samples, test.samples)
    num_classes = len(splits.classes)
    labels = Labels(np.asarray(glitched.labels, dtype=np.int64), np.arange(num_classes))
    factory = factory_for(cell.model, encoding, num_classes, settings.width)
    schedule = schedule_for(cell.model, cell.data, encoding, settings.training)
    dataset = TensorData.of(_rows(len(labels)), labels, source=cell.data)
    modality: Modality = "array" if len(encoding.train.shape) == 1 else "image"
    encoded = Encoded(encoding.train, (encoding.validation, held.codes), (), modality)
    work = Work(
        dataset,
        encoded,
        factory,
        schedule,
        settings.folds,
        torch.device("cpu"),
        cell.seed,
        folder,
        keep_checkpoints=True,
        records=frozenset((*BY_EPOCH, *settings.collect)),
        wider_factory=factory_for(cell.model, encoding, num_classes + 1, settings.width),
    )
    folder.mkdir(parents=True, exist_ok=True)
    evidence, model = collect_by_training(work)
    return Situation(
        evidence,
        np.asarray(glitched.kinds, dtype=np.str_),
        glitched.truth_codes(range(num_classes)),
        encoding.train,
        (encoding.validation, held.codes),
        (encoding.test, test.codes),
        factory,
        model.eval(),
        _checkpoints(folder, schedule.epochs),
        Retraining(work, (encoding.test, test.codes)),
    )


def _rows(count: int) -> torch.Tensor:
    """The rows' numbers stand for the samples: ids, but no content, are needed of the data set."""
    return torch.arange(count)[:, None]


def _checkpoints(folder: Path, epochs: int) -> tuple[dict[str, object], ...]:
    files = (folder / CHECKPOINTS / f"epoch-{epoch + 1:04}.pt" for epoch in range(epochs))
    return tuple(torch.load(file, weights_only=True) for file in files)


def accuracy(model: torch.nn.Module, inputs: Inputs, codes: Codes) -> float:
    """Share of the samples whose largest output is that of their class."""
    logits = evaluate(model, inputs, torch.arange(len(inputs)), None).logits
    return float((logits.argmax(axis=1) == codes).mean())


@dataclass(frozen=True, eq=False)
class Retraining:
    """Trains afresh as the first training did: same network, same number of steps.

    Attributes:
        work: How the first training went.
        test: Test samples and their classes.
    """

    work: Work
    test: tuple[Inputs, Codes]

    def __call__(
        self, rows: NDArray[np.int64], codes: Codes | None, weights: Floats | None, seed: int
    ) -> float:
        """Accuracy on the test samples in the last epoch; see `Situation.retrain`."""
        work = self.work
        count = len(work.encoded.inputs)
        schedule = replace(work.schedule, steps=work.schedule.steps_for(count))
        given = torch.from_numpy(work.dataset.labels.codes if codes is None else codes)
        scaled = None
        if weights is not None:
            scaled = torch.from_numpy(np.asarray(weights / weights[rows].mean(), dtype=np.float32))
        inputs = work.encoded.inputs
        task = Task(inputs, given, work.factory, schedule, work.device, scaled)
        training = Training("retraining", torch.from_numpy(np.sort(rows)), seed)
        model = train(task, training, lambda *_: None, StateFile(None))
        return accuracy(model, *self.test)
