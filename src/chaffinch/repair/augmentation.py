"""Changed copies of samples: rows between neighbours, images shifted and mirrored."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from chaffinch.core.randomness import stream
from chaffinch.core.types import Codes, Floats, Mask

_NEIGHBOURS = 5
_SHIFT = 8  # images are shifted by up to this part of a side


def partners(
    features: Floats, codes: Codes, rows: NDArray[np.int64], seed: int
) -> tuple[NDArray[np.int64], Floats]:
    """Choose for each copy a neighbour of the same class, and how far towards it the copy lies.

    A copy is a point between a sample and one of its five nearest neighbours of the same class, at
    a uniformly drawn place (SMOTE: Chawla et al., JAIR 2002).

    Args:
        features: (N, I) numbers; columns are standardised before distances are taken. Rows that
            are not finite are nobody's neighbours.
        codes: (N,) classes.
        rows: (n,) the samples to copy, with repetitions.
        seed: Decides neighbours and places.

    Returns:
        (n,) rows of the neighbours (the sample itself if it is alone) and (n,) shares in 0..1.
    """
    random = stream(seed, "copies between neighbours")
    finite: Mask = np.asarray(np.isfinite(features).all(axis=1))
    known = features[finite] if finite.any() else np.zeros_like(features)
    spread = known.std(axis=0)
    scaled = (features - known.mean(axis=0)) / np.where(spread > 0, spread, 1)
    shares = random.random(len(rows))
    draws = random.random(len(rows))
    found = rows.copy()
    for code in np.unique(codes[rows]):
        own = np.flatnonzero((codes == code) & finite)
        wanted = np.flatnonzero((codes[rows] == code) & finite[rows])
        count = min(_NEIGHBOURS, len(own) - 1)
        if count < 1 or not scaled.shape[1] or not len(wanted):
            continue
        search = NearestNeighbors(n_neighbors=count + 1).fit(scaled[own])
        near = own[search.kneighbors(scaled[rows[wanted]], return_distance=False)]
        for position, row, neighbours in zip(wanted, rows[wanted], near, strict=True):
            others = neighbours[neighbours != row]
            found[position] = others[int(draws[position] * len(others))]
    return found, shares


def numbers_of(frame: pd.DataFrame) -> Floats:
    """(N, I) the columns of numbers; missing ones become the column's mean."""
    numeric = frame.select_dtypes("number")
    values = numeric.to_numpy(np.float64, na_value=np.nan)
    known = np.isfinite(values)
    counts = np.maximum(known.sum(axis=0), 1)
    means = np.where(known, values, 0).sum(axis=0) / counts
    filled: Floats = np.where(known, values, means)
    return filled


def blend_frame(frame: pd.DataFrame, codes: Codes, rows: NDArray[np.int64], seed: int) -> Any:
    """(n,) rows between neighbours; numbers are blended, other cells come from the nearer one.

    Types are kept: whole numbers are rounded, and a cell that is missing in either stays so.
    """
    other, shares = partners(numbers_of(frame), codes, rows, seed)
    made = frame.iloc[np.where(shares < 0.5, rows, other)].copy()
    for name in frame.select_dtypes("number").columns:
        column = frame[name]
        if pd.api.types.is_bool_dtype(column):
            continue
        values = column.to_numpy(np.float64, na_value=np.nan)
        blended = values[rows] + shares * (values[other] - values[rows])
        whole = pd.api.types.is_integer_dtype(column)
        new = pd.Series(np.rint(blended) if whole else blended, index=made.index)
        made[name] = new.astype(column.dtype)
    return made


def blend_array(x: NDArray[Any], codes: Codes, rows: NDArray[np.int64], seed: int) -> NDArray[Any]:
    """(n, I) rows between neighbours of an (N, I) array of numbers, in its type."""
    values = x.astype(np.float64)
    other, shares = partners(values, codes, rows, seed)
    blended = values[rows] + shares[:, None] * (values[other] - values[rows])
    if np.issubdtype(x.dtype, np.integer):
        blended = np.rint(blended)
    made: NDArray[Any] = blended.astype(x.dtype)
    return made


def change_images(images: NDArray[Any], seed: int) -> NDArray[Any]:
    """Shift each image by up to an eighth of its sides and mirror half of them.

    Args:
        images: (n, H, W), (n, H, W, C) or (n, C, H, W); what comes in from outside is 0.
        seed: Decides shifts and mirrors.

    Returns:
        As ``images``, of the same type.
    """
    random = stream(seed, "changed copies of images")
    last = images.ndim == 4 and images.shape[3] in (1, 3, 4)
    up, along = (1, 2) if images.ndim == 3 or last else (2, 3)
    made = images.copy()
    for number in range(len(images)):
        image = np.moveaxis(images[number], (up - 1, along - 1), (0, 1))
        if random.random() < 0.5:
            image = image[:, ::-1]
        shifted = np.zeros_like(image)
        high, wide = image.shape[:2]
        down = int(random.integers(-(high // _SHIFT), high // _SHIFT + 1))
        right = int(random.integers(-(wide // _SHIFT), wide // _SHIFT + 1))
        target = (
            slice(max(0, down), high + min(0, down)),
            slice(max(0, right), wide + min(0, right)),
        )
        source = (
            slice(max(0, -down), high + min(0, -down)),
            slice(max(0, -right), wide + min(0, -right)),
        )
        shifted[target] = image[source]
        made[number] = np.moveaxis(shifted, (0, 1), (up - 1, along - 1))
    return made


def change_wave(wave: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """Shift a sound by up to a tenth of its length, make it softer or louder by up to 3 dB.

    Args:
        wave: (T,) samples; what comes in from outside is silence.
        seed: Decides shift and loudness.
    """
    random = stream(seed, "changed copies of sounds")
    shift = int(random.integers(-(len(wave) // 10), len(wave) // 10 + 1))
    made = np.zeros_like(wave)
    made[max(0, shift) : len(wave) + min(0, shift)] = wave[
        max(0, -shift) : len(wave) + min(0, -shift)
    ]
    loudness = 10 ** (random.uniform(-3, 3) / 20)
    louder: NDArray[np.float32] = np.clip(made * np.float32(loudness), -1, 1)
    return louder


def change_series(values: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """Scale each channel of a series by about a tenth and jitter it by 3% of its spread.

    Args:
        values: (T, F).
        seed: Decides both (jittering and scaling: Um et al., ICMI 2017).
    """
    random = stream(seed, "changed copies of series")
    spread = np.nan_to_num(np.nanstd(values, axis=0)) if len(values) else 0.0
    made = values * random.normal(1, 0.1, values.shape[1])
    made += 0.03 * spread * random.standard_normal(values.shape)
    changed: NDArray[np.float32] = made.astype(np.float32)
    return changed


def copy_samples(x: Any, codes: Codes, rows: NDArray[np.int64], seed: int) -> Any:
    """Changed copies of the samples ``rows`` of a DataFrame or array, in its form.

    Rows of numbers are blended, images shifted and mirrored; everything else is repeated.
    """
    if isinstance(x, pd.DataFrame):
        return blend_frame(x, codes, rows, seed)
    array = np.asarray(x)
    numeric = array.dtype.kind in "fiu"
    if numeric and array.ndim == 2:
        return blend_array(array, codes, rows, seed)
    if numeric and array.ndim in (3, 4):
        return change_images(array[rows], seed)
    return array[rows]
