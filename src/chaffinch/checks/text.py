"""Issues of texts: another language, damaged encoding, boilerplate, odd length."""

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from chaffinch.checks.language import other_language
from chaffinch.checks.registry import Finding, register
from chaffinch.checks.subject import Subject
from chaffinch.checks.tail import beyond, clipped
from chaffinch.core.types import Floats, Mask

_REPLACEMENT = re.compile("[\N{REPLACEMENT CHARACTER}\x00-\x08\x0b\x0c\x0e-\x1f\x80-\x9f]")
_ENTITY = re.compile(r"&(?:amp|lt|gt|quot|nbsp|#\d{2,5});|\\u[0-9a-fA-F]{4}|\\x[0-9a-fA-F]{2}")
# Each byte as Latin-1 and as cp1252 show it; the second leaves five bytes out.
_BYTE_OF = {chr(byte): byte for byte in range(0x80, 0x100)} | {
    bytes([byte]).decode("cp1252"): byte
    for byte in range(0x80, 0xA0)
    if byte not in (0x81, 0x8D, 0x8F, 0x90, 0x9D)
}
_TAIL = "[" + "".join(re.escape(one) for one, byte in _BYTE_OF.items() if byte < 0xC0) + "]"
_SUSPECT = re.compile(
    f"[\u00c2-\u00df]{_TAIL}|[\u00e0-\u00ef]{_TAIL}{{2}}|[\u00f0-\u00f4]{_TAIL}{{3}}"
)
_LENGTH_FACTOR = 4.0
_LEAST_PART = 20
_LEAST_SHARED = 0.005
_LEAST_COUNT = 5
_PARTS = re.compile(r"[.!?]\s+|[\r\n]+")


@register(
    "language",
    "samples",
    ("texts",),
    remedy="Translate or drop them, or collect more of that language",
    basis="Unicode scripts, and the commonest words of 16 languages",
)
def language(subject: Subject) -> Finding:
    """Texts in another language or script than the rest."""
    flagged, names = other_language(subject.texts or ())
    told = Counter(name for name, flag in zip(names, flagged, strict=True) if flag)
    listed = ", ".join(f"{count:,} {name}" for name, count in told.most_common(5))
    return Finding(listed, "medium", flagged & subject.usable, flagged.astype(np.float64))


@register(
    "encoding_damage",
    "samples",
    ("texts",),
    remedy="Read the file again with the right encoding (such as encoding='utf-8' or 'cp1252')",
    basis="Replacement characters, UTF-8 read as Latin-1 or cp1252, entities left in",
)
def encoding_damage(subject: Subject) -> Finding:
    """Texts with characters that were decoded wrongly."""
    texts = subject.texts or ()
    counts = np.asarray([damage_of(text) for text in texts], np.float64)
    scores = clipped(1 - np.exp2(-counts))
    return Finding("", "medium", (counts > 0) & subject.usable, scores)


@register(
    "boilerplate",
    "samples",
    ("texts",),
    remedy="Cut these parts out before training",
    basis="The same sentence or line of at least 20 letters in many different texts",
)
def boilerplate(subject: Subject) -> Finding:
    """Texts that share a sentence or line with many others."""
    shares, common = shared_parts(subject.texts or ())
    flagged = (shares > 0) & subject.usable
    return Finding("", "low", flagged, shares, names=common[:5])


@register(
    "odd_length",
    "samples",
    ("texts",),
    remedy="Look at them; they may be headings, cut off, or several texts in one",
    basis="Tukey's outer fences of the logarithm, and a factor of four from the median",
)
def odd_length(subject: Subject) -> Finding:
    """Texts far shorter or longer than the rest."""
    lengths = np.asarray([len(text.strip()) for text in subject.texts or ()], np.float64)
    flagged, scores = odd_lengths(lengths)
    return Finding("", "low", flagged & subject.usable, np.where(subject.usable, scores, 0.0))


def damage_of(text: str) -> int:
    """How many places of a text were decoded wrongly.

    Replacement and control characters; pairs that UTF-8 gives when it is read as Latin-1 or
    cp1252, where reading them the right way round works; entities and escapes left in.
    """
    count = (
        0 if text.isascii() and "&" not in text and "\\" not in text else len(_ENTITY.findall(text))
    )
    if _REPLACEMENT.search(text):
        count += len(_REPLACEMENT.findall(text))
    return count if text.isascii() else count + sum(map(_is_double, _SUSPECT.finditer(text)))


def odd_lengths(lengths: Floats) -> tuple[Mask, Floats]:
    """Flags and scores of lengths in letters, (N,); scores are 1/2 at a factor of four."""
    logarithms = np.log(np.maximum(lengths, 1))
    known = logarithms[lengths > 0]
    if not len(known):
        return np.zeros(len(lengths), np.bool_), np.zeros(len(lengths))
    away = np.abs(logarithms - np.median(known))
    values = np.where(lengths > 0, logarithms, np.nan)
    outside = beyond(values, "low") | beyond(values, "high")
    return outside & (away >= np.log(_LENGTH_FACTOR)), clipped(
        1 - np.exp2(-away / np.log(_LENGTH_FACTOR))
    )


def shared_parts(texts: Sequence[str]) -> tuple[Floats, list[str]]:
    """How much of each text is parts that many different texts share, and these parts.

    Args:
        texts: (N,) texts.

    Returns:
        (N,) shares of the letters; 0 for a text without shared parts, and for one that is nothing
        else (that is a duplicate); and the parts, the commonest first.
    """
    split = [
        [part for one in _PARTS.split(text) if len(part := " ".join(one.split()))] for text in texts
    ]
    whole = [" ".join(parts) for parts in split]
    seen: dict[str, set[int]] = {}
    for parts, text in zip(split, whole, strict=True):
        if len(parts) < 2:
            continue
        for part in set(parts):
            if len(part) >= _LEAST_PART:
                seen.setdefault(part, set()).add(hash(text))
    least = max(_LEAST_COUNT, _LEAST_SHARED * len(texts))
    common = {part: len(where) for part, where in seen.items() if len(where) >= least}
    shares = np.zeros(len(texts))
    for row, parts in enumerate(split):
        letters = sum(map(len, parts))
        shared = sum(len(part) for part in parts if part in common)
        shares[row] = shared / letters if 0 < shared < letters else 0.0
    return shares, sorted(common, key=lambda part: (-common[part], part))


def _is_double(found: "re.Match[str]") -> bool:
    """Whether some characters are one that was read by the wrong encoding."""
    try:
        bytes(_BYTE_OF[one] for one in found[0]).decode("utf-8")
    except UnicodeError:
        return False
    return True
