"""Whole data sets, as they come: samples and labels, and a test part where there is an own one."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.data.place import need_file
from chaffinch.core.errors import InputError


@dataclass(frozen=True, eq=False)
class Source:
    """A data set.

    Attributes:
        samples: (N, ...) images as bytes, a table (DataFrame or (N, I) floats), or one with a
            column of texts. Not to be written to.
        labels: (N,) labels as they came.
        test: Samples and labels of a test part of its own, or None.
    """

    samples: Any
    labels: NDArray[Any]
    test: tuple[Any, NDArray[Any]] | None = None


def _digits() -> Source:
    from sklearn.datasets import load_digits

    digits = load_digits()
    return Source((digits.images * (255 / 16)).round().astype(np.uint8), digits.target)


def _letter() -> Source:
    return _table("mlbench_LetterRecognition.parquet", "lettr")


def _covertype() -> Source:
    with np.load(need_file("covertype20k.npz")) as arrays:
        return Source(arrays["x"].astype(np.float32), arrays["y"])


def _adult() -> Source:
    return _table("adult.parquet", "income")


def _images(name: str) -> Callable[[], Source]:
    def read() -> Source:
        with np.load(need_file(f"{name}.npz")) as arrays:
            x, y, test_x, test_y = (
                arrays[key] for key in ("x_train", "y_train", "x_test", "y_test")
            )
        return Source(x, y.astype(np.int64), (test_x, test_y.astype(np.int64)))

    return read


def _cifar10() -> Source:
    with np.load(need_file("cifar10n_16k.npz")) as arrays:
        test = arrays["x_test"], arrays["y_test"].astype(np.int64)
        return Source(arrays["x_train"], arrays["y_clean"].astype(np.int64), test)


def _texts(name: str, label: str = "label") -> Callable[[], Source]:
    def read() -> Source:
        table = pd.read_parquet(need_file(f"{name}.parquet"))
        return Source(table[["text"]], table[label].to_numpy())

    return read


def _table(file: str, label: str) -> Source:
    table = pd.read_parquet(need_file(file))
    return Source(table.drop(columns=label), table[label].astype(str).to_numpy())


_READERS: dict[str, Callable[[], Source]] = {
    "digits": _digits,
    "letter": _letter,
    "covertype": _covertype,
    "adult": _adult,
    "mnist": _images("mnist"),
    "fashion_mnist": _images("fashion_mnist"),
    "cifar10": _cifar10,
    "sst2": _texts("sst2_sentence"),
    "subj": _texts("subj"),
    "banking77": _texts("banking77", "category"),
}

NAMES = tuple(_READERS)


@lru_cache(maxsize=4)
def load_source(name: str) -> Source:
    """Read a whole data set.

    ``digits`` comes with scikit-learn; all others are looked up in the data folder. ``cifar10`` is
    the subset of 16,000 images that has human labels too, here with its clean ones.

    Raises:
        InputError: An unknown name, or data that are not there.
    """
    if name not in _READERS:
        raise InputError("the name of a data set", repr(name), f"Known: {', '.join(NAMES)}")
    return _READERS[name]()


def load_or_exit(name: str) -> Source:
    """`load_source` for a program: missing data end it with a message.

    Raises:
        SystemExit: An unknown name, or data that are not there.
    """
    try:
        return load_source(name)
    except InputError as error:
        raise SystemExit(str(error)) from error
