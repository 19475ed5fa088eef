"""The forms in which samples come: images, arrays, tables, texts."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from chaffinch.core.errors import InputError

Samples = NDArray[Any] | pd.DataFrame | list[str]
"""uint8 images (N, H, W) or (N, H, W, C), arrays (N, I), a DataFrame, or a list of texts."""

Form = Literal["image", "table", "text", "array"]


def form_of(samples: Samples) -> Form:
    """``image``, ``table`` (a DataFrame or an array (N, I)), ``text``, or ``array`` (any other)."""
    if isinstance(samples, pd.DataFrame):
        return "table"
    if not isinstance(samples, np.ndarray):
        return "text"
    if samples.dtype == np.uint8 and samples.ndim in (3, 4):
        return "image"
    numeric = samples.dtype.kind in "iuf"
    return "table" if numeric and samples.ndim == 2 else "array"


def describe(samples: Samples) -> str:
    """The form in words, for errors."""
    if isinstance(samples, np.ndarray):
        return f"an array of {samples.dtype} of shape {samples.shape}"
    return "a DataFrame" if isinstance(samples, pd.DataFrame) else "a list of texts"


def take(samples: Samples, rows: NDArray[np.int64]) -> Samples:
    """Some samples, in that order, copied."""
    if isinstance(samples, pd.DataFrame):
        return samples.iloc[rows].copy()
    if isinstance(samples, np.ndarray):
        return samples[rows]
    return [str(samples[row]) for row in rows]


def replace_rows(samples: Samples, rows: NDArray[np.int64], others: Samples) -> Samples:
    """A copy in which the samples at ``rows`` are others of the same form and types."""
    check_alike(samples, others)
    if isinstance(samples, pd.DataFrame) and isinstance(others, pd.DataFrame):
        if not len(rows):
            return samples.copy()
        order = np.arange(len(samples))
        order[rows] = len(samples) + np.arange(len(rows))
        joined = pd.concat([samples, others], ignore_index=True).iloc[order]
        joined.index = samples.index
        return joined.astype(samples.dtypes.to_dict())
    if isinstance(samples, np.ndarray):
        changed = samples.copy()
        changed[rows] = others
        return changed
    texts = [str(text) for text in samples]
    for row, text in zip(rows, others, strict=True):
        texts[row] = str(text)
    return texts


def check_alike(samples: Samples, others: Samples) -> None:
    """Refuse samples that cannot stand among the others.

    Raises:
        InputError: Another form, shape, type or other columns.
    """
    if isinstance(samples, pd.DataFrame) and isinstance(others, pd.DataFrame):
        same = samples.dtypes.to_dict() == others.dtypes.to_dict()
    elif isinstance(samples, np.ndarray) and isinstance(others, np.ndarray):
        same = (samples.dtype, samples.shape[1:]) == (others.dtype, others.shape[1:])
    else:
        same = isinstance(samples, Sequence) and isinstance(others, Sequence)
    if not same:
        raise InputError(
            f"samples like {describe(samples)}",
            f"{describe(others)}, with other shapes, types or columns",
            "Bring both to one form first (size, channels, columns, element type)",
        )


def check_aligned(samples: Samples, labels: NDArray[Any]) -> None:
    """Refuse another number of labels than of samples.

    Raises:
        InputError: The lengths differ.
    """
    if len(samples) != len(labels):
        raise InputError(
            f"one label for each of {len(samples)} samples", str(len(labels)), "Align them by row"
        )
