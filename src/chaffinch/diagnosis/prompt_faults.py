"""Faults of single samples, told apart by their texts, each with its evidence.

What is common in a file is no fault of a sample: a pattern that a fifth of the responses show is
how the file was made, and is said once, of all of them.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from chaffinch.core.types import Floats, Mask
from chaffinch.diagnosis.texts.fault_patterns import (
    cut_off,
    damage,
    lacks_end,
    markup,
    personal,
    refusal,
)
from chaffinch.diagnosis.texts.language import language_of

REFUSAL, TRUNCATED, LANGUAGE, ENCODING, MARKUP = (
    "refusal",
    "truncated",
    "wrong_language",
    "encoding",
    "markup",
)
REPEATED, LENGTH, PERSONAL = "prompt_repeated", "length", "personal_data"

DAMAGES = (ENCODING, MARKUP)
"""Faults that make a response unfit to learn from whatever it says."""

CHANCES = {REFUSAL: 0.8, TRUNCATED: 0.7, LANGUAGE: 0.8, ENCODING: 0.8, MARKUP: 0.6, REPEATED: 0.6}
"""How likely a sample with such a sign is harmful; what is not named here is told, not suspected.

These are judgements of what such signs mean in data for fine-tuning, not estimates from the file.
"""

COMMON = 0.2
"""A sign that this share of the samples shows is a habit of the file."""

_FEW = 4
_UNENDED = 0.5
_SENTENCES = 0.9
_PROSE = 8
_USUAL = 0.9
_LEAST_REPEATED, _LABEL = 5, 20
_AROUND = " .?!:\"'*#>-\u201c\u201d"
_DEVIATIONS, _LEAST_SPREAD = 6.0, 0.4
_LEAST_SAMPLES = 50
_TRANSLATES = (
    "translat",
    "übersetz",
    "tradui",
    "traduc",
    "traduz",
    "vertaal",
    "перев",
    "翻译",
    "翻訳",
)
_TONGUES = (
    "english",
    "german",
    "french",
    "spanish",
    "italian",
    "portuguese",
    "dutch",
    "swedish",
    "polish",
    "turkish",
    "russian",
    "chinese",
    "japanese",
    "korean",
    "arabic",
    "hindi",
    "greek",
    "hebrew",
    "latin",
    "language",
    "deutsch",
    "englisch",
    "français",
    "anglais",
    "español",
    "inglés",
)


@dataclass(frozen=True, eq=False)
class TextFaults:
    """Faults of N samples.

    Attributes:
        found: For each fault its evidence by row, as a phrase.
        chances: (N,) chance that the sample is harmful, by the likeliest of its faults.
        habits: Sentences on signs that are a habit of the file.
    """

    found: dict[str, dict[int, str]]
    chances: Floats
    habits: tuple[str, ...]

    def of(self, row: int) -> list[tuple[str, str]]:
        """The faults of one sample with their evidence, the gravest first."""
        those = [(name, told[row]) for name, told in self.found.items() if row in told]
        return sorted(those, key=lambda one: -CHANCES.get(one[0], 0))


def text_faults(
    texts: tuple[Sequence[str], Sequence[str]],
    contents: Sequence[str],
    blank: Mask,
) -> TextFaults:
    """Look for faults in single samples.

    Args:
        texts: N prompts and N responses.
        contents: N prompts as normalised words, without what many of them share.
        blank: (N,) whether there is no response.
    """
    prompts, responses = texts
    rows = np.flatnonzero(~blank).tolist()
    looks: dict[str, Callable[[], dict[int, str]]] = {
        REFUSAL: lambda: _each(rows, lambda r: refusal(contents[r], responses[r]), "refuses ({})"),
        TRUNCATED: lambda: _truncated(rows, responses),
        LANGUAGE: lambda: _languages(rows, prompts, contents, responses),
        ENCODING: lambda: _each(rows, lambda r: damage(responses[r]), "holds {}"),
        MARKUP: lambda: _each(rows, lambda r: markup(prompts[r], responses[r]), "holds {}"),
        REPEATED: lambda: _repeated(rows, prompts, responses),
        LENGTH: lambda: _lengths(rows, responses),
        PERSONAL: lambda: _each(rows, lambda r: personal(responses[r]), "holds what looks like {}"),
    }
    found, habits, chances = {}, [], np.zeros(len(prompts))
    for name, look in looks.items():
        told = look()
        if len(told) > max(COMMON * len(rows), _FEW):
            shown = next(iter(told.values()))
            habits.append(
                f"{len(told):,} of {len(rows):,} responses show the sign {name!r}, so it was taken "
                f"for a habit of the file (one of them {shown})."
            )
            continue
        found[name] = told
        for row, evidence in told.items():
            chance = _UNENDED if evidence.startswith(_NO_END) else CHANCES.get(name, 0.0)
            chances[row] = max(chances[row], chance)
    return TextFaults(found, chances, tuple(habits))


_NO_END = "ends without"


def _each(rows: list[int], look: Callable[[int], str], phrase: str) -> dict[int, str]:
    return {row: phrase.format(sign) for row in rows if (sign := look(row))}


def _truncated(rows: list[int], responses: Sequence[str]) -> dict[int, str]:
    told = _each(rows, lambda row: cut_off(responses[row]), "breaks off {}")
    prose = [row for row in rows if len(responses[row].split()) >= _PROSE]
    open_ended = [row for row in prose if lacks_end(responses[row])]
    # Only where sentences end as a rule does one that does not mean something.
    if len(prose) >= _LEAST_SAMPLES and len(open_ended) <= (1 - _SENTENCES) * len(prose):
        for row in open_ended:
            last = responses[row].split()[-1][:30]
            told.setdefault(row, f"{_NO_END} a full stop, after {last!r}, as few others do")
    return told


def _languages(
    rows: list[int], prompts: Sequence[str], contents: Sequence[str], responses: Sequence[str]
) -> dict[int, str]:
    told, asked_in, said_in = {}, {}, {}
    for row in rows:
        lower = prompts[row].lower()
        if not any(word in lower for word in (*_TRANSLATES, *_TONGUES)):
            asked_in[row] = language_of(contents[row])
            said_in[row] = language_of(responses[row])
    counts = Counter(filter(None, asked_in.values()))
    usual = [name for name, number in counts.items() if number >= _USUAL * counts.total()]
    for row, language in said_in.items():
        # A prompt of few words tells no language; it is taken for the one of nearly all others.
        asked = asked_in[row] or next(iter(usual), "")
        if not language or not asked or language == asked:
            continue
        # The instruction may be in another language than the text that is worked on.
        if language not in map(language_of, (prompts[row], *prompts[row].split("\n"))):
            told[row] = f"is in {language}, its prompt in {asked}"
    return told


def _repeated(rows: list[int], prompts: Sequence[str], responses: Sequence[str]) -> dict[int, str]:
    """Responses that begin with a whole line of their prompt."""
    told = {}
    for row in rows:
        said = " ".join(responses[row].lower().split()).lstrip(_AROUND)
        for line in prompts[row].lower().splitlines():
            asked = " ".join(line.split())
            bare = asked.split(": ", 1)[-1] if asked.find(":") < _LABEL else asked
            for one in {asked.strip(_AROUND), bare.strip(_AROUND)}:
                if said.startswith(one) and _size(one) >= _LEAST_REPEATED:
                    told[row] = f"begins with the line {line.strip()[:40]!r} of its prompt"
    return told


def _size(text: str) -> int:
    """Words of a text; four letters count as one where no spaces stand between words."""
    return max(text.count(" ") + 1, 0 if text.isascii() else len(text) // 4)


def _lengths(rows: list[int], responses: Sequence[str]) -> dict[int, str]:
    """Responses far longer or shorter than the others, in orders of magnitude."""
    if len(rows) < _LEAST_SAMPLES:
        return {}
    lengths = np.asarray([len(responses[row].split()) for row in rows])
    logs = np.log1p(lengths)
    middle = float(np.median(logs))
    spread = max(1.4826 * float(np.median(abs(logs - middle))), _LEAST_SPREAD)
    odd = np.flatnonzero(abs(logs - middle) > _DEVIATIONS * spread).tolist()
    usual = round(float(np.expm1(middle)))
    return {rows[at]: f"has {lengths[at]:,} words, others about {usual:,}" for at in odd}
