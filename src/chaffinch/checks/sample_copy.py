"""Near copies among texts, and among samples that are vectors."""

import re
from collections.abc import Sequence

import numpy as np

from chaffinch.checks.neighbour import equal_groups, groups_of, near_pairs, scale_of
from chaffinch.core.types import Codes, Floats

_SIMILAR = 0.85
_SHINGLE = 4
_SEARCHED = 0.6
_NO_WORDS = re.compile(r"[\W_]+")


def near_vectors(vectors: Floats | None, seed: int) -> Codes:
    """(N,) group of samples much nearer to one another than is usual, see `near_pairs`; else -1."""
    if vectors is None:
        return np.empty(0, np.int64)
    count = len(vectors)
    shown = np.flatnonzero(np.abs(vectors).sum(axis=1) > 0)  # blank ones are near to anything
    groups = np.full(count, -1, np.int64)
    if len(shown) > 2:
        kept = vectors[shown]
        pairs = near_pairs(kept, scale_of(kept, seed).limit(len(kept)), seed)
        groups[shown] = groups_of(pairs, len(shown))
    return groups


def near_texts(texts: Sequence[str], vectors: Floats | None, seed: int) -> Codes:
    """(N,) group of texts that are the same but for a few letters; -1 for none.

    Texts that differ only in case, spaces and signs; and those of which at least 85 % of all
    groups of 4 letters are common (Broder, "On the resemblance and containment of documents",
    1997).
    """
    plain = [_NO_WORDS.sub(" ", text.casefold()).strip() for text in texts]
    worded = np.asarray([bool(text) for text in plain])
    same = equal_groups(np.asarray(plain, dtype=object).astype(np.str_))
    same[~worded] = -1
    linked = np.flatnonzero(same >= 0)
    order = linked[np.argsort(same[linked], kind="stable")]
    joined = same[order[1:]] == same[order[:-1]]
    links = np.stack([order[:-1][joined], order[1:][joined]], axis=1)
    if vectors is not None:
        links = np.concatenate([links, _resembling(plain, vectors, seed)])
    return groups_of(links, len(texts))


def resemblance(one: str, other: str) -> float:
    """Share of the groups of 4 letters of two texts that are common to both, 0 to 1."""
    first, second = _shingles(one), _shingles(other)
    union = len(first | second)
    return len(first & second) / union if union else 1.0


def _resembling(plain: Sequence[str], vectors: Floats, seed: int) -> Codes:
    limit = np.where(np.abs(vectors).sum(axis=1) > 0, _SEARCHED, -1.0)
    pairs = near_pairs(vectors, limit, seed)
    kept = [
        bool(plain[one] and plain[other]) and resemblance(plain[one], plain[other]) >= _SIMILAR
        for one, other in pairs.tolist()
    ]
    return pairs[np.asarray(kept, np.bool_)]


def _shingles(text: str) -> set[str]:
    return {text[start : start + _SHINGLE] for start in range(max(1, len(text) - _SHINGLE + 1))}
