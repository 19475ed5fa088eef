"""Corruptions of texts."""

import numpy as np

from chaffinch.corruptions.sample_corruption import sample_corruption

_TYPOS = (0.02, 0.05, 0.1, 0.2, 0.35)  # of the characters, by severity; so below
_SHUFFLED = (0.3, 0.5, 0.7, 0.85, 1.0)  # of the words
_KEPT = (0.75, 0.5, 0.35, 0.2, 0.1)  # of the words
_MISREAD = (0.1, 0.2, 0.4, 0.7, 1.0)  # of the blanks and apostrophes
_BOILERPLATE = (
    "Subscribe to our newsletter for more.",
    "All rights reserved.",
    "This page uses cookies.",
    "Click here to read the terms of use.",
    "Sent from my phone.",
)


def misspell(text: str, count: int, random: np.random.Generator) -> str:
    """Make ``count`` typing errors: neighbours swapped, a letter left out or typed twice.

    The text changes: where all that was drawn undid itself, one letter is typed twice.
    """
    letters = list(text)
    for _ in range(count):
        if not letters:
            break
        place = int(random.integers(len(letters)))
        kind = int(random.integers(3))
        if kind == 0 and place + 1 < len(letters):
            letters[place : place + 2] = letters[place : place + 2][::-1]
        elif kind == 1 and len(letters) > 1:
            del letters[place]
        else:
            letters.insert(place, letters[place])
    changed = "".join(letters)
    return changed if changed != text or not text else text[0] + text


@sample_corruption("text")
def typos(texts: list[str], severity: int, random: np.random.Generator) -> list[str]:
    """Make typing errors in each text: neighbours swapped, letters left out or typed twice."""
    share = _TYPOS[severity - 1]
    return [misspell(text, max(1, round(share * len(text))), random) for text in texts]


@sample_corruption("text")
def shuffled_words(texts: list[str], severity: int, random: np.random.Generator) -> list[str]:
    """Shuffle some words of each text; blanks between words become single ones."""
    return [" ".join(_shuffled(text.split(), _SHUFFLED[severity - 1], random)) for text in texts]


def _shuffled(words: list[str], share: float, random: np.random.Generator) -> list[str]:
    if len(set(words)) < 2:
        return words
    count = min(len(words), max(2, round(share * len(words))))
    for _ in range(50):  # a shuffle may hit upon the old order
        places = random.choice(len(words), count, replace=False)
        changed = list(words)
        for place, other in zip(np.sort(places), places, strict=True):
            changed[place] = words[other]
        if changed != words:
            return changed
    return words[::-1] if words[::-1] != words else words[1:] + words[:1]


@sample_corruption("text")
def truncated(texts: list[str], severity: int, _random: np.random.Generator) -> list[str]:
    """Keep only the first words of each text; of a single word, its first letters."""
    return [_first_part(text, _KEPT[severity - 1]) for text in texts]


def _first_part(text: str, share: float) -> str:
    words = text.split()
    if len(words) < 2:
        return text[: int(share * len(text))]
    return " ".join(words[: max(1, min(len(words) - 1, round(share * len(words))))])


@sample_corruption("text")
def boilerplate(texts: list[str], severity: int, random: np.random.Generator) -> list[str]:
    """Paste as many stock sentences as the severity says before or behind each text."""
    changed = []
    for text in texts:
        chosen = random.choice(len(_BOILERPLATE), severity, replace=False)
        pasted = " ".join(_BOILERPLATE[one] for one in chosen)
        changed.append(f"{pasted} {text}" if random.integers(2) else f"{text} {pasted}")
    return changed


@sample_corruption("text")
def wrong_encoding(texts: list[str], severity: int, random: np.random.Generator) -> list[str]:
    """Read UTF-8 as Latin-1, after some blanks and apostrophes became typographic ones.

    Word processors set such signs; plain ASCII would survive the error unseen. A text without
    either gets a byte order mark.
    """
    share = _MISREAD[severity - 1]
    typographic = {" ": "\N{NO-BREAK SPACE}", "'": "\N{RIGHT SINGLE QUOTATION MARK}"}
    changed = []
    for text in texts:
        signs = [
            typographic[sign] if sign in typographic and random.random() < share else sign
            for sign in text
        ]
        misread = "".join(signs).encode().decode("latin-1")
        changed.append(misread if misread != text else f"\ufeff{text}".encode().decode("latin-1"))
    return changed
