"""Templates, system prompts and boilerplate: runs of words that many texts share."""

import numpy as np
from numpy.typing import NDArray

from chaffinch.core.types import Codes, Mask
from chaffinch.diagnosis.texts.words import Words

LEAST_TEXTS = 5
"""Fewer different texts with a run in common may be copies of one another."""

SHORT_RUN, SHORT_SHARE = 4, 0.05
"""A run of four words is boilerplate where this share of all texts has it."""

LONG_RUN = 12
"""Twelve words in a row are shared by chance so rarely that `LEAST_TEXTS` texts are enough."""

_MIX = np.uint64(0x9E3779B97F4A7C15)


def shared_words(words: Words, run: int, least: int) -> Mask:
    """Words that stand in a run which many different texts share.

    Args:
        words: N texts, each different from the others.
        run: Words in a row that are looked up.
        least: Texts that must have the run in common.

    Returns:
        (T,) whether each word is in such a run.
    """
    count = len(words.codes) - run + 1
    if count <= 0:
        return np.zeros(len(words.codes), dtype=np.bool_)
    owners = words.owners
    whole = owners[:count] == owners[run - 1 :]
    places = np.flatnonzero(whole)
    hashes = run_hashes(words.codes, run, count)[places]
    common = np.zeros(count, dtype=np.bool_)
    common[places] = _texts_with(hashes, owners[places]) >= least
    # Spread over the words of each run: +1 where one begins, -1 behind its end.
    steps = np.zeros(len(words.codes) + 1, dtype=np.int64)
    begins = np.flatnonzero(common)
    np.add.at(steps, begins, 1)
    np.add.at(steps, begins + run, -1)
    found: Mask = steps.cumsum()[:-1] > 0
    return found


def boilerplate(words: Words) -> Mask:
    """(T,) whether each word is in a run that many texts share.

    Short runs count where a share of all texts has them; long ones may belong to one source of
    many.
    """
    least = max(LEAST_TEXTS, int(np.ceil(SHORT_SHARE * len(words))))
    long = shared_words(words, LONG_RUN, LEAST_TEXTS)
    return shared_words(words, SHORT_RUN, least) | long


def run_hashes(codes: Codes, run: int, count: int) -> NDArray[np.uint64]:
    """(count,) hash of the run of words that begins at each of the first places."""
    found = np.zeros(count, dtype=np.uint64)
    for place in range(run):
        found = (found ^ codes[place : place + count].astype(np.uint64)) * _MIX
        found ^= found >> np.uint64(29)
    return found


def _texts_with(hashes: NDArray[np.uint64], owners: Codes) -> Codes:
    """(K,) how many different texts have the run at each place."""
    order = np.argsort(hashes, kind="stable")  # owners rise, so those of one run rise too
    ranked, owner = hashes[order], owners[order]
    new = np.ones(len(ranked), dtype=np.bool_)
    new[1:] = ranked[1:] != ranked[:-1]
    other = new.copy()
    other[1:] |= owner[1:] != owner[:-1]
    group = new.cumsum() - 1
    texts = np.bincount(group, weights=other)
    found = np.empty(len(ranked), dtype=np.int64)
    found[order] = texts[group]
    return found
