"""Class labels: integer codes for the mathematics, original values for people."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from chaffinch.core.array import scalar, to_numpy
from chaffinch.core.errors import InputError
from chaffinch.core.types import Codes

_MOST_NUMBERS = 20


@dataclass(frozen=True, eq=False)
class Labels:
    """The labels of N samples in C classes.

    Attributes:
        codes: (N,) integers in 0..C-1.
        classes: (C,) the original values (strings, integers, booleans, ...), so that
            ``classes[codes]`` gives back the labels as they came.
    """

    codes: Codes
    classes: NDArray[Any]

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def names(self) -> list[str]:
        """The classes as text, for reports."""
        return [str(value) for value in self.classes.tolist()]

    @property
    def values(self) -> NDArray[Any]:
        """(N,) the labels as they came."""
        return self.classes[self.codes]

    @property
    def counts(self) -> NDArray[np.int64]:
        """(C,) how many samples each class has."""
        return np.bincount(self.codes, minlength=len(self.classes)).astype(np.int64)

    def take(self, index: NDArray[Any]) -> "Labels":
        """The labels of the samples at ``index``, with the same C classes."""
        return Labels(self.codes[index], self.classes)

    @classmethod
    def of(cls, values: Iterable[Any], what: str = "the labels") -> "Labels":
        """Read labels of any type; the classes are sorted by value.

        Args:
            values: (N,) labels. Missing ones (None, NaN) are refused.
            what: What to call them in an error, such as "column 'label'".

        Raises:
            InputError: No label, a missing one, or an array that is not one-dimensional.
        """
        if isinstance(values, list | tuple):
            values = [None if value is np.ma.masked else scalar(value) for value in values]
        elif not isinstance(values, pd.Series) and hasattr(values, "__array__"):
            values = to_numpy(values)  # tensors too: one by one they would all be different
        if isinstance(values, np.ndarray) and values.ndim != 1:
            raise InputError(
                f"one label a sample in {what}",
                f"an array of shape {values.shape}",
                "Pass class labels, not one-hot rows or probabilities",
            )
        series = pd.Series(values if isinstance(values, np.ndarray | pd.Series) else list(values))
        series = series.astype(object).map(scalar)
        several = next((v for v in series if _holds_several(v)), None)
        if several is not None:
            raise InputError(
                f"one label a sample in {what}",
                f"a {type(several).__name__} of several",
                "Pass class labels, not one-hot rows, probabilities or lists of labels",
            )
        if series.empty:
            raise InputError(f"at least one sample in {what}", "none", "Check the data")
        missing = int(series.isna().sum())
        if missing:
            raise InputError(
                f"a label in every row of {what}",
                f"{missing} missing of {len(series)}",
                "Drop those rows or label them first",
            )
        try:
            unique = list(pd.unique(series))
        except TypeError as error:  # lists, mappings, arrays
            raise InputError(
                f"one label a sample in {what}",
                f"cells that are no labels ({error})",
                "Unpack them",
            ) from error
        try:
            unique.sort()
        except TypeError:  # mixed types have no order of their own
            unique.sort(key=lambda value: (type(value).__name__, str(value)))
        code_of = {value: code for code, value in enumerate(unique)}
        codes = np.fromiter((code_of[value] for value in series), np.int64, len(series))
        return cls(codes, pd.Series(unique).infer_objects().to_numpy())

    def check_trainable(self, what: str = "the labels") -> None:
        """Refuse labels that no classifier can be judged on.

        Raises:
            InputError: One class only, or a class with a single sample.
        """
        if np.count_nonzero(self.counts) < 2:
            only = self.names[int(self.counts.argmax())]
            raise InputError(
                f"at least two classes in {what}",
                f"only {only!r}",
                "Check that the right label column was chosen",
            )
        lonely = np.flatnonzero(self.counts == 1)
        if self._is_measured(len(lonely)):
            shown = ", ".join(self.names[:3])
            raise InputError(
                f"classes in {what}",
                f"a regression target: {len(self.classes):,} different numbers ({shown}, ...)",
                "Regression is not supported yet: bin the numbers into a few classes first, such "
                "as by pandas.qcut(y, 5, labels=False), or name another label column",
            )
        if lonely.size:
            raise InputError(
                f"at least two samples of every class in {what}",
                f"{lonely.size} with one, such as {self.names[lonely[0]]!r}",
                "Merge or drop those classes, or check that the label column holds classes and "
                "that none is misspelt",
            )

    def _is_measured(self, lonely: int) -> bool:
        """Whether labels are numbers on a scale rather than classes.

        Many numbers of which some have decimals, or whole ones of which many come only once.
        """
        kind, many = self.classes.dtype.kind, len(self.classes) > _MOST_NUMBERS
        if kind == "f":
            return many and bool((self.classes % 1 != 0).any())
        return kind in "iu" and many and lonely > len(self.classes) / 10


def _holds_several(value: Any) -> bool:
    collections = list, tuple, set, frozenset, dict
    return isinstance(value, collections) or bool(getattr(value, "ndim", 0))


def class_named(word: str, names: Collection[str]) -> str:
    """The class that a cell of a table means.

    Programs that hold a column of whole numbers with empty cells write 2 as 2.0.

    Args:
        word: What the cell says.
        names: The classes.

    Returns:
        ``word``, or what stands before its ".0" if that is a class and ``word`` is none.
    """
    whole = word.removesuffix(".0")
    return whole if word not in names and whole in names else word
