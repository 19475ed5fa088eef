"""Labels that may be given a value that no sample has yet: numbers, tags, tags of tokens."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from chaffinch.core.edit import Edit
from chaffinch.core.errors import InputError
from chaffinch.core.labels import Labels, class_named

_MOST_DECIMALS = 6


@dataclass(frozen=True, eq=False)
class LabelForm:
    """How the labels of some data are written as text, and read back as values of their type.

    Attributes:
        classes: (C,) the different labels there are.
        decimals: Of numbers, how many digits behind the point any of them has; None for labels
            that are no numbers, or numbers with more digits than anybody writes.
    """

    classes: NDArray[Any]
    decimals: int | None

    @classmethod
    def of(cls, classes: NDArray[Any]) -> "LabelForm":
        """The form of (C,) labels."""
        if classes.dtype.kind in "iu":
            return cls(classes, 0)
        if classes.dtype.kind != "f":
            return cls(classes, None)
        for digits in range(_MOST_DECIMALS + 1):
            if np.array_equal(np.round(classes, digits), classes):
                return cls(classes, digits)
        return cls(classes, None)

    @classmethod
    def of_table(cls, findings: pd.DataFrame) -> "LabelForm":
        """The form of the given labels of findings."""
        known = findings["given_label"].dropna()
        return cls.of(known.infer_objects().to_numpy())

    @property
    def is_number(self) -> bool:
        """Whether labels are numbers."""
        return self.classes.dtype.kind in "iuf"

    def text(self, value: Any) -> str:
        """A label as text, as precise as the data write theirs."""
        if not self.is_number:
            return str(value)
        number = float(value)
        if not np.isfinite(number):
            return str(number)
        if self.classes.dtype.kind in "iu":
            return str(round(number))
        if self.decimals is not None:
            return str(round(number, self.decimals))
        return str(float(f"{number:.6g}"))

    def value(self, text: str, of: str = "") -> Any:
        """What a text means, in the type of the other labels.

        Args:
            text: The label.
            of: What to call it in an error.

        Raises:
            InputError: No finite number where labels are numbers, or a fraction where they are
                whole.
        """
        if not self.is_number:
            return text
        try:
            number = float(text)
        except ValueError:
            number = np.nan
        whole = self.classes.dtype.kind in "iu"
        if not np.isfinite(number) or (whole and number != round(number)):
            raise InputError(
                f"a {'whole number' if whole else 'number'} as label{of}",
                repr(text),
                "Correct the plan, or the answer",
            )
        return self.classes.dtype.type(round(number) if whole else number)


def with_new_labels(labels: Labels, edits: Iterable[Edit]) -> tuple[Labels, list[Edit]]:
    """The labels with a class more for every new label, and the edits in its words.

    Raises:
        InputError: A new label that is none of the type of the others.
    """
    form, names = LabelForm.of(labels.classes), dict.fromkeys(labels.names)
    added: dict[Any, str] = {}
    known = dict(zip(labels.classes.tolist(), names, strict=True))
    changed = []
    for edit in edits:
        if edit.action == "relabel" and class_named(str(edit.new_label), names) not in names:
            value = form.value(str(edit.new_label), f" of sample {edit.id!r}")
            name = known.get(value) or added.setdefault(value, str(value))
            edit = replace(edit, new_label=name)
        changed.append(edit)
    if not added:
        return labels, changed
    more = pd.Series([*labels.classes.tolist(), *added]).infer_objects().to_numpy()
    return Labels(labels.codes, more), changed


def put_labels(column: Any, place: NDArray[np.int64], values: NDArray[Any]) -> Any:
    """A column, list, tensor or array with other values at some places, and of the same type."""
    if not len(place):
        return column
    if isinstance(column, pd.Series):
        made = column.copy()
        if isinstance(made.dtype, pd.CategoricalDtype):
            made = made.cat.add_categories(sorted(set(values) - set(made.cat.categories)))
        made.iloc[place] = _plain(values)
        return made
    if isinstance(column, tuple | list):
        listed = list(column)
        for row, value in zip(place.tolist(), _plain(values), strict=True):
            listed[row] = value
        return type(column)(listed)
    if hasattr(column, "clone"):
        tensor = column.clone()
        tensor[place.tolist()] = tensor.new_tensor(_plain(values))
        return tensor
    array = np.asarray(column)
    if array.dtype.kind in "US":
        array = array.astype(object)
    array = array.copy()
    array[place] = _plain(values)
    kind = np.asarray(column).dtype.kind
    return array.astype(kind) if kind in "US" else array


def put_arrow(column: Any, place: NDArray[np.int64], values: NDArray[Any], type_: Any) -> Any:
    """The same for a column of Arrow, whose type stays."""
    if not len(place):
        return column
    listed = column.to_pylist()
    inner = type_.value_type if pa.types.is_dictionary(type_) else type_
    new = pa.array([str(value) for value in values]).cast(inner).to_pylist()
    for row, value in zip(place.tolist(), new, strict=True):
        listed[row] = value
    made = pa.array(listed, type=inner)
    return made.dictionary_encode().cast(type_) if inner is not type_ else made


def _plain(values: NDArray[Any]) -> list[Any]:
    return list(pd.Series(values).tolist())
