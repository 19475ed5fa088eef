"""Entities as spans, and as one tag a token (BIO)."""

from collections.abc import Sequence
from dataclasses import dataclass

OUTSIDE = "O"


@dataclass(frozen=True, order=True)
class Span:
    """An entity: tokens ``start`` to ``end`` - 1 of a sentence, and its type."""

    start: int
    end: int
    type: str

    def overlaps(self, other: "Span") -> bool:
        """Whether a token is part of both."""
        return self.start < other.end and other.start < self.end


def spans_of(tags: Sequence[str]) -> list[Span]:
    """The entities of a sentence.

    An I- tag that continues nothing begins an entity, as in CoNLL's own evaluation.

    Args:
        tags: ``O``, ``B-TYPE`` or ``I-TYPE`` for each token.
    """
    found: list[Span] = []
    start, kind = 0, ""
    for place, tag in enumerate([*tags, OUTSIDE]):
        prefix, _, name = tag.partition("-")
        if kind and (prefix != "I" or name != kind):
            found.append(Span(start, place, kind))
            kind = ""
        if prefix in ("B", "I") and not kind:
            start, kind = place, name
    return found


def tags_of(spans: Sequence[Span], length: int) -> list[str]:
    """One BIO tag a token, from entities that do not overlap."""
    tags = [OUTSIDE] * length
    for span in spans:
        tags[span.start] = f"B-{span.type}"
        for place in range(span.start + 1, span.end):
            tags[place] = f"I-{span.type}"
    return tags
