"""Copies among the rows of a table: exact ones that are no coincidence, and near ones."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from chaffinch.checks.neighbour import groups_of, near_pairs, scale_of
from chaffinch.checks.vectors import is_number
from chaffinch.core.types import Codes, Floats
from chaffinch.data.cell import words_of

Words = NDArray[np.uint64]

_FACTOR = 3.0
_CONTINUOUS_SHARE = 0.05
_CONTINUOUS_LEAST = 100
_WIDTHS = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
_MANY_CONTINUOUS = 8


def is_surprising(frame: pd.DataFrame) -> bool:
    """Whether equal rows are no mere coincidence of columns that take few values.

    Of the pairs that agree in all columns but the most varied one, a share of about ``c`` (that of
    pairs equal in this column at all) is expected to agree in it too by chance.
    """
    words = words_of_frame(frame)
    shares = [_equal_share(words[:, column]) for column in range(words.shape[1])]
    varied = int(np.argmin(shares))
    hashes = _hashes(words)
    whole = hashes.sum(axis=1, dtype=np.uint64)
    equal = _count_pairs(whole)
    but_one = _count_pairs(whole - hashes[:, varied]) - equal
    expected = but_one * shares[varied] / max(1 - shares[varied], 1e-12)
    return equal > _FACTOR * expected


def near_rows(frame: pd.DataFrame, vectors: Floats | None, seed: int) -> Codes:
    """(N,) group of rows that differ only in how text is written or a little in numbers; else -1.

    Texts are compared without case, spaces at the ends and repeated ones; numbers of many values
    by a grid, whose cells are as wide as chance lets no rows share one. Rows of many such numbers
    are also compared as vectors, see `near_pairs`.

    Args:
        frame: N x I cells.
        vectors: (N, K) description of the rows.
        seed: Draws the reference set.
    """
    if not len(frame.columns):
        return np.full(len(frame), -1, np.int64)
    continuous = [name for name in frame.columns if _is_continuous(frame[name])]
    plain = {name: _plain(frame[name]) for name in frame.columns if name not in continuous}
    numbers = np.stack([_scaled(frame[name]) for name in continuous], axis=1) if continuous else None
    exact = _hashes(words_of_frame(frame)).sum(axis=1, dtype=np.uint64)
    rest = pd.DataFrame(plain, index=frame.index)
    base = _hashes(words_of_frame(rest)).sum(axis=1, dtype=np.uint64) if plain else exact * 0
    keys = [base] if numbers is None else _grid_keys(base, numbers, _count_pairs(exact))
    links = [_chains(key) for key in keys]
    if vectors is not None and len(continuous) >= _MANY_CONTINUOUS:
        links.append(near_pairs(vectors, scale_of(vectors, seed).limit(len(vectors)), seed))
    pairs = np.concatenate([np.empty((0, 2), np.int64), *links])
    return _of_different(groups_of(pairs, len(frame)), exact)


def words_of_frame(frame: pd.DataFrame) -> Words:
    """(N, I) one word a cell; equal cells have equal words."""
    return np.stack([words_of(frame[name]) for name in frame.columns], axis=1)


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
    keys: Words = base + _hashes(cells.view(np.uint64)).sum(axis=1, dtype=np.uint64)
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
    least = max(_CONTINUOUS_LEAST, _CONTINUOUS_SHARE * len(column))
    return int(column.nunique()) > min(least, len(column) / 2)


def _scaled(column: "pd.Series[Any]") -> Floats:
    values = column.to_numpy(np.float64, na_value=np.nan)
    first, third = np.nanquantile(np.where(np.isfinite(values), values, np.nan), [0.25, 0.75])
    spread = third - first if third > first else np.nanstd(values[np.isfinite(values)]) or 1.0
    scaled: Floats = (values - first) / spread
    return scaled


def _plain(column: "pd.Series[Any]") -> "pd.Series[Any]":
    if is_number(column) or getattr(column.dtype, "kind", "O") not in "OT":
        return column
    text = column.astype(object)
    return text.map(lambda one: " ".join(one.split()).casefold() if isinstance(one, str) else one)


def _hashes(words: Words) -> Words:
    """(N, I) hashes of cells that differ from column to column; their sum is one of the row."""
    random = np.random.default_rng(0)
    odd = random.integers(1, 2**63, size=words.shape[1], dtype=np.uint64) | np.uint64(1)
    mixed = words * odd + odd
    mixed ^= mixed >> np.uint64(31)
    mixed *= np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(29)
    return mixed


def _count_pairs(keys: Words) -> int:
    counts = np.unique(keys, return_counts=True)[1]
    return int((counts * (counts - 1) // 2).sum())


def _equal_share(words: Words) -> float:
    """How likely two rows drawn at random have an equal cell."""
    counts = np.unique(words, return_counts=True)[1]
    return float(((counts / len(words)) ** 2).sum())


