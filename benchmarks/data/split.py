"""Splits: training, validation and test samples that share no row, drawn afresh for every seed."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.data.source import Source, load_source
from chaffinch.core.errors import InputError
from chaffinch.core.labels import Labels
from chaffinch.core.randomness import stream
from chaffinch.core.types import Codes

_WILDERNESS, _SOIL = slice(10, 14), slice(14, 54)
_SCALES = [
    "elevation",
    "aspect",
    "slope",
    "horizontal_to_water",
    "vertical_to_water",
    "to_road",
    "shade_9",
    "shade_12",
    "shade_15",
    "to_fire",
]


@dataclass(frozen=True)
class Sizes:
    """How many samples each part has."""

    train: int
    validation: int
    test: int


@dataclass(frozen=True, eq=False)
class Part:
    """Some samples of a data set.

    Attributes:
        samples: (n, ...) images as bytes, or a table with n rows.
        codes: (n,) right classes.
        rows: (n,) their positions in the data set (in its own test part, for a test part of one
            that has it).
    """

    samples: Any
    codes: Codes
    rows: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Splits:
    """Three parts without a common row.

    Attributes:
        name: Of the data set.
        classes: (C,) the labels as they came, by code.
        train: To be made wrong in part.
        validation: Clean.
        test: Clean.
    """

    name: str
    classes: NDArray[Any]
    train: Part
    validation: Part
    test: Part

    @property
    def are_images(self) -> bool:
        """Whether the samples are images; tables otherwise."""
        return isinstance(self.train.samples, np.ndarray) and self.train.samples.ndim >= 3


def draw_splits(name: str, seed: int, sizes: Sizes) -> Splits:
    """Draw the three parts; each has the classes in the proportions of the data set.

    Args:
        name: Of the data set.
        seed: Decides which samples go where; another seed redraws all three parts.
        sizes: Of the parts.

    Raises:
        InputError: An unknown or absent data set, or one with fewer samples.
    """
    source = load_source(name)
    labels = Labels.of(source.labels)
    order = stratified_order(labels.codes, seed, f"rows of {name}")
    pools = [order]
    if source.test is not None:
        test_codes = _codes(source.test[1], labels)
        pools.append(stratified_order(test_codes, seed, f"test rows of {name}"))
    own_test = source.test is not None
    wanted = sizes.train + sizes.validation + (0 if own_test else sizes.test)
    _check(name, wanted, len(order))
    _check(f"the test part of {name}", sizes.test, len(pools[-1]))
    middle = sizes.train + sizes.validation
    test_rows = pools[-1][: sizes.test] if own_test else order[middle:wanted]
    return Splits(
        name,
        labels.classes,
        _part(source, labels, order[: sizes.train]),
        _part(source, labels, order[sizes.train : middle]),
        _part(Source(*source.test) if source.test else source, labels, test_rows),
    )


def stratified_order(codes: Codes, seed: int, purpose: str) -> NDArray[np.int64]:
    """(N,) a random order of which every stretch has the classes in their proportions."""
    random = stream(seed, purpose)
    shuffled = random.permutation(len(codes))
    place = np.empty(len(codes))
    for code in np.unique(codes):
        rows = shuffled[codes[shuffled] == code]
        place[rows] = (np.arange(len(rows)) + random.random()) / len(rows)
    return np.argsort(place, kind="stable").astype(np.int64)


def _part(source: Source, labels: Labels, rows: NDArray[np.int64]) -> Part:
    codes = _codes(source.labels[rows], labels)
    if isinstance(source.samples, pd.DataFrame):
        return Part(source.samples.iloc[rows].reset_index(drop=True), codes, rows)
    samples = source.samples[rows]
    return Part(covertype_table(samples) if samples.ndim == 2 else samples, codes, rows)


def _codes(values: NDArray[Any], labels: Labels) -> Codes:
    return np.searchsorted(labels.classes, values).astype(np.int64)


def covertype_table(x: NDArray[np.float32]) -> pd.DataFrame:
    """The 54 columns as ten numbers and two categories (area and soil), which is what they are."""
    table = pd.DataFrame(x[:, :10], columns=_SCALES)
    table["wilderness"] = [f"area {code}" for code in x[:, _WILDERNESS].argmax(1)]
    table["soil"] = [f"soil {code}" for code in x[:, _SOIL].argmax(1)]
    return table


def _check(what: str, wanted: int, there: int) -> None:
    if wanted > there:
        raise InputError(f"{wanted:,} samples in {what}", f"{there:,}", "Choose smaller sizes")
