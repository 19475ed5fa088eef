"""A problem: labelled data as a user would hand them over, and the truth about each sample."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.cell import Cell
from benchmarks.data import Sizes, draw_splits
from benchmarks.experiments.detection.injection import inject_glitch
from benchmarks.experiments.diagnosis.settings import HUMAN_LABELS, Settings
from benchmarks.experiments.noisy_images.image_set import draw_images
from chaffinch.core.dataset import Dataset
from chaffinch.core.errors import InputError
from chaffinch.core.labels import Labels
from chaffinch.core.types import Codes, Mask
from chaffinch.corruptions.corrupted import CLEAN, DUPLICATE, MISLABELLED
from chaffinch.data import ImageData, TableData, open_data
from chaffinch.models.defaults import MLP, SmallResNet

_WIDTH = 8
_LABEL = "given label"


def small_net(num_classes: int, input_shape: tuple[int, ...]) -> SmallResNet:
    """A residual network of half the usual width, so that a scan of images takes seconds."""
    return SmallResNet(input_shape, num_classes, width=_WIDTH)


def pixel_net(num_classes: int, input_shape: tuple[int, ...]) -> MLP:
    """Two hidden layers on the bare pixels."""
    return MLP(int(np.prod(input_shape)), num_classes)


MODELS: dict[str, Any] = {"default": None, "small_net": small_net, "pixel_net": pixel_net}
"""Networks by name; None for the one that a scan takes by itself."""


@dataclass(frozen=True, eq=False)
class Problem:
    """What a scan is given, and what it is marked by.

    Attributes:
        data: N samples with their given labels.
        validation: M clean samples, or None.
        kinds: (N,) kind of each sample's glitch, `CLEAN` where there is none.
        truth: (N,) right class; -1 where no class is right.
        twin: (N,) row of the sample that an injected near-duplicate repeats, if it is still there;
            -1 for all other samples.
        repeated: (N,) whether another sample is the same to the bit by nature.
        model: What makes the network, or None for the scan's own.
    """

    data: Dataset
    validation: Dataset | None
    kinds: NDArray[np.str_]
    truth: Codes
    twin: NDArray[np.int64]
    repeated: Mask
    model: Any


def pose_problem(cell: Cell) -> Problem:
    """Draw data, put the glitch in, and hand them over as a user would.

    Raises:
        InputError: An unknown network, or whatever drawing and injection raise.
    """
    settings = Settings.of(cell.settings)
    if cell.model not in MODELS:
        raise InputError("the name of a network", repr(cell.model), f"Known: {', '.join(MODELS)}")
    if cell.data == HUMAN_LABELS:
        return _with_human_labels(cell, settings)
    sizes = Sizes(settings.size, max(1, settings.validation), 1)
    splits = draw_splits(cell.data, cell.seed, sizes)
    glitched = inject_glitch(splits, cell.glitch, cell.rate, cell.seed, _injected(settings))
    given = np.asarray(glitched.labels, dtype=np.int64)
    held, classes = splits.validation, len(splits.classes)
    return Problem(
        as_dataset(glitched.samples, given, classes, cell.data),
        as_dataset(held.samples, held.codes, classes, cell.data) if settings.validation else None,
        np.asarray(glitched.kinds, dtype=np.str_),
        glitched.truth_codes(range(classes)),
        twins(glitched.kinds == DUPLICATE, glitched.source),
        repeats(splits.train.samples)[np.maximum(glitched.source, 0)] & (glitched.kinds == CLEAN),
        MODELS[cell.model],
    )


def _injected(settings: Settings) -> dict[str, Any]:
    named = {"severity": settings.severity, "mixture": settings.mixture}
    return {name: value for name, value in named.items() if value}


def _with_human_labels(cell: Cell, settings: Settings) -> Problem:
    sizes = Sizes(settings.size, max(1, settings.validation), 1)
    drawn = draw_images(HUMAN_LABELS, cell.glitch, cell.seed, sizes)
    count = len(drawn.given)
    return Problem(
        as_dataset(drawn.train, drawn.given, drawn.num_classes, cell.data),
        as_dataset(*drawn.validation, drawn.num_classes, cell.data)
        if settings.validation
        else None,
        np.where(drawn.given == drawn.truth, CLEAN, MISLABELLED).astype(np.str_),
        drawn.truth,
        np.full(count, -1, dtype=np.int64),
        np.zeros(count, dtype=np.bool_),
        MODELS[cell.model],
    )


def as_dataset(samples: Any, codes: Codes, num_classes: int, source: str) -> Dataset:
    """Images or a table with their labels, as the readers of a scan make them.

    A class that a near cluster removed stays a class, which clean samples may have.
    """
    labels = Labels(codes, np.arange(num_classes))
    if isinstance(samples, pd.DataFrame):
        frame = samples.reset_index(drop=True)
        opened = open_data(frame.assign(**{_LABEL: codes}), label=_LABEL, trainable=False)
        if not isinstance(opened, TableData):
            raise InputError("a table", type(opened).__name__, "Use another data set")
        return replace(opened, labels=labels)
    return ImageData.of_arrays(samples, labels, source=source)


def twins(copies: Mask, source: NDArray[np.int64]) -> NDArray[np.int64]:
    """(N,) row of the original of each copy; -1 for others and where it was taken out.

    Args:
        copies: (N,) the injected near-duplicates.
        source: (N,) row of the data before the injection that each sample is, or repeats.
    """
    place = {int(one): row for row, one in enumerate(source) if one >= 0 and not copies[row]}
    found = [
        place.get(int(one), -1) if copy else -1 for one, copy in zip(source, copies, strict=True)
    ]
    return np.asarray(found, dtype=np.int64)


def repeats(samples: Any) -> Mask:
    """(N,) whether the same sample comes more than once."""
    if isinstance(samples, pd.DataFrame):
        return np.asarray(samples.duplicated(keep=False), dtype=np.bool_)
    flat = pd.Series([one.tobytes() for one in np.ascontiguousarray(samples)])
    return np.asarray(flat.duplicated(keep=False), dtype=np.bool_)
