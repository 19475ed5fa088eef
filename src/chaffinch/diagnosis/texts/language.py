"""The language of a text, by its script and its small words."""

import unicodedata
from collections import Counter

from chaffinch.diagnosis.texts.word_lists import SMALL_WORDS

_LEAST_WORDS, _LEAST_HITS = 6, 3
_AHEAD = 1.5
_LEAST_LETTERS = 8
_MOST = 0.6
_READ = 2000
_LANGUAGES: dict[str, tuple[str, ...]] = {
    word: tuple(name for name, small in SMALL_WORDS.items() if word in small)
    for words in SMALL_WORDS.values()
    for word in words
}
_KANA, _HAN = ("HIRAGANA", "KATAKANA"), "CJK"


def language_of(text: str) -> str:
    """The language of a text; the name of its script where that is not Latin; "" if unknown.

    Languages with Latin letters are told by their most frequent words, and only where one of them
    is well ahead.
    """
    script = _script(text)
    if script != "LATIN":
        return script.title()
    words = [word.strip(".,;:!?\"'()[]") for word in text.lower().split()]
    if len(words) < _LEAST_WORDS:
        return ""
    counts = Counter(name for word in words for name in _LANGUAGES.get(word, ()))
    (best, hits), (_, second) = [*counts.most_common(2), ("", 0), ("", 0)][:2]
    return best if hits >= _LEAST_HITS and hits >= _AHEAD * second else ""


def _script(text: str) -> str:
    """The script of most letters; Chinese and Japanese are told apart by kana."""
    if text.isascii():
        letters = sum(map(str.isalpha, text[:_READ]))
        return "LATIN" if letters >= _LEAST_LETTERS else ""
    counts: Counter[str] = Counter()
    for sign in text[:_READ]:
        if sign.isalpha():
            counts["LATIN" if sign.isascii() else unicodedata.name(sign, "?").split()[0]] += 1
    total = sum(counts.values())
    kana = sum(counts[name] for name in _KANA)
    if kana and kana + counts[_HAN] > _MOST * total:
        return "JAPANESE" if total >= _LEAST_LETTERS // 2 else ""
    if not total:
        return ""
    name, most = counts.most_common(1)[0]
    least = _LEAST_LETTERS // 2 if name == _HAN else _LEAST_LETTERS
    if most < _MOST * total or most < least:
        return ""
    return "CHINESE" if name == _HAN else name
