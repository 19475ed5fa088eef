"""Class labels: integer codes for the mathematics, original values for people."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from chaffinch.core.array import scalar, to_numpy
from chaffinch.core.errors import InputError
from chaffinch.core.types import Codes, Mask

_MOST_NUMBERS = 20
_FEW = 1_000


@dataclass(frozen=True, eq=False)
class Labels:
    """The labels of N samples in C classes.

    Attributes:
        codes: (N,) integers in 0..C-1, and -1 where a label is missing.
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
        return class_names(self.classes)

    @property
    def values(self) -> NDArray[Any]:
        """(N,) the labels as they came; None where one is missing."""
        if self.known.all():
            return self.classes[self.codes]
        values = np.full(len(self), None, dtype=object)
        values[self.known] = self.classes[self.codes[self.known]]
        return values

    @property
    def texts(self) -> list[str]:
        """(N,) the labels as text; "" where one is missing."""
        names = [*self.names, ""]
        return [names[code] for code in self.codes.tolist()]

    @property
    def known(self) -> Mask:
        """(N,) which samples have a label."""
        return self.codes >= 0

    @property
    def counts(self) -> NDArray[np.int64]:
        """(C,) how many samples each class has."""
        return np.bincount(self.codes[self.known], minlength=len(self.classes)).astype(np.int64)

    def present(self) -> "Labels":
        """The same labels without the classes that have no sample."""
        kept = np.flatnonzero(self.counts)
        place = np.full(len(self.classes) + 1, -1)  # the last one is for missing labels
        place[kept] = np.arange(len(kept))
        return Labels(place[self.codes], self.classes[kept])

    def take(self, index: NDArray[Any]) -> "Labels":
        """The labels of the samples at ``index``, with the same C classes."""
        return Labels(self.codes[index], self.classes)

    @classmethod
    def of(cls, values: Any, what: str = "the labels", *, allow_missing: bool = False) -> "Labels":
        """Read labels of any type; the classes are sorted by value.

        Args:
            values: (N,) labels. Missing ones (None, NaN) are refused.
            what: What to call them in an error, such as "column 'label'".
            allow_missing: Whether missing ones get the code -1 instead.

        Whole numbers beyond 64 bits become text, and with them all labels.

        Raises:
            InputError: No label, a missing one, or an array that is not one-dimensional.
        """
        if not isinstance(values, Iterable) and not hasattr(values, "__array__"):
            raise InputError(
                f"one label a sample in {what}", f"a {type(values).__name__}", "Pass a list of them"
            )
        if isinstance(values, list | tuple):
            values = [None if value is np.ma.masked else scalar(value) for value in values]
        elif not isinstance(values, pd.Series) and hasattr(values, "__array__"):
            try:
                values = to_numpy(values)  # tensors too: one by one they would all be different
            except ValueError as error:
                if isinstance(error, InputError):
                    raise
                raise InputError(f"an array of {what}", str(error), "Pass a list") from error
        if isinstance(values, np.ndarray) and values.ndim != 1:
            raise InputError(
                f"one label a sample in {what}",
                f"an array of shape {values.shape}",
                "Pass class labels, not one-hot rows or probabilities",
            )
        if not isinstance(values, np.ndarray | pd.Series):
            values = list(values)
        if len(values) > _FEW and _is_plain(values):  # each different value is read once
            places, different = pd.factorize(np.asarray(values))
            read = cls.of(different.tolist(), what)
            return cls(read.codes[places], read.classes)
        series = pd.Series([scalar(value) for value in values], dtype=object)
        several = next((v for v in series if _holds_several(v)), None)
        if several is not None:
            raise InputError(
                f"one label a sample in {what}",
                f"a {type(several).__name__} of several",
                "Pass class labels, not one-hot rows, probabilities or lists of labels",
            )
        if series.empty:
            raise InputError(f"at least one sample in {what}", "none", "Check the data")
        known = series.notna().to_numpy()
        missing = int((~known).sum())
        if missing and not allow_missing:
            raise InputError(
                f"a label in every row of {what}",
                f"{missing} missing of {len(series)}",
                "Drop those rows or label them first",
            )
        unique = list(pd.unique(series[known]))
        refuse_surrogates(unique, what)
        if missing and all(isinstance(one, float) and one.is_integer() for one in unique):
            # Whole numbers that were read as floats for the sake of the gaps between them.
            series[known] = series[known].map(int)
            unique = [int(one) for one in unique]
        if any(map(_is_huge, unique)):  # no file holds them as numbers
            series[known] = series[known].map(str)
            unique = sorted({str(one) for one in unique})
        try:
            unique.sort()
        except TypeError:  # mixed types have no order of their own
            unique.sort(key=lambda value: (type(value).__name__, str(value)))
        code_of = {value: code for code, value in enumerate(unique)}
        codes = np.full(len(series), -1, dtype=np.int64)
        codes[known] = [code_of[value] for value in series[known]]
        return cls(codes, pd.Series(unique).infer_objects().to_numpy())

    def check_trainable(self, what: str = "the labels") -> None:
        """Refuse labels that no classifier can be judged on.

        Raises:
            InputError: One class only, or a class with a single sample.
        """
        if np.count_nonzero(self.counts) < 2:
            only = self.names[int(self.counts.argmax())] if self.counts.any() else None
            raise InputError(
                f"at least two classes in {what}",
                "none" if only is None else f"only {only!r}",
                "Check that the right label column was chosen",
            )
        lonely = np.flatnonzero(self.counts == 1)
        if self.is_measured:
            shown = ", ".join(self.names[:3])
            raise InputError(
                f"classes in {what}",
                f"a regression target: {len(self.classes):,} different numbers ({shown}, ...)",
                "Scan them with task='regression' (--task regression), bin them into a few classes "
                "by pandas.qcut(y, 5, labels=False), or name another label column",
            )
        if lonely.size:
            raise InputError(
                f"at least two samples of every class in {what}",
                f"{lonely.size} with one, such as {self.names[lonely[0]]!r}",
                "Merge or drop those classes, or check that the label column holds classes and "
                "that none is misspelt",
            )

    @property
    def is_measured(self) -> bool:
        """Whether labels are numbers on a scale rather than classes.

        Many numbers of which some have decimals, or whole ones of which many come only once.
        """
        kind, many = self.classes.dtype.kind, len(self.classes) > _MOST_NUMBERS
        if not many or kind not in "iuf":
            return False
        if kind == "f" and bool((self.classes % 1 != 0).any()):
            return True
        return int(np.count_nonzero(self.counts == 1)) > len(self.classes) / 10


def _is_plain(values: Any) -> bool:
    """Whether labels are all numbers of one type, or all texts, without a missing one."""
    if isinstance(values, np.ndarray | pd.Series) and values.dtype.kind in "biu":
        return bool(isinstance(values.dtype, np.dtype))
    return str(pd.api.types.infer_dtype(values, skipna=False)) == "string"


def _is_huge(value: Any) -> bool:
    return isinstance(value, int) and not -(2**63) <= value < 2**63


def _holds_several(value: Any) -> bool:
    collections = list, tuple, set, frozenset, dict
    return isinstance(value, collections) or bool(getattr(value, "ndim", 0))


def class_names(classes: NDArray[Any]) -> list[str]:
    """(C,) classes as text, written alike wherever they are named; moments as pandas writes them.

    NumPy has three ways of its own to write a moment, one of them a number.
    """
    return [str(value) for value in pd.Series(classes).tolist()]


def refuse_surrogates(values: Iterable[Any], what: str) -> None:
    """Refuse texts that no file can hold: halves of characters, as broken JSON has them.

    Raises:
        InputError: There is one.
    """
    for value in values:
        try:
            if isinstance(value, str):
                value.encode()
        except UnicodeEncodeError as error:
            raise InputError(
                f"valid Unicode in {what}", f"{value!a}, half of a character", "Mend the text"
            ) from error


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
