"""Samples as vectors in which alike ones are near, made without a model."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.random_projection import SparseRandomProjection

from chaffinch.core.errors import InputError
from chaffinch.core.types import Floats
from chaffinch.data.series import SeriesData
from chaffinch.data.tensor import TensorData

_TEXT_SIZE = 128
_MOST_LETTERS = 400
_MOST_LEVELS = 20
_MOST_COLUMNS = 256
_SPANS = 32


def vectors_of_arrays(values: NDArray[Any]) -> Floats | None:
    """(N, I) float32 columns of mean 0 and variance 1; None without a finite column that varies.

    Args:
        values: (N, ...) numbers; those that are not finite count as the column's mean.
    """
    flat = np.asarray(values, np.float64).reshape(len(values), -1)
    finite = np.isfinite(flat)
    centre = np.where(finite, flat, 0).sum(axis=0) / np.maximum(finite.sum(axis=0), 1)
    flat = np.where(finite, flat - centre, 0)
    spread = np.sqrt((flat**2).mean(axis=0))
    kept = spread > 1e-12 * np.maximum(np.abs(centre), 1e-300)
    if not kept.any():
        return None
    scaled: Floats = (flat[:, kept] / spread[kept]).astype(np.float32)
    return scaled


def vectors_of_series(parts: Sequence[SeriesData]) -> Floats | None:
    """(N, F * 32) float32 the means of 32 spans of time, as `vectors_of_arrays` scales them."""
    flat = []
    for part in parts:
        values, _ = part.like(parts[0]).array()
        spans = np.array_split(values, min(_SPANS, values.shape[2]), axis=2)
        flat.append(np.concatenate([span.mean(axis=2) for span in spans], axis=1))
    return vectors_of_arrays(np.concatenate(flat)) if flat else None


def flat_arrays(sets: Sequence[Any]) -> NDArray[Any] | None:
    """(N, I) the tensors of all sets, one after the other; None where they are none.

    Raises:
        InputError: Sets of different shapes.
    """
    if not all(isinstance(one, TensorData) for one in sets):
        return None
    flat = [one.x.reshape(len(one), -1).to("cpu").numpy() for one in sets]
    if len({one.shape[1] for one in flat}) > 1:
        raise InputError(
            "splits of one shape",
            " and ".join(str(tuple(one.x.shape[1:])) for one in sets),
            "Check that the right data were chosen",
        )
    return np.concatenate(flat)


def vectors_of_frame(frame: pd.DataFrame) -> Floats | None:
    """(N, K) float32: numbers by rank, the commonest levels of other columns as one column each.

    Ranks run evenly from -1 to 1; a missing number is 0, and a level counts about as much as one
    number. None where no column varies.
    """
    parts = []
    for name in list(frame.columns)[:_MOST_COLUMNS]:
        column = frame[name]
        if is_number(column):
            ranks = column.rank(pct=True).to_numpy(np.float64, na_value=np.nan)
            parts.append(np.nan_to_num(2 * ranks - 1 - 1 / len(ranks)))
            continue
        codes = pd.factorize(column.astype(str), use_na_sentinel=False)[0]
        counts = np.bincount(codes)
        common = np.argsort(-counts, kind="stable")[:_MOST_LEVELS]
        common = common[(counts[common] > 1) & (counts[common] < len(codes))]
        parts.extend((codes == level) - counts[level] / len(codes) for level in common)
    varied = [part for part in parts if np.ptp(part) > 0]
    return np.stack(varied, axis=1).astype(np.float32) if varied else None


def vectors_of_texts(texts: Sequence[str]) -> Floats | None:
    """(N, 128) float32 random projections of hashed groups of 4 letters; rows of length about 1.

    Of long texts the first 400 letters count. None where no text has a letter.
    """
    short = [" ".join(text[:_MOST_LETTERS].lower().split()) for text in texts]
    hashing = HashingVectorizer(
        analyzer="char_wb", ngram_range=(4, 4), n_features=2**16, alternate_sign=False
    )
    counted = hashing.transform(short)
    if not counted.nnz:
        return None
    projected = SparseRandomProjection(_TEXT_SIZE, random_state=0).fit_transform(counted)
    dense = projected.toarray() if hasattr(projected, "toarray") else projected
    vectors: Floats = np.asarray(dense, np.float32)
    return vectors


def is_number(column: "pd.Series[Any]") -> bool:
    """Whether a column holds numbers (not truth values)."""
    return getattr(column.dtype, "kind", "O") in "iuf" and not isinstance(
        column.dtype, pd.CategoricalDtype
    )
