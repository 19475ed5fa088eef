"""The data set under check: samples of one or several splits, side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from chaffinch.checks.cells import Cells
from chaffinch.checks.image_property import ImageProperties, measure_images
from chaffinch.checks.neighbour import equal_groups
from chaffinch.checks.row_copy import is_surprising, near_rows
from chaffinch.checks.sample_copy import near_texts, near_vectors
from chaffinch.checks.sound_property import SoundProperties, measure_sounds
from chaffinch.checks.vectors import (
    vectors_of_arrays,
    vectors_of_frame,
    vectors_of_series,
    vectors_of_texts,
)
from chaffinch.core.fault import Fault
from chaffinch.core.labels import Labels
from chaffinch.core.types import Codes, Floats, Modality, Strings
from chaffinch.data.audio import AudioData
from chaffinch.data.image import ImageData
from chaffinch.data.series import SeriesData


@dataclass(frozen=True, eq=False)
class Subject:
    """N samples and what is known of them.

    Attributes:
        ids: (N,) ids, unique within a split.
        labels: The given labels; all are missing where the data have none.
        digests: (N,) hash of each sample's content without its label.
        rows: (N,) position of each sample in its data set or file, from 0.
        sources: (N,) file, or file and row, of each sample.
        modality: What a sample is.
        faults: Why samples cannot be used, by position.
        frame: Columns beside label, id and text, where the data are a table or have some.
        texts: (N,) texts.
        images: The images, one part a split, in order.
        sounds: The sounds, one part a split, in order.
        series: The time series, likewise.
        arrays: (N, I) numbers, where samples are tensors.
        split: (N,) codes of the splits, -1 for none.
        split_names: Their names; empty where there is one data set.
        ordered: Whether the order of the rows means anything; that of files in a folder does not.
        notes: What was interpreted when the data were read.
        seed: Decides every random choice.
    """

    ids: Strings
    labels: Labels
    digests: Sequence[str]
    rows: Codes
    sources: Sequence[str]
    modality: Modality
    faults: Mapping[int, Fault] = field(default_factory=dict)
    frame: pd.DataFrame | None = None
    texts: tuple[str, ...] | None = None
    images: tuple[ImageData, ...] | None = None
    sounds: tuple[AudioData, ...] | None = None
    series: tuple[SeriesData, ...] | None = None
    arrays: NDArray[Any] | None = None
    split: Codes | None = None
    split_names: tuple[str, ...] = ()
    ordered: bool = True
    notes: tuple[str, ...] = ()
    seed: int = 0

    def __len__(self) -> int:
        return len(self.ids)

    def has(self, what: str) -> bool:
        """Whether there is what a check needs; see `Check`."""
        if what == "labels":
            return int(np.count_nonzero(self.labels.counts)) > 1 and not is_measured(self.labels)
        if what == "split":
            return self.split is not None and len(set(self.split_names)) > 1
        if what == "frame":
            return self.frame is not None and len(self.frame.columns) > 0
        if what == "order":
            return self.ordered and len(self) >= _LEAST
        if what == "vectors":
            return self.vectors is not None and int(np.count_nonzero(self.usable)) >= _LEAST
        return what in ("samples", "faults") or getattr(self, what) is not None

    @cached_property
    def properties(self) -> ImageProperties:
        """What the images look like; each is decoded once."""
        return measure_images(self.images or ())

    @cached_property
    def sound_properties(self) -> SoundProperties:
        """What the sounds are like; each is decoded once."""
        return measure_sounds(self.sounds or ())

    @cached_property
    def lengths(self) -> Floats | None:
        """(N,) seconds of sounds or steps of series; None for other samples."""
        if self.sounds is not None:
            return self.sound_properties["seconds"]
        if self.series is not None:
            return np.asarray([len(one) for part in self.series for one in part.values], np.float64)
        return None

    @cached_property
    def cells(self) -> Cells:
        """The columns as codes; none where there is no table."""
        return Cells.of(pd.DataFrame(index=range(len(self))) if self.frame is None else self.frame)

    @cached_property
    def vectors(self) -> Floats | None:
        """(N, K) float32 description of the samples, in which alike ones are near.

        None where there is nothing to describe. Rows of samples with a fault are zero.
        """
        if self.images is not None:
            return self.properties.vectors
        if self.sounds is not None:
            return self.sound_properties.vectors
        if self.series is not None:
            return vectors_of_series(self.series)
        if self.texts is not None:
            return vectors_of_texts(self.texts)
        if self.arrays is not None:
            return vectors_of_arrays(self.arrays)
        return None if self.frame is None else vectors_of_frame(self.frame)

    @cached_property
    def exact_copies(self) -> Codes:
        """(N,) group of samples of equal content; -1 for none.

        Equal rows of a table that are to be expected where columns take few values are none.
        """
        keys = np.asarray(self.digests, dtype=object).astype(np.str_)
        groups = equal_groups(keys)
        groups[~self.usable] = -1
        if self.modality == "table" and not is_surprising(self.cells.codes):
            groups[:] = -1
        return groups

    @cached_property
    def near_copies(self) -> Codes:
        """(N,) group of samples of nearly the same content, equal ones among them; -1 for none."""
        if self.modality == "table":
            return near_rows(self.cells, self.vectors, self.seed)
        if self.texts is not None:
            return near_texts(self.texts, self.vectors, self.seed)
        return near_vectors(self.vectors, self.seed)

    @cached_property
    def usable(self) -> NDArray[np.bool_]:
        """(N,) which samples could be read and are not empty."""
        usable = np.ones(len(self), np.bool_)
        usable[list(self.all_faults)] = False
        return usable

    @cached_property
    def all_faults(self) -> Mapping[int, Fault]:
        """The faults, those found by decoding included, by position."""
        if self.sounds is not None:
            return {**self.sound_properties.faults, **self.faults}
        if self.images is None:
            return self.faults
        return {**self.properties.faults, **self.faults}


_LEAST = 50
_MOST_NUMBERS = 20


def is_measured(labels: Labels) -> bool:
    """Whether labels are numbers on a scale, as in a regression, rather than classes."""
    kind, counts = labels.classes.dtype.kind, labels.counts
    if kind not in "iuf" or len(counts) <= _MOST_NUMBERS:
        return False
    fractions = kind == "f" and bool((labels.classes % 1 != 0).any())
    return fractions or int(np.count_nonzero(counts == 1)) > len(counts) / 10
