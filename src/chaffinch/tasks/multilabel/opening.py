"""Opening data with tags: their labels become one text per sample, whatever form they came in."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from chaffinch.core.array import to_numpy
from chaffinch.core.errors import InputError
from chaffinch.data.array import LABEL_KEYS
from chaffinch.data.arrow import frame_of, is_arrow_table
from chaffinch.data.huggingface import is_huggingface
from chaffinch.tasks.multilabel.reading import (
    TagFormat,
    default_names,
    find_format,
    read_indicators,
    read_texts,
)
from chaffinch.tasks.multilabel.texts import NO_TAG, separator_for

LABEL = "tags"
"""Name of the column of tags where they came in several."""


def with_texts(data: Any, label: str | None) -> tuple[Any, str | None] | None:
    """The same data with one text of tags per sample, and the name of its column.

    Args:
        data: A table file that was read, a DataFrame, an Arrow table, a Hugging Face data set,
            ``(X, y)`` or a mapping of arrays, whose y is an indicator array (N, K) or has a list of
            tags per sample.
        label: As for `find_format`.

    Returns:
        None for data that hold no tags.

    Raises:
        InputError: A named column is not there, or cells that are no tags.
    """
    if hasattr(data, "frame") and hasattr(data, "path"):
        found = _of_frame(data.frame, label)
        return None if found is None else (replace(data, frame=found[0]), found[1])
    if isinstance(data, pd.DataFrame):
        return _of_frame(data, label)
    if is_huggingface(data):
        return _of_huggingface(data, label)
    if is_arrow_table(data):
        return _of_frame(frame_of(data), label)
    if isinstance(data, tuple | list) and len(data) == 2:
        told = _of_array(data[1])
        return None if told is None else ((data[0], told), None)
    if isinstance(data, dict):
        key = label or next((key for key in data if str(key).lower() in LABEL_KEYS), None)
        told = None if key not in data else _of_array(data[key])
        return None if told is None else ({**data, key: told}, label)
    return None


def texts_of(labels: Any) -> tuple[Sequence[Any], list[str] | None]:
    """Labels of any form as one text per sample, and the tags in the order of their columns.

    Args:
        labels: A DataFrame or an array (N, K) of 0 and 1, lists of tags, or texts.

    Returns:
        (N,) texts, None where a label is missing, and the names of the columns (K,); None for
        lists and texts, whose tags have no order but that of their names.
    """
    if isinstance(labels, pd.DataFrame):
        names = [str(name) for name in labels.columns]
        return read_texts(labels.set_axis(names, axis=1), TagFormat("columns", tuple(names))), names
    told = _of_array(labels)
    if told is None:
        return list(labels), None
    width = getattr(labels, "shape", (0, 0))[-1] if hasattr(labels, "shape") else len(labels[0])
    lists = isinstance(labels, list | tuple) and _are_lists(labels)
    return told, None if lists else default_names(int(width))


def _of_frame(frame: pd.DataFrame, label: str | None) -> tuple[pd.DataFrame, str] | None:
    form = find_format(frame, label)
    if form is None:
        return None
    return _replaced(frame, form)


def _replaced(frame: pd.DataFrame, form: TagFormat) -> tuple[pd.DataFrame, str]:
    frame = frame.set_axis([str(name) for name in frame.columns], axis=1)
    name = form.columns[0] if len(form.columns) == 1 else _free(LABEL, frame)
    texts = pd.Series(read_texts(frame, form), dtype=object, index=frame.index)
    rest = frame.drop(columns=list(form.columns))
    return rest.assign(**{name: texts}), name


def _free(name: str, frame: pd.DataFrame) -> str:
    while name in frame.columns:
        name += "_"
    return name


def _of_huggingface(data: Any, label: str | None) -> tuple[Any, str] | None:
    plain = data.with_format(None)
    names = [label] if label in data.column_names else list(data.column_names)
    readable = [name for name in names if _is_plain(data.features[name])]
    frame = pd.DataFrame({name: list(plain[name]) for name in readable})
    form = find_format(frame, label)
    if form is None:
        return None
    if form.form == "lists":
        inner = getattr(data.features[form.columns[0]], "feature", None)
        form = replace(form, classes=tuple(getattr(inner, "names", ())))
    told, name = _replaced(frame, form)
    return data.remove_columns(list(form.columns)).add_column(name, told[name].tolist()), name


def _is_plain(feature: Any) -> bool:
    """Whether a column can hold tags; images and sounds would be decoded for nothing."""
    inner = getattr(feature, "feature", feature)
    return type(inner).__name__ in ("Value", "ClassLabel")


def _of_array(values: Any) -> list[str | None] | None:
    """(N,) texts of an indicator array or of lists of tags; None for other labels."""
    lists = isinstance(values, list | tuple) and bool(values) and all(map(_may_be_list, values))
    if lists and _are_lists(values):
        rows = [None if one is None else [str(name) for name in one] for one in values]
        separator = separator_for(name for row in rows if row for name in row)
        return [None if row is None else separator.join(row) or NO_TAG for row in rows]
    try:
        array = to_numpy(values)
    except (InputError, ValueError):
        return None
    if array.ndim != 2 or array.shape[1] < 2 or array.dtype.kind not in "biuf":
        return None
    wide = array.astype(np.float64)
    if not np.isin(wide[np.isfinite(wide)], (0, 1, -1)).all():
        return None
    one_hot = (wide == 1).sum(axis=1) == 1  # classes, which others refuse in their own words
    return None if one_hot.all() else read_indicators(array)


def _may_be_list(value: Any) -> bool:
    return value is None or isinstance(value, list | tuple | set | frozenset)


def _are_lists(values: Any) -> bool:
    """Whether these are tags by name or rows of different lengths, not a matrix of 0 and 1."""
    known = [one for one in values if one is not None]
    if len({len(one) for one in known}) > 1 or len(known) < len(values):
        return True
    return any(isinstance(name, str) for one in known for name in one)
