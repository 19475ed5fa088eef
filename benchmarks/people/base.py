"""Data sets with right labels, from which injected and clean sets are drawn."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures, StandardScaler

from benchmarks.data import load_source
from benchmarks.people.folds import BOOSTING, LOGISTIC

Encoded = tuple[Any, NDArray[np.float32] | None]


@dataclass(frozen=True)
class Base:
    """How a data set is turned into evidence.

    Attributes:
        encode: From samples to inputs of the fold models (N, I) and embeddings (N, K) or None.
        model: Which fold model of `benchmarks.people.folds`.
        classes: How many classes the data set has.
    """

    encode: Callable[[Any], Encoded]
    model: str
    classes: int


def adult(samples: pd.DataFrame) -> Encoded:
    """One column a category, and standardised numbers."""
    words = samples.select_dtypes(exclude="number").columns
    numbers = samples.select_dtypes("number").columns
    encoder = make_column_transformer(
        (OneHotEncoder(min_frequency=20, handle_unknown="ignore", sparse_output=False), words),
        (StandardScaler(), numbers),
    )
    return encoder.fit_transform(samples.astype(dict.fromkeys(words, object))), None


def covertype(samples: NDArray[np.float32]) -> Encoded:
    """The columns as they are: trees need no scaling."""
    return samples, None


def letter(samples: pd.DataFrame) -> Encoded:
    """All products of two columns: letters are not linear in the columns themselves."""
    steps = StandardScaler(), PolynomialFeatures(2, include_bias=False), StandardScaler()
    return make_pipeline(*steps).fit_transform(samples.to_numpy(np.float64)), None


def sst2(samples: pd.DataFrame) -> Encoded:
    """TF-IDF of words and pairs of words; its singular vectors as embeddings."""
    terms = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    table = terms.fit_transform(samples["text"])
    return table, TruncatedSVD(100, random_state=0).fit_transform(table).astype(np.float32)


def images(samples: NDArray[np.uint8]) -> Encoded:
    """50 principal components of the pixels."""
    pixels = samples.reshape(len(samples), -1).astype(np.float32) / 255
    parts = PCA(50, svd_solver="randomized", random_state=0).fit_transform(pixels)
    return StandardScaler().fit_transform(parts), parts.astype(np.float32)


BASES = {
    "adult": Base(adult, LOGISTIC, 2),
    "covertype": Base(covertype, BOOSTING, 7),
    "letter": Base(letter, LOGISTIC, 26),
    "sst2": Base(sst2, LOGISTIC, 2),
    "mnist": Base(images, LOGISTIC, 10),
    "fashion_mnist": Base(images, LOGISTIC, 10),
}


def draw(
    name: str, count: int, seed: int, classes: int | None = None
) -> tuple[Any, NDArray[np.int64]]:
    """Draw different samples of a data set.

    Args:
        name: One of `BASES`.
        count: How many samples.
        seed: Which ones.
        classes: Take only so many classes, drawn as well; None for all.

    Returns:
        The samples and their right codes (count,), 0..C-1 with every class present.
    """
    source = load_source(name)
    random = np.random.default_rng([seed, 0])
    labels = source.labels
    rows = np.arange(len(labels))
    if classes is not None:
        rows = np.flatnonzero(np.isin(labels, random.choice(np.unique(labels), classes, False)))
    rows = random.choice(rows, count, replace=False)
    table = isinstance(source.samples, pd.DataFrame)
    samples = source.samples.iloc[rows].reset_index(drop=True) if table else source.samples[rows]
    return samples, np.unique(labels[rows], return_inverse=True)[1].astype(np.int64)
