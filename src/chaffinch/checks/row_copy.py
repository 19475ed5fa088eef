"""Copies among the rows of a table: exact ones that are no coincidence, and near ones."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from chaffinch.checks.cells import Cells
from chaffinch.checks.identifier import is_identifier
from chaffinch.checks.neighbour import groups_of, near_pairs, scale_of
from chaffinch.checks.vectors import is_number
from chaffinch.core.types import Codes, Floats

Words = NDArray[np.uint64]

_FACTOR = 3.0
_CONTINUOUS_SHARE = 0.05
_CONTINUOUS_LEAST = 100
_LEAST_VALUES = 20
_WIDTHS = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
_MANY_CONTINUOUS = 8


def is_surprising(codes: Codes) -> bool:
    """Whether equal rows are no mere coincidence of columns that take few values.

    Of the pairs that agree in all columns but the most varied one, a share of about ``c`` (that of
    pairs equal in this column at all) is expected to agree in it too by chance.

    Args:
        codes: (N, I) levels of the cells.
    """
    if not codes.shape[1]:
        return False
    shares = [_equal_share(codes[:, column]) for column in range(codes.shape[1])]
    varied = int(np.argmin(shares))
    hashes = _hashes(codes)
    whole = hashes.sum(axis=1, dtype=np.uint64)
    equal = _count_pairs(whole)
    but_one = _count_pairs(whole - hashes[:, varied]) - equal
    expected = but_one * shares[varied] / max(1 - shares[varied], 1e-12)
    return equal > _FACTOR * expected


def near_rows(cells: Cells, vectors: Floats | None, seed: int) -> Codes:
    """(N,) group of rows that differ only in how text is written or a little in numbers; else -1.

    Texts are compared without case, spaces at the ends and repeated ones; numbers of many values
    by a grid, whose cells are as wide as chance lets no rows share one. Rows of many such numbers
    are also compared as vectors, see `near_pairs`. Columns that only name the row are left out:
    the same row under another key is a copy.

    Args:
        cells: N x I cells.
        vectors: (N, K) description of the rows.
        seed: Draws the reference set.
    """
    frame = cells.frame
    told = [place for place, name in enumerate(frame.columns) if not is_identifier(frame[name])]
    if not told:
        return np.full(len(frame), -1, np.int64)
    continuous = [place for place in told if _is_continuous(frame.iloc[:, place])]
    plain = [_plain(cells, place) for place in told if place not in continuous]
    exact = _hashes(cells.codes).sum(axis=1, dtype=np.uint64)
    base = exact * np.uint64(0)
    if plain:
        base = _hashes(np.stack(plain, axis=1)).sum(axis=1, dtype=np.uint64)
    keys = [base]
    if continuous:
        numbers = np.stack([_scaled(frame.iloc[:, place]) for place in continuous], axis=1)
        keys = _grid_keys(base, numbers, _count_pairs(exact))
    links = [_chains(key) for key in keys]
    if vectors is not None and len(continuous) >= _MANY_CONTINUOUS:
        links.append(near_pairs(vectors, scale_of(vectors, seed).limit(len(vectors)), seed))
    pairs = np.concatenate([np.empty((0, 2), np.int64), *links])
    return _of_different(groups_of(pairs, len(frame)), exact)


def _grid_keys(base: Words, numbers: Floats, equal: int) -> list[Words]:
    """Keys of the cells of two shifted grids, as wide as chance allows; none where nothing is."""
    counts = [_count_pairs(_cells(base, numbers, 10 * _WIDTHS[0], 0.0))]
    for width in _WIDTHS:
        counts.append(_count_pairs(_cells(base, numbers, width, 0.0)))
        # A cell a tenth as wide holds at most a tenth of the pairs that chance puts into one.
        expected = (counts[-2] - counts[-1]) / 9
        if counts[-1] - equal > _FACTOR * expected:
            return [_cells(base, numbers, width, shift) for shift in (0.0, 0.5)]
    return []


def _cells(base: Words, numbers: Floats, width: float, shift: float) -> Words:
    places = np.floor(numbers / width + shift)
    found = np.nan_to_num(places, nan=-(2.0**52), posinf=2.0**53, neginf=-(2.0**53))
    cells = np.clip(found, -(2.0**62), 2.0**62).astype(np.int64)
    keys: Words = base + _hashes(cells).sum(axis=1, dtype=np.uint64)
    return keys


def _chains(keys: Words) -> NDArray[np.int64]:
    """(P, 2) links that join all samples with an equal key."""
    order = np.argsort(keys, kind="stable")
    same = keys[order[1:]] == keys[order[:-1]]
    return np.stack([order[:-1][same], order[1:][same]], axis=1)


def _of_different(groups: Codes, exact: Words) -> Codes:
    """The groups alone whose members are not all equal."""
    kept = np.full(len(groups), -1, np.int64)
    linked = np.flatnonzero(groups >= 0)
    if len(linked):
        contents = pd.Series(exact[linked]).groupby(groups[linked]).transform("nunique").to_numpy()
        several = linked[contents > 1]
        kept[several] = np.unique(groups[several], return_inverse=True)[1]
    return kept


def _is_continuous(column: "pd.Series[Any]") -> bool:
    if not is_number(column):
        return False
    different = int(column.nunique())
    values = column.to_numpy(np.float64, na_value=np.nan)
    finite = values[np.isfinite(values)]
    if different > _LEAST_VALUES and not np.array_equal(finite, np.rint(finite)):
        return True
    least = max(_CONTINUOUS_LEAST, _CONTINUOUS_SHARE * len(column))
    return different > min(least, len(column) / 2)


def _scaled(column: "pd.Series[Any]") -> Floats:
    values = column.to_numpy(np.float64, na_value=np.nan)
    first, third = np.nanquantile(np.where(np.isfinite(values), values, np.nan), [0.25, 0.75])
    spread = third - first if third > first else np.nanstd(values[np.isfinite(values)]) or 1.0
    scaled: Floats = (values - first) / spread
    return scaled


def _plain(cells: Cells, place: int) -> Codes:
    """(N,) codes of a column in which texts that are written in other ways are equal."""
    levels = cells.levels[place]
    if getattr(cells.frame.dtypes.iloc[place], "kind", "O") not in "OT":
        return cells.codes[:, place]
    texts = [" ".join(one.split()).casefold() if isinstance(one, str) else one for one in levels]
    merged: Codes = pd.factorize(pd.Series(texts, dtype=object), use_na_sentinel=False)[0]
    return merged[cells.codes[:, place]]


def _hashes(codes: Codes) -> Words:
    """(N, I) hashes of cells that differ from column to column; their sum is one of the row."""
    random = np.random.default_rng(0)
    odd = random.integers(1, 2**63, size=codes.shape[1], dtype=np.uint64) | np.uint64(1)
    mixed = codes.astype(np.int64).view(np.uint64) * odd + odd
    mixed ^= mixed >> np.uint64(31)
    mixed *= np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(29)
    return mixed


def _count_pairs(keys: Words) -> int:
    counts = np.unique(keys, return_counts=True)[1]
    return int((counts * (counts - 1) // 2).sum())


def _equal_share(codes: Codes) -> float:
    """How likely two rows drawn at random have an equal cell."""
    return float(((np.bincount(codes) / len(codes)) ** 2).sum())
