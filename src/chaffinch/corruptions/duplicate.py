"""Near-duplicates of other samples."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from chaffinch.core.errors import InputError
from chaffinch.core.labels import Labels
from chaffinch.core.randomness import stream
from chaffinch.core.types import Mask
from chaffinch.corruptions.choice import choose_rows, everyone
from chaffinch.corruptions.corrupted import DUPLICATE, Corrupted, untouched
from chaffinch.corruptions.sample import Samples, form_of, replace_rows, take
from chaffinch.corruptions.text import misspell


def near_duplicates(
    samples: Samples,
    labels: Iterable[Any],
    rate: float,
    seed: int,
    *,
    jitter: float = 0.01,
    conflict: bool = False,
    among: Mask | None = None,
) -> Corrupted:
    """Put slightly changed copies of other samples in the place of some.

    Only the copy counts as an error, though a detector sees a pair; nothing tells the original from
    the copy, so count pairs where that matters. Each copy is of another sample.

    Args:
        samples: N samples.
        labels: (N,) labels of any type.
        rate: Share of the samples that are replaced, in 0..1/2.
        seed: Chooses the samples, the originals and the jitter.
        jitter: Standard deviation of the noise on each number, as a share of the range of pixels or
            of the standard deviation of a column. Whole numbers are rounded, strings in tables
            stay, texts get one typing error. 0 for exact copies.
        conflict: Give the copy another class than its original.
        among: (N,) samples that may be replaced or copied; None for all.

    Returns:
        N samples; `Corrupted.source` of a copy is its original, `Corrupted.truth` the original's
        label.

    Raises:
        InputError: A rate outside 0..1/2, negative jitter, too few samples, or one class only with
            ``conflict``.
    """
    if jitter < 0:
        raise InputError("jitter of 0 or more", str(jitter), "Pass a share such as 0.01")
    clean = untouched(samples, labels)
    random = stream(seed, "near-duplicates")
    free = everyone(among, len(clean)).copy()
    chosen = choose_rows(rate, free, random)
    free[chosen] = False
    originals = choose_rows(rate, free, random, "other samples to copy")
    copies = take(samples, originals)
    if jitter and len(chosen):
        copies = _jittered(copies, samples, jitter, random)
    given, kinds, source = clean.labels.copy(), clean.kinds.copy(), clean.source.copy()
    truth, details = clean.truth.copy(), clean.details.copy()
    given[chosen], kinds[chosen], source[chosen] = given[originals], DUPLICATE, originals
    truth[chosen] = truth[originals]
    details[chosen] = "copy, other label" if conflict else "copy"
    if conflict:
        given[chosen] = _others(Labels.of(clean.labels), originals, random)
    return Corrupted(replace_rows(samples, chosen, copies), given, kinds, source, truth, details)


def _others(given: Labels, rows: NDArray[np.int64], random: np.random.Generator) -> NDArray[Any]:
    """A class for each row that is not its own."""
    count = len(given.classes)
    if count < 2:
        raise InputError("at least two classes for conflicting labels", "one", "Pass other labels")
    codes = (given.codes[rows] + random.integers(1, count, len(rows))) % count
    others: NDArray[Any] = given.classes[codes]
    return others


def _jittered(
    copies: Samples, samples: Samples, jitter: float, random: np.random.Generator
) -> Samples:
    """The copies with a little noise, in their own types."""
    if isinstance(copies, pd.DataFrame) and isinstance(samples, pd.DataFrame):
        changed = copies.copy()
        for place, kind in enumerate(copies.dtypes):
            if pd.api.types.is_float_dtype(kind):
                spread = float(samples.iloc[:, place].std(ddof=0) or 0.0)
                noise = jitter * spread * random.standard_normal(len(copies))
                moved = copies.iloc[:, place].to_numpy(np.float64, na_value=np.nan) + noise
                changed.isetitem(place, pd.Series(moved, index=copies.index).astype(kind).array)
        return changed
    if isinstance(copies, np.ndarray) and isinstance(samples, np.ndarray):
        return _jittered_numbers(copies, samples, jitter, random)
    return [misspell(str(text), 1, random) for text in copies]


def _jittered_numbers(
    copies: NDArray[Any], samples: NDArray[Any], jitter: float, random: np.random.Generator
) -> NDArray[Any]:
    if copies.dtype.kind not in "iuf":
        return copies
    image = form_of(copies) == "image"
    spread = np.float64(255) if image else samples.std(axis=0, dtype=np.float64)
    moved = copies + jitter * spread * random.standard_normal(copies.shape)
    if copies.dtype.kind != "f":
        limits = np.iinfo(copies.dtype)
        moved = np.clip(np.rint(moved), limits.min, limits.max)
    return moved.astype(copies.dtype)
