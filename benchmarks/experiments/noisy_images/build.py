"""From a cell of the experiment ``cifar10n`` to a situation: draw, train once, record."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmarks.cell import Cell
from benchmarks.experiments.noisy_images.image_set import NoisySplits, draw_images
from benchmarks.experiments.noisy_images.resnet import ResNet34
from benchmarks.experiments.noisy_images.settings import Settings
from benchmarks.experiments.retraining import Retrainer, saved_checkpoints
from benchmarks.situation import CLEAN, Situation
from chaffinch.core.errors import InputError
from chaffinch.core.labels import Labels
from chaffinch.data import TensorData
from chaffinch.models.defaults import SmallResNet
from chaffinch.models.encoding import encode_pixels
from chaffinch.pipeline.collect import collect_by_training
from chaffinch.pipeline.encode import Encoded
from chaffinch.pipeline.work import Work

KIND = "mislabelled"
MODELS = ("small_resnet", "resnet34")


def build_situation(cell: Cell, settings: Settings, folder: Path) -> tuple[Situation, Retrainer]:
    """Train a network from scratch on human labels, once, and record everything.

    Args:
        cell: The cell; its glitch is the sort of human labels, and its seed redraws images, folds
            and initial weights.
        settings: Its settings.
        folder: Where trainings and evidence are kept; a second call there trains nothing.

    Returns:
        The situation, and what trains again on repaired data.

    Raises:
        InputError: Images, labels, network or device that there are not.
    """
    folder.mkdir(parents=True, exist_ok=True)
    splits = draw_images(cell.data, cell.glitch, cell.seed, settings.sizes)
    factory = _factory(cell.model, splits, settings.width)
    inputs = encode_pixels(splits.train)
    held = encode_pixels(splits.validation[0]), splits.validation[1]
    test = encode_pixels(splits.test[0]), splits.test[1]
    labels = Labels(splits.given, np.arange(splits.num_classes))
    work = Work(
        # The rows' numbers stand for the images: of the data set only ids and labels are needed.
        TensorData.of(torch.arange(len(inputs))[:, None], labels, source=cell.data),
        Encoded(inputs, held, (), "image"),
        factory,
        settings.schedule,
        settings.folds,
        settings.place,
        cell.seed,
        folder,
        keep_checkpoints=settings.checkpoints,
        records=frozenset(settings.collect),
    )
    evidence, model = collect_by_training(work)
    retrainer = Retrainer(work, test)
    situation = Situation(
        evidence,
        np.where(splits.given != splits.truth, KIND, CLEAN).astype(np.str_),
        splits.truth,
        inputs,
        held,
        test,
        factory,
        model.eval(),
        saved_checkpoints(work),
        retrainer.last,
    )
    return situation, retrainer


def _factory(name: str, splits: NoisySplits, width: int) -> Callable[[], nn.Module]:
    height, breadth, channels = splits.train.shape[1:]
    if name == "small_resnet":
        return lambda: SmallResNet((channels, height, breadth), splits.num_classes, width)
    if name == "resnet34":
        return lambda: ResNet34(splits.num_classes, width, channels)
    raise InputError(f"a network for images: {', '.join(MODELS)}", repr(name), "Choose another")
