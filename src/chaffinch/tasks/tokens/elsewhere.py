"""How the same words are tagged in other sentences."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chaffinch.tasks.tokens.spans import OUTSIDE, Span

_LONGEST = 6

Phrase = tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Elsewhere:
    """Occurrences of every phrase that is an entity anywhere.

    Attributes:
        found: For each phrase (lower case), the sentence, first token and type of each of its
            occurrences; the type is ``O`` where it is no entity.
    """

    found: dict[Phrase, list[tuple[int, int, str]]]

    def types(self, phrase: Phrase, sentence: int) -> Counter[str]:
        """How often the phrase has each type, or ``O``, in all sentences but one."""
        return Counter(kind for at, _, kind in self.found.get(phrase, ()) if at != sentence)


def elsewhere(sentences: Sequence[Sequence[str]], spans: Sequence[Sequence[Span]]) -> Elsewhere:
    """Look up all entities in all sentences.

    Occurrences inside of other entities, or across their ends, count for nothing.
    """
    phrases = {
        phrase_of(s, one) for s, all_of in zip(sentences, spans, strict=True) for one in all_of
    }
    phrases = {one for one in phrases if len(one) <= _LONGEST}
    found: defaultdict[Phrase, list[tuple[int, int, str]]] = defaultdict(list)
    for number, (tokens, own) in enumerate(zip(sentences, spans, strict=True)):
        types = {(span.start, span.end): span.type for span in own}
        covered = {place for span in own for place in range(span.start, span.end)}
        for start, phrase in _phrases(tokens, phrases):
            end = start + len(phrase)
            kind = types.get((start, end), OUTSIDE)
            if kind != OUTSIDE or covered.isdisjoint(range(start, end)):
                found[phrase].append((number, start, kind))
    return Elsewhere(dict(found))


def phrase_of(tokens: Sequence[str], span: Span) -> Phrase:
    """The words of an entity in lower case."""
    return tuple(token.lower() for token in tokens[span.start : span.end])


def _phrases(tokens: Sequence[str], known: set[Phrase]) -> Iterator[tuple[int, Phrase]]:
    low = [token.lower() for token in tokens]
    for start in range(len(low)):
        for end in range(start + 1, min(start + _LONGEST, len(low)) + 1):
            phrase = tuple(low[start:end])
            if phrase in known:
                yield start, phrase
