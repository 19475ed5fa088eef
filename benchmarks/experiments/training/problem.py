"""What all rows of a cell learn: samples, given labels, and which of them are wrong."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from torch import nn

from benchmarks.cell import Cell
from benchmarks.data import draw_splits
from benchmarks.experiments.noisy_images.image_set import FILES, draw_images
from benchmarks.experiments.training.settings import Settings
from benchmarks.nets import encode_splits, factory_for
from chaffinch.core.errors import InputError
from chaffinch.core.types import Codes, Mask
from chaffinch.corruptions import uniform_flips
from chaffinch.models.defaults import SmallResNet
from chaffinch.models.encoding import encode_pixels
from chaffinch.models.inputs import Inputs

FLIPS = "uniform_flips"
CLEAN = "none"


@dataclass(frozen=True, eq=False)
class Problem:
    """A cell's data.

    Attributes:
        inputs: N training samples.
        given: (N,) labels, some of them wrong.
        truth: (N,) right classes.
        validation: M clean samples and their classes.
        test: Test samples and their classes.
        num_classes: C.
        factory: Makes the untrained network.
    """

    inputs: Inputs
    given: Codes
    truth: Codes
    validation: tuple[Inputs, Codes]
    test: tuple[Inputs, Codes]
    num_classes: int
    factory: Callable[[], nn.Module]

    @property
    def wrong(self) -> Mask:
        """(N,) whether the given label is wrong."""
        wrong: Mask = self.given != self.truth
        return wrong


def draw_problem(cell: Cell, settings: Settings) -> Problem:
    """Draw data and wrong labels; another seed redraws both.

    Args:
        cell: With the glitch ``uniform_flips`` at a rate or ``none``; on CIFAR-10N a sort of human
            labels (``worst``, ``aggregate``) or ``none``.
        settings: Its settings.

    Raises:
        InputError: Data, glitch or network that there are not.
    """
    if cell.data in FILES:
        return _images(cell, settings)
    if cell.glitch not in (FLIPS, CLEAN):
        raise InputError(f"the glitch {FLIPS} or {CLEAN}", repr(cell.glitch), "Choose one of them")
    splits = draw_splits(cell.data, cell.seed, settings.sizes)
    parts = (splits.train, splits.validation, splits.test)
    encoding = encode_splits(cell.model, *(part.samples for part in parts))
    num_classes = len(splits.classes)
    given = splits.train.codes
    if cell.glitch == FLIPS and cell.rate:
        given = np.asarray(uniform_flips(given, cell.rate, cell.seed)[0], dtype=np.int64)
    return Problem(
        encoding.train,
        given,
        splits.train.codes,
        (encoding.validation, splits.validation.codes),
        (encoding.test, splits.test.codes),
        num_classes,
        factory_for(cell.model, encoding, num_classes, settings.width),
    )


def _images(cell: Cell, settings: Settings) -> Problem:
    clean = cell.glitch == CLEAN
    noise = "worst" if clean else cell.glitch
    splits = draw_images(cell.data, noise, cell.seed, settings.sizes)
    if cell.model != "small_resnet":
        raise InputError("the network 'small_resnet'", repr(cell.model), "Choose it")
    height, breadth, channels = splits.train.shape[1:]
    shape, classes = (channels, height, breadth), splits.num_classes
    return Problem(
        encode_pixels(splits.train),
        splits.truth if clean else splits.given,
        splits.truth,
        (encode_pixels(splits.validation[0]), splits.validation[1]),
        (encode_pixels(splits.test[0]), splits.test[1]),
        classes,
        lambda: SmallResNet(shape, classes, settings.width),
    )
