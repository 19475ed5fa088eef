"""Texts as words: numbers, signs, negations and names are kept apart from the rest."""

import re
import unicodedata
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise

import numpy as np
import pandas as pd

from chaffinch.core.types import Codes, Mask
from chaffinch.diagnosis.texts.word_lists import NEGATIONS

_SIGNS = "+<=>|~^$€£¥%&@÷±√∞≠≤≥\u00d7"
_NUMBER = r"\d+(?:[.,:/]\d+)*"
_IDEOGRAPHS = re.compile(
    "([\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002fa1f])"
)
_ENDS = re.compile(r"[.!?:;\n\"'\u201c\u201d\u2018\u2019(\[{*#>-]")


@dataclass(frozen=True, eq=False)
class Words:
    """N texts as rows of word numbers.

    Attributes:
        codes: (T,) int64 numbers of the words of all texts, one text after the other.
        starts: (N + 1,) where each text begins in ``codes``; the last entry is T.
        names: (T,) whether a word is capitalised although it does not begin a sentence.
        meaning: (V,) whether each word holds a digit, is a sign such as ``+``, or negates.
        vocabulary: (V,) the words, in lower case.
        keys: N texts after normalisation: words and signs in lower case, one space between.
    """

    codes: Codes
    starts: Codes
    names: Mask
    meaning: Mask
    vocabulary: tuple[str, ...]
    keys: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def owners(self) -> Codes:
        """(T,) the text that each word belongs to."""
        return np.repeat(np.arange(len(self)), np.diff(self.starts))

    def row(self, text: int) -> Codes:
        """The numbers of the words of one text."""
        return self.codes[self.starts[text] : self.starts[text + 1]]

    def take(self, texts: Codes) -> "Words":
        """The texts at some places, in that order."""
        lengths = np.diff(self.starts)[texts]
        starts = np.concatenate([[0], lengths.cumsum()])
        # The places of all their words: a count from 0 for each text, moved to where it begins.
        inside = np.arange(starts[-1]) - np.repeat(starts[:-1], lengths)
        places = inside + np.repeat(self.starts[texts], lengths)
        keys = tuple(self.keys[text] for text in texts.tolist())
        return replace(
            self, codes=self.codes[places], starts=starts, names=self.names[places], keys=keys
        )

    def signatures(self) -> Codes:
        """(N,) numbers that are equal where texts have the same numbers, signs and negations.

        The order counts: "is 3 more than 5" is not "is 5 more than 3".
        """
        kept = self.meaning[self.codes]
        codes, owners = self.codes[kept].tolist(), self.owners[kept].tolist()
        found: list[list[int]] = [[] for _ in range(len(self))]
        for code, owner in zip(codes, owners, strict=True):
            # All negations are one: "is not" and "isn't" say the same.
            found[owner].append(-1 if _negates(self.vocabulary[code]) else code)
        codes_of, _ = pd.factorize(np.asarray([" ".join(map(str, row)) for row in found], object))
        return np.asarray(codes_of, dtype=np.int64)


def read_words(texts: Sequence[str]) -> Words:
    """Split texts into words.

    Letter case, punctuation, white space and compatible forms of a letter (NFKC) make no
    difference. Numbers keep their decimal signs; signs of arithmetic, currencies and emoji are
    words of their own.
    """
    known: dict[str, int] = {}
    parts: dict[str, tuple[int, ...]] = {}
    codes, names, starts, keys = array("q"), bytearray(), [0], []
    for text in texts:
        text, end = unicodedata.normalize("NFKC", text), 0
        for found in _pattern().finditer(text):
            word = found.group()
            own = parts.get(word)
            if own is None:
                own = parts[word] = tuple(known.setdefault(p, len(known)) for p in _parts(word))
            name = word[0].isupper() and end > 0 and not _ENDS.search(text, end, found.start())
            end = found.end()
            codes.extend(own)
            names.extend((name,) * len(own))
        starts.append(len(codes))
    vocabulary = tuple(known)
    flat = np.frombuffer(codes, dtype=np.int64) if len(codes) else np.zeros(0, dtype=np.int64)
    for text, (begin, end) in zip(texts, pairwise(starts), strict=True):
        # Of a text without words, such as a row of dots, there is nothing to normalise.
        keys.append(" ".join(vocabulary[code] for code in codes[begin:end]) or text.strip())
    return Words(
        flat,
        np.asarray(starts, dtype=np.int64),
        np.frombuffer(bytes(names), dtype=np.uint8).astype(np.bool_),
        np.asarray([_means(word) for word in vocabulary], dtype=np.bool_),
        vocabulary,
        tuple(keys),
    )


def _parts(word: str) -> list[str]:
    """A word in lower case; ideographs and kana, written without spaces, one by one."""
    folded = word.strip().casefold().replace("\u2019", "'")
    return [one for one in _IDEOGRAPHS.split(folded) if one]


def _negates(word: str) -> bool:
    return word in NEGATIONS or word.endswith("n't")


def _means(word: str) -> bool:
    letter = any(unicodedata.category(sign)[0] in "LM" for sign in word)
    return _negates(word) or not letter or any(sign.isdigit() for sign in word)


@cache
def _pattern() -> re.Pattern[str]:
    """Numbers, words and signs; what is none of these stands between words."""
    marks, symbols = _signs_of("Mn", "Mc", "Me"), _signs_of("So")
    # Classes of `re` are slow beyond the basic plane, so letters are told by \w.
    word = rf"[^\W_]+(?:[{marks}]+[^\W_]*)*"
    # The sign between two numbers or two single letters is arithmetic, that of a list is not.
    sums = r"(?<=\d)\s?[-*/](?=\s?[\d(])|(?<=\b\w )[-*/](?= \w\b)|(?<=\w)\*(?=\w)"
    minus = r"(?<![\w)-])-(?=\d)"
    # C++, C# and F# are names of their own.
    language = r"\b[A-Za-z](?:\+\+|#)"
    return re.compile(
        rf"{_NUMBER}(?![^\W\d_])|{language}|{word}(?:['\u2019]{word})*|{sums}|{minus}"
        rf"|[{re.escape(_SIGNS)}]|[{symbols}]|[\U0001f000-\U0001faff]"
    )


def _signs_of(*categories: str) -> str:
    """A class of a regular expression: the signs of some categories in the basic plane."""
    return "".join(
        re.escape(chr(point))
        for point in range(0x10000)
        if unicodedata.category(chr(point)) in categories
    )
