"""Encoders: from a table, pixels or texts to model inputs, without looking at labels."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer

from chaffinch.core.errors import InputError
from chaffinch.core.types import Floats, Mask
from chaffinch.models.column import (
    MAX_CATEGORIES,
    MAX_DEVIATIONS,
    Categorical,
    Encoder,
    Numeric,
    Prose,
    is_identifier,
    is_number,
    is_prose,
)
from chaffinch.models.date import ORDERS, date_order
from chaffinch.models.inputs import DenseInputs, SparseInputs

MAX_TERMS = 20_000
_LARGEST = 1e15  # squares of larger float32 are not finite


class TableEncoder:
    """Turn mixed columns into standardised numbers, one-hot categories and directions of texts.

    Dates in text count as dates. Columns that name the rows (row numbers, unique keys, names) are
    left out: they would only be memorised.

    Args:
        frame: (N, columns) the table whose means, spreads, categories and words are learned.

    Attributes:
        left_out: Columns of text that hardly ever repeats.
        notes: What was left out or interpreted, for the user.

    Raises:
        InputError: No column is left to learn from.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        frame = frame.rename(columns=str)
        self.notes: list[str] = []
        keys = [name for name in frame.columns if is_identifier(frame[name])]
        rest = [name for name in frame.columns if name not in keys]
        self._columns: list[Encoder]
        self._columns, self.left_out = self._fit(frame[rest])
        if not self._columns:
            # Nothing else to learn from: then the numbers may mean something.
            self._columns = [Numeric.fit(frame[name]) for name in keys]
            keys = []
        if keys:
            self.notes.append(
                f"Numbers that are all different and seem to name the rows were left out: "
                f"{', '.join(keys)}. Take one for the ids by --id {keys[0]}, or turn it into "
                "decimal numbers if it is a measurement."
            )
        if self.left_out:
            self.notes.append(
                "Columns of text that hardly ever repeat were left out: "
                f"{', '.join(self.left_out)}."
            )
        if not self._columns:
            raise InputError(
                "at least one column of numbers or categories",
                f"only columns of unique text ({', '.join(self.left_out) or 'none'})",
                "Name the text column with --text to learn from it",
            )

    def _fit(self, frame: pd.DataFrame) -> tuple[list[Encoder], list[str]]:
        columns: list[Encoder] = []
        left_out: list[str] = []
        for name in frame.columns:
            column = frame[name]
            if is_number(column):
                columns.append(Numeric.fit(column))
            elif (order := date_order(column)) is not None:
                columns.append(Numeric.fit(column, order))
                self.notes.append(f"Text in {name!r} was read as dates ({ORDERS[order]}).")
            elif column.nunique() <= max(MAX_CATEGORIES, len(frame) // 2):
                columns.append(Categorical.fit(column))
            elif (prose := _prose(column)) is not None:
                columns.append(prose)
                self.notes.append(
                    f"The text in {name!r} was used beside the other columns, as {prose.width} "
                    f"features made of its words; --text {name} uses it alone and in full."
                )
            else:
                left_out.append(str(name))
        return columns, left_out

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
        matrix = np.empty((len(frame), sum(one.width for one in self._columns)), np.float32)
        begin = 0
        for column in self._columns:
            matrix[:, begin : begin + column.width] = column.encode(frame[column.name])
            begin += column.width
        return DenseInputs(torch.from_numpy(matrix))


def _prose(column: "pd.Series[Any]") -> Prose | None:
    if not is_prose(column):
        return None
    try:
        return Prose(column)
    except ValueError:  # no word occurs twice
        return None


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

    Features with huge values are divided by a power of two first, so that squares stay finite.

    Args:
        x: (N, ...) tensors of any type.
    """

    def __init__(self, x: torch.Tensor) -> None:
        peak = x.double().abs().amax(dim=0) if len(x) else torch.zeros(x.shape[1:])
        self._huge = bool((peak > _LARGEST).any())
        self._peak = torch.where(peak > _LARGEST, 2.0 ** torch.floor(torch.log2(peak)), 1.0)
        values = self._tame(x)
        self._mean = values.mean(dim=0)
        spread = values.std(dim=0, correction=0)
        self._scale = torch.where(spread > 0, spread, torch.ones_like(spread))

    def _tame(self, x: torch.Tensor) -> torch.Tensor:
        return (x.double() / self._peak).float() if self._huge else x.float()

    def encode(self, x: torch.Tensor) -> DenseInputs:
        """Encode tensors of the same shape as float32."""
        limit = MAX_DEVIATIONS
        return DenseInputs(((self._tame(x) - self._mean) / self._scale).clamp(-limit, limit))


class SpectrogramEncoder:
    """Standardise log-mel spectrograms, band by band, as images of one channel.

    Args:
        spectrograms: (N, bands, frames) those whose means and spreads are learned.
    """

    def __init__(self, spectrograms: Floats) -> None:
        self._mean = spectrograms.mean(axis=(0, 2), keepdims=True, dtype=np.float64)
        spread = spectrograms.std(axis=(0, 2), keepdims=True, dtype=np.float64)
        self._scale = np.where(spread > 0, spread, 1)

    def encode(self, spectrograms: Floats) -> DenseInputs:
        """Encode spectrograms of the same bands and frames as (N, 1, bands, frames) float32."""
        scaled = (spectrograms - self._mean[0]) / self._scale[0]
        return DenseInputs(torch.from_numpy(scaled[:, None].astype(np.float32)))


class SeriesEncoder:
    """Standardise time series, channel by channel, with an indicator where lengths differ.

    Args:
        values: (N, F, T) those whose means and spreads are learned.
        own: (N, T) which steps are a series' own; others count for nothing and become 0.
    """

    def __init__(self, values: Floats, own: Mask) -> None:
        steps = values.astype(np.float64).transpose(0, 2, 1)[own]  # (steps, F)
        self._mean = steps.mean(axis=0)[:, None]
        spread = steps.std(axis=0)[:, None]
        self._scale = np.where(spread > 0, spread, 1)
        self._indicates = not bool(own.all())

    def encode(self, values: Floats, own: Mask) -> DenseInputs:
        """Encode series of the same channels as (N, F, T) float32, F + 1 with the indicator."""
        scaled = np.clip((values - self._mean) / self._scale, -MAX_DEVIATIONS, MAX_DEVIATIONS)
        scaled = np.where(own[:, None], scaled, 0)
        if self._indicates:
            scaled = np.concatenate([scaled, own[:, None]], axis=1)
        return DenseInputs(torch.from_numpy(scaled.astype(np.float32)))
