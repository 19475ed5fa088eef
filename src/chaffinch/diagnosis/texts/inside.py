"""Texts that stand whole inside of others, with nothing but a template around them."""

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from chaffinch.core.types import Mask
from chaffinch.diagnosis.texts.near import NearTexts
from chaffinch.diagnosis.texts.shared import run_hashes

LEAST_WORDS = 4
"""A shorter text may stand in another by chance."""

_RUN = 8
_TRIED = 8
"""Where more texts begin with the same run, that is a template, and none of them is bare."""


def inside(texts: NearTexts, inner: Mask, outer: Mask) -> Iterator[tuple[int, int]]:
    """Find texts of ``inner`` in texts of ``outer``.

    Args:
        texts: N different texts.
        inner: (N,) which may stand inside.
        outer: (N,) which may hold them.

    Yields:
        The holder and what it holds. All other words of the holder are in runs that many texts
        share.
    """
    words = texts.words
    lengths = np.diff(words.starts)
    for run in range(LEAST_WORDS, _RUN + 1):
        exact = run < _RUN
        those = np.flatnonzero(inner & (lengths == run if exact else lengths >= run))
        count = len(words.codes) - run + 1
        if not len(those) or count <= 0:
            continue
        hashes = run_hashes(words.codes, run, count)
        by_begin: dict[int, list[int]] = defaultdict(list)
        for text in those.tolist():
            by_begin[int(hashes[words.starts[text]])].append(text)
        bare = {begin: some for begin, some in by_begin.items() if len(some) <= _TRIED}
        begins = np.asarray([*bare], dtype=np.uint64)
        for place in np.flatnonzero(np.isin(hashes, begins)).tolist():
            holder = int(np.searchsorted(words.starts, place, side="right")) - 1
            if outer[holder]:
                tried = bare[int(hashes[place])]
                held = next((one for one in tried if _stands(texts, one, holder, place)), None)
                if held is not None:
                    yield holder, held


def _stands(texts: NearTexts, inner: int, outer: int, place: int) -> bool:
    words, common = texts.words, texts.common
    one = words.row(inner)
    begin, end = words.starts[outer : outer + 2]
    after = place + len(one)
    return bool(
        inner != outer
        and after <= end
        and end - begin > len(one)
        and np.array_equal(words.codes[place:after], one)
        and common[begin:place].all()
        and _ending(common[after:end])
    )


def _ending(common: Mask) -> bool:
    """Whether a template ends here: a few words behind a prompt are too short for a run."""
    return len(common) < LEAST_WORDS or bool(common.all())
