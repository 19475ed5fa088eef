"""Encoders: from a table, pixels or texts to model inputs, without looking at labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer

from chaffinch.core.errors import InputError
from chaffinch.core.types import Floats
from chaffinch.models.inputs import DenseInputs, SparseInputs

MAX_CATEGORIES = 50
MAX_DEVIATIONS = 10.0
MAX_TERMS = 20_000


@dataclass(frozen=True)
class _Numeric:
    """Standardised numbers; missing ones become the median, with a column that says so."""

    name: str
    median: float
    mean: float
    scale: float
    indicator: bool

    @classmethod
    def fit(cls, column: "pd.Series[Any]") -> "_Numeric":
        values = _numbers(column)
        known = values[np.isfinite(values)]
        median = float(np.median(known)) if known.size else 0.0
        filled = np.where(np.isfinite(values), values, median)
        scale = float(filled.std())
        mean = float(filled.mean())
        # A constant column has only rounding error for a spread.
        constant = scale <= 1e-9 * abs(mean)
        return cls(
            str(column.name), median, mean, 1.0 if constant else scale, known.size < values.size
        )

    def encode(self, column: "pd.Series[Any]") -> Floats:
        values = _numbers(column)
        missing = ~np.isfinite(values)
        scaled = (np.where(missing, self.median, values) - self.mean) / self.scale
        scaled = np.clip(scaled, -MAX_DEVIATIONS, MAX_DEVIATIONS)
        return np.column_stack([scaled, missing]) if self.indicator else scaled[:, None]


@dataclass(frozen=True)
class _Categorical:
    """One column a category; rare and unseen categories share none of them."""

    name: str
    categories: tuple[str, ...]

    @classmethod
    def fit(cls, column: "pd.Series[Any]") -> "_Categorical":
        counts = _texts(column).value_counts()
        ranked = sorted(counts.items(), key=lambda item: (-int(item[1]), str(item[0])))
        return cls(str(column.name), tuple(str(name) for name, _ in ranked[:MAX_CATEGORIES]))

    def encode(self, column: "pd.Series[Any]") -> Floats:
        place = {name: position for position, name in enumerate(self.categories)}
        codes = _texts(column).map(place).fillna(-1).to_numpy(np.int64)
        hot = np.zeros((len(codes), len(self.categories)))
        known = codes >= 0
        hot[np.flatnonzero(known), codes[known]] = 1
        return hot


def _numbers(column: "pd.Series[Any]") -> NDArray[np.float64]:
    if pd.api.types.is_datetime64_any_dtype(column):
        # One unit for all tables: a file may keep seconds where another keeps nanoseconds.
        column = column.dt.as_unit("us").astype("int64").where(column.notna())
    try:
        return column.astype(object).where(column.notna(), np.nan).to_numpy(np.float64)
    except (ValueError, TypeError) as error:
        raise InputError(
            f"numbers in the column {str(column.name)!r}, as in the training table",
            str(error),
            "Give both tables the same columns",
        ) from error


def _texts(column: "pd.Series[Any]") -> "pd.Series[str]":
    return column.astype(object).where(column.notna(), "(missing)").astype(str)


def _is_number(column: "pd.Series[Any]") -> bool:
    types = pd.api.types
    return types.is_numeric_dtype(column) or types.is_datetime64_any_dtype(column)


class TableEncoder:
    """Turn mixed columns into standardised numbers and one-hot categories.

    Columns of text that hardly ever repeats (names, free remarks) are left out: they identify
    rows and would only be memorised.

    Args:
        frame: (N, columns) the table whose means, spreads and categories are learned.

    Raises:
        InputError: No column is left to learn from.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        frame = frame.rename(columns=str)
        self.left_out: list[str] = []
        self._columns: list[_Numeric | _Categorical] = []
        for name in frame.columns:
            column = frame[name]
            if _is_number(column):
                self._columns.append(_Numeric.fit(column))
            elif column.nunique() > max(MAX_CATEGORIES, len(frame) // 2):
                self.left_out.append(str(name))
            else:
                self._columns.append(_Categorical.fit(column))
        if not self._columns:
            raise InputError(
                "at least one column of numbers or categories",
                f"only columns of unique text ({', '.join(self.left_out) or 'none'})",
                "Name the text column with --text to learn from it",
            )

    def encode(self, frame: pd.DataFrame) -> DenseInputs:
        """Encode a table with the same columns as (N, I) float32.

        Raises:
            InputError: A column is missing, or holds text where it held numbers.
        """
        frame = frame.rename(columns=str)
        missing = [column.name for column in self._columns if column.name not in frame.columns]
        if missing:
            raise InputError(
                "the columns of the training table",
                f"a table without {', '.join(missing)}",
                "Give both tables the same columns",
            )
        parts = [column.encode(frame[column.name]) for column in self._columns]
        matrix = np.concatenate(parts, axis=1).astype(np.float32)
        return DenseInputs(torch.from_numpy(matrix))


class TextEncoder:
    """Words, word pairs and character n-grams, weighted by TF-IDF with sublinear counts.

    Args:
        texts: N texts whose terms are learned; the 20,000 most frequent of each sort are kept.
        dense: Whether batches are dense (for models that take no sparse input).

    Raises:
        InputError: No term occurs in two texts.
    """

    def __init__(self, texts: Sequence[str], dense: bool = False) -> None:
        self.dense = dense
        common = {
            "min_df": 2,
            "sublinear_tf": True,
            "max_features": MAX_TERMS,
            "dtype": np.float32,
        }
        self._parts = (
            TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b|[!?]", **common),
            TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), **common),
        )
        try:
            for part in self._parts:
                part.fit(texts)
        except ValueError as error:
            raise InputError(
                "texts that share some words",
                "texts without a word in common, or all empty",
                "Check that the right text column was chosen",
            ) from error

    def encode(self, texts: Sequence[str]) -> SparseInputs:
        """Encode texts as (N, I) float32 CSR, each sort of terms with rows of unit length."""
        matrix = sp.hstack([part.transform(texts) for part in self._parts]).tocsr()
        return SparseInputs(matrix.astype(np.float32), self.dense)


def encode_pixels(pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> DenseInputs:
    """Turn (N, H, W, C) pixels into (N, C, H, W), which batches give as floats in 0..1.

    Bytes stay bytes until a batch is asked for; uint16 become float32 at once.
    """
    channels_first = np.array(pixels.transpose(0, 3, 1, 2), order="C")  # a copy: torch may write
    if channels_first.dtype == np.uint16:
        return DenseInputs(torch.from_numpy(channels_first.astype(np.float32)) / 65535)
    return DenseInputs(torch.from_numpy(channels_first), scale=True)


class TensorEncoder:
    """Standardise tensors, feature by feature, with the spread of the training samples.

    Args:
        x: (N, ...) tensors of any type.
    """

    def __init__(self, x: torch.Tensor) -> None:
        values = x.float()
        self._mean = values.mean(dim=0)
        spread = values.std(dim=0, correction=0)
        self._scale = torch.where(spread > 0, spread, torch.ones_like(spread))

    def encode(self, x: torch.Tensor) -> DenseInputs:
        """Encode tensors of the same shape as float32."""
        limit = MAX_DEVIATIONS
        return DenseInputs(((x.float() - self._mean) / self._scale).clamp(-limit, limit))
