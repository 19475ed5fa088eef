"""Sets of labelled texts, and of labelled pairs of texts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.data import Sizes, need_file
from benchmarks.data.split import stratified_order
from chaffinch.core.errors import InputError
from chaffinch.core.labels import Labels
from chaffinch.core.types import Codes


@dataclass(frozen=True)
class _File:
    name: str
    texts: tuple[str, ...]
    label: str


_FILES = {
    "sst2": _File("sst2_sentence.parquet", ("text",), "label"),
    "mrpc": _File("mrpc.parquet", ("s1", "s2"), "label"),
    "subj": _File("subj.parquet", ("text",), "label"),
    "banking77": _File("banking77.parquet", ("text",), "category"),
}
NAMES = tuple(sorted(_FILES))


@dataclass(frozen=True, eq=False)
class TextSet:
    """N labelled texts.

    Attributes:
        columns: One sequence of N texts, or two whose rows are pairs.
        labels: (N,) right labels.
    """

    columns: tuple[Sequence[str], ...]
    labels: NDArray[Any]

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: NDArray[np.int64]) -> tuple[list[str], ...]:
        """The texts at some positions, column by column."""
        return tuple([column[row] for row in rows] for column in self.columns)


@dataclass(frozen=True, eq=False)
class TextSplits:
    """Positions of training, validation and test texts, which share no text.

    Attributes:
        classes: (C,) the labels as they came.
        codes: (N,) right classes of all texts of the set.
        train: Positions of the texts to be made wrong in part.
        validation: Positions of clean ones.
        test: Positions of clean ones.
    """

    classes: NDArray[Any]
    codes: Codes
    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]


def load_texts(name: str) -> TextSet:
    """A set by name; texts that come twice are kept once, so that no split repeats another's.

    Raises:
        InputError: An unknown set, or one whose file is not there.
    """
    if name not in _FILES:
        raise InputError(f"one of {', '.join(NAMES)}", repr(name), "Choose one of these text sets")
    file = _FILES[name]
    table = pd.read_parquet(need_file(file.name)).drop_duplicates(list(file.texts))
    columns = tuple(table[column].astype(str).tolist() for column in file.texts)
    return TextSet(columns, table[file.label].to_numpy())


def split_texts(texts: TextSet, seed: int, sizes: Sizes) -> TextSplits:
    """Draw the three parts; each has the classes in the proportions of the set.

    Raises:
        InputError: Fewer texts than asked for.
    """
    labels = Labels.of(texts.labels)
    first, second = sizes.train, sizes.train + sizes.validation
    wanted = second + sizes.test
    if wanted > len(texts):
        raise InputError(f"{wanted:,} texts", f"{len(texts):,}", "Choose smaller sizes")
    order = stratified_order(labels.codes, seed, "texts")
    parts = order[:first], order[first:second], order[second:wanted]
    return TextSplits(labels.classes, labels.codes, *parts)
