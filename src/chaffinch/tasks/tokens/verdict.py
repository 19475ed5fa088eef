"""What a judgement of tagged sentences says."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from chaffinch.core.types import Floats
from chaffinch.tasks.tokens.spans import Span

KINDS = ("wrong_type", "missed_entity", "invented_entity", "wrong_boundary", "inconsistent")


@dataclass(frozen=True)
class Verdict:
    """One thing that may be wrong in a sentence.

    Attributes:
        sentence: Position of the sentence.
        given: The entity as it is tagged; None where none is.
        suggested: The entity as it should be; None where there should be none.
        kind: What is wrong, one of `KINDS`.
        probability: That it is.
        elsewhere: How often the same words have each type in other sentences.
    """

    sentence: int
    given: Span | None
    suggested: Span | None
    kind: str
    probability: float
    elsewhere: tuple[tuple[str, int], ...] = ()

    @property
    def extent(self) -> tuple[int, int]:
        """First token, and one past the last, that the verdict is about."""
        both = [span for span in (self.given, self.suggested) if span is not None]
        return min(span.start for span in both), max(span.end for span in both)


@dataclass(frozen=True, eq=False)
class TokenJudgement:
    """What is wrong in S sentences of T tokens in all.

    Attributes:
        verdicts: The most probable verdict on each entity, and on each place where one may be
            missing, from a probability of 1 % on; sentence after sentence.
        tokens: (T,) probability that a tag is wrong.
        sentences: (S,) probability that any tag of the sentence is wrong.
    """

    verdicts: tuple[Verdict, ...]
    tokens: Floats
    sentences: Floats


def differing(verdict: Verdict) -> list[int]:
    """Tokens whose tag is wrong if the verdict is right."""
    given, suggested = verdict.given, verdict.suggested
    if given is None or suggested is None or given.type != suggested.type:
        start, end = verdict.extent
        return list(range(start, end))
    one = set(range(given.start, given.end))
    other = set(range(suggested.start, suggested.end))
    places = one ^ other
    if given.start != suggested.start:  # the B- moves too
        places |= {given.start, suggested.start}
    return sorted(places)


def table_of(
    judgement: TokenJudgement, sentences: Sequence[Sequence[str]], least: float = 0.5
) -> pd.DataFrame:
    """Verdicts of at least a probability, the most probable first, one row each."""
    rows = [
        {
            "sentence": one.sentence,
            "start": one.extent[0],
            "end": one.extent[1],
            "words": " ".join(sentences[one.sentence][slice(*one.extent)]),
            "kind": one.kind,
            "probability": one.probability,
            "given": _told(one.given, sentences[one.sentence]),
            "suggested": _told(one.suggested, sentences[one.sentence]),
            "elsewhere": ", ".join(f"{name} x{times}" for name, times in one.elsewhere),
        }
        for one in sorted(judgement.verdicts, key=lambda v: -v.probability)
        if one.probability >= least
    ]
    columns = ["sentence", "start", "end", "words", "kind", "probability", "given", "suggested"]
    return pd.DataFrame(rows, columns=[*columns, "elsewhere"])


def _told(span: Span | None, words: Sequence[str]) -> str:
    return "" if span is None else f"{span.type}: {' '.join(words[span.start : span.end])}"
