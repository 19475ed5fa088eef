"""Hashed context features of tokens: words, shapes, affixes, neighbours."""

import re
from collections.abc import Iterator, Sequence

from scipy.sparse import csr_matrix
from sklearn.feature_extraction import FeatureHasher

_BITS = 18
_WINDOW = 2
_LONGEST_AFFIX = 4
_EDGE = "<edge>"


def token_features(sentences: Sequence[Sequence[str]]) -> csr_matrix:
    """(T, 2 ** 18) hashed features of all tokens of all sentences, one after the other."""
    hasher = FeatureHasher(1 << _BITS, input_type="string", alternate_sign=False)
    made: csr_matrix = hasher.transform(_described(sentences))
    return made


def _described(sentences: Sequence[Sequence[str]]) -> Iterator[list[str]]:
    for tokens in sentences:
        low = [token.lower() for token in tokens]
        shapes = [shape_of(token) for token in tokens]
        for place, token in enumerate(tokens):
            yield [*_own(token, low[place]), *_around(low, shapes, place)]


def _own(token: str, low: str) -> list[str]:
    lengths = range(1, min(_LONGEST_AFFIX, len(low)) + 1)
    affixes = [f"^{low[:n]}" for n in lengths] + [f"${low[-n:]}" for n in lengths]
    return ["bias", f"word={token}", *affixes]


def _around(low: Sequence[str], shapes: Sequence[str], place: int) -> list[str]:
    def at(words: Sequence[str], position: int) -> str:
        return words[position] if 0 <= position < len(words) else _EDGE

    found = []
    for offset in range(-_WINDOW, _WINDOW + 1):
        found.append(f"low{offset}={at(low, place + offset)}")
        found.append(f"shape{offset}={at(shapes, place + offset)}")
    found.append(f"before={at(low, place - 1)} {low[place]}")
    found.append(f"after={low[place]} {at(low, place + 1)}")
    found.append(f"shapes={at(shapes, place - 1)} {shapes[place]} {at(shapes, place + 1)}")
    return found


def shape_of(token: str) -> str:
    """How a word is written: ``Xx`` for Word, ``d.d`` for 3.14, ``@x`` for @name."""
    shape = re.sub(r"[A-Z]+", "X", token)
    shape = re.sub(r"[a-z]+", "x", shape)
    shape = re.sub(r"\d+", "d", shape)
    return shape[:8]
