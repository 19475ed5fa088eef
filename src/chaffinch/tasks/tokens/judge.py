"""What is wrong with the entities of sentences: verdicts on spans, tokens and sentences."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from chaffinch.core.types import Floats
from chaffinch.tasks.tokens.elsewhere import Elsewhere, elsewhere, phrase_of
from chaffinch.tasks.tokens.spans import OUTSIDE, Span, spans_of
from chaffinch.tasks.tokens.verdict import TokenJudgement, Verdict, differing

# Probability, before anything is looked at, that an entity has each error: all alike. Sentences
# are ranked by the evidence; this only sets where one half lies.
_PRIOR = 0.05
_LEAST_SHOWN = 0.01
_TINY = 1e-9
# So many occurrences elsewhere, and so large a share of them, make a rule.
_LEAST_ELSEWHERE, _AGREED = 2, 0.75


def judge_tokens(
    sentences: Sequence[Sequence[str]],
    tags: Sequence[Sequence[str]],
    probabilities: Floats,
    classes: Sequence[str],
) -> TokenJudgement:
    """Weigh, for each entity, what else could be there.

    Another type, one token more or less at either end, no entity at all; and entities where
    none is tagged. Evidence are held-out probabilities of tags and how the same words are tagged
    in other sentences. A model that misses most rare entities says of nearly all of them that
    they are none; so that counts only where the same words are no entity elsewhere.

    Args:
        sentences: Tokens of each sentence.
        tags: BIO tags of each sentence.
        probabilities: (T, C) held-out probabilities, sentence after sentence.
        classes: C tags, in the order of the columns.
    """
    spans = [spans_of(one) for one in tags]
    known = elsewhere(sentences, spans)
    types, mass = _mass_of_types(probabilities, classes)
    lengths = [len(one) for one in sentences]
    shift, follows = _shift(mass, spans, lengths), _follows(spans, lengths)
    found: list[Verdict] = []
    tokens = np.zeros(len(probabilities))
    offset = 0
    for number, words in enumerate(sentences):
        scene = _Sentence(
            number,
            words,
            spans[number],
            types,
            mass[offset : offset + len(words)],
            known,
            shift,
            follows,
        )
        own = [*scene.of_entities(), *scene.of_gaps()]
        for one in own:
            for place in differing(one):
                at = offset + place
                tokens[at] = max(tokens[at], one.probability)
        found += sorted((v for v in own if v.probability >= _LEAST_SHOWN), key=lambda v: v.extent)
        offset += len(words)
    clear = np.ones(len(sentences))
    for one in found:
        clear[one.sentence] *= 1 - one.probability
    return TokenJudgement(tuple(found), tokens, 1 - clear)


def _mass_of_types(probabilities: Floats, classes: Sequence[str]) -> tuple[list[str], Floats]:
    """Types and (T, K + 1) probability of each, B- and I- together; the last is of none."""
    types = sorted({name.partition("-")[2] for name in classes if name != OUTSIDE})
    mass = np.full((len(probabilities), len(types) + 1), _TINY)
    for column, name in enumerate(classes):
        place = -1 if name == OUTSIDE else types.index(name.partition("-")[2])
        mass[:, place] += probabilities[:, column]
    return types, mass / mass.sum(axis=1, keepdims=True)


def _shift(mass: Floats, spans: Sequence[Sequence[Span]], lengths: Sequence[int]) -> float:
    """By what the odds of "no entity" shrink in tagged entities, so that they are rare there."""
    starts = np.cumsum([0, *lengths[:-1]])
    inside = [
        place + start
        for start, own in zip(starts, spans, strict=True)
        for span in own
        for place in range(span.start, span.end)
    ]
    if not inside:
        return 1.0
    odds = mass[inside, -1] / np.maximum(1 - mass[inside, -1], _TINY)
    low, high = -30.0, 0.0
    for _ in range(50):
        middle = (low + high) / 2
        share = (odds * np.exp(middle) / (1 + odds * np.exp(middle))).mean()
        low, high = (middle, high) if share < _PRIOR else (low, middle)
    return float(np.exp(low))


def _follows(spans: Sequence[Sequence[Span]], lengths: Sequence[int]) -> float:
    """How many times the odds that a token is part of an entity grow beside one that is.

    The model sees words and no tags, so that it does not know what its neighbour is.
    """
    number = sum(len(own) for own in spans)
    inside = sum(span.end - span.start for own in spans for span in own)
    outside = sum(lengths) - inside
    goes_on = (inside - number + 1) / (number + 1)
    return max(goes_on * (outside + 1) / (inside + 1), 1.0)


@dataclass(frozen=True, eq=False)
class _Sentence:
    number: int
    words: Sequence[str]
    spans: Sequence[Span]
    types: list[str]
    mass: Floats
    known: Elsewhere
    shift: float
    follows: float

    def of_entities(self) -> list[Verdict]:
        """The best verdict on each tagged entity."""
        return [self._of_entity(span) for span in self.spans]

    def _of_entity(self, span: Span) -> Verdict:
        types = self.known.types(phrase_of(self.words, span), self.number)
        weighed = {
            ("", span): 1 - 3 * _PRIOR,
            **self._other_types(span, types),
            **self._other_bounds(span),
            ("invented_entity", None): self._none(span, types),
        }
        total = sum(weighed.values())
        wrong = {key: value for key, value in weighed.items() if key[0]}
        (kind, suggested), _ = max(wrong.items(), key=lambda item: item[1])
        probability = sum(v for (name, _), v in wrong.items() if name == kind) / total
        if kind == "wrong_type" and suggested is not None:
            alone = self._model_type(span)
            if alone == span.type and types[suggested.type]:
                kind = "inconsistent"  # the other sentences say so, and not the model
        return Verdict(
            self.number, span, suggested, kind, min(probability, 1.0), tuple(types.most_common())
        )

    def _model_type(self, span: Span) -> str:
        return self.types[int(self.mass[span.start : span.end, :-1].sum(axis=0).argmax())]

    def _other_types(self, span: Span, types: Counter[str]) -> dict[tuple[str, Span | None], float]:
        """Weight of each other type, that of the given one being 1 - the priors."""
        if len(self.types) < 2:
            return {}
        share = self.mass[span.start : span.end, :-1].sum(axis=0)
        counts = np.array([types[name] for name in self.types], float)
        share = (share / share.sum()) * (counts + 1) / (counts.sum() + len(self.types))
        own = max(share[self.types.index(span.type)], _TINY)
        prior = _PRIOR / (len(self.types) - 1)
        return {
            ("wrong_type", Span(span.start, span.end, name)): prior * share[k] / own
            for k, name in enumerate(self.types)
            if name != span.type
        }

    def _other_bounds(self, span: Span) -> dict[tuple[str, Span | None], float]:
        """Weight of one token more or less at either end."""
        found: dict[tuple[str, Span | None], float] = {}
        kind = self.types.index(span.type)
        taken = {place for one in self.spans for place in range(one.start, one.end)}
        if span.end - span.start > 1:
            for edge, kept in (
                (span.start, Span(span.start + 1, span.end, span.type)),
                (span.end - 1, Span(span.start, span.end - 1, span.type)),
            ):
                none = self.mass[edge, -1]
                found["wrong_boundary", kept] = none / max(1 - none, _TINY) / self.follows
        for edge, grown in (
            (span.start - 1, Span(span.start - 1, span.end, span.type)),
            (span.end, Span(span.start, span.end + 1, span.type)),
        ):
            if 0 <= edge < len(self.words) and edge not in taken:
                odds = self.mass[edge, kind] / max(self.mass[edge, -1], _TINY)
                found["wrong_boundary", grown] = odds * self.follows
        return {key: value * _PRIOR / 4 for key, value in found.items()}

    def _none(self, span: Span, types: Counter[str]) -> float:
        """Weight of no entity at all: only where the same words mostly are none elsewhere."""
        number = sum(types.values())
        if number < _LEAST_ELSEWHERE:
            return 0.0
        share = types[OUTSIDE] / number
        odds = self.mass[span.start : span.end, -1].mean()
        alone = self.shift * odds / max(1 - odds, _TINY)
        return float(_PRIOR * alone * share / max(1 - share, 1 / number))

    def of_gaps(self) -> list[Verdict]:
        """Entities that may be missing, the likeliest first, none over another."""
        taken = {place for span in self.spans for place in range(span.start, span.end)}
        wanted = sorted(self._candidates(taken), key=lambda one: -one.probability)
        found = []
        for one in wanted:
            places = range(*one.extent)
            if taken.isdisjoint(places):
                found.append(self._joined(one))
                taken.update(places)
        return found

    def _joined(self, missed: Verdict) -> Verdict:
        """What touches an entity of its own type is a part of it that lacks its tag."""
        new = missed.suggested
        for span in self.spans:
            if new is None or span.type != new.type or new.start > span.end or new.end < span.start:
                continue
            whole = Span(min(span.start, new.start), max(span.end, new.end), span.type)
            return replace(missed, given=span, suggested=whole, kind="wrong_boundary")
        return missed

    def _candidates(self, taken: set[int]) -> list[Verdict]:
        made = []
        for start, end in _runs([i for i in range(len(self.words)) if i not in taken]):
            made += self._by_model(start, end)
            made += self._by_words(start, end)
        return made

    def _by_model(self, start: int, end: int) -> list[Verdict]:
        """Neighbouring tokens that the model takes for parts of entities belong together."""
        some = 1 - self.mass[start:end, -1]
        likely = [start + int(i) for i in np.flatnonzero(some >= _LEAST_SHOWN)]
        found = []
        for first, last in _runs(likely):
            chance = 1 - self.mass[first:last, -1]
            strong = [first + int(i) for i in np.flatnonzero(chance >= chance.max() / 2)]
            for a, b in _runs(strong):
                name = self.types[int(self.mass[a:b, :-1].sum(axis=0).argmax())]
                share = float((1 - self.mass[a:b, -1]).mean())
                types = self.known.types(phrase_of(self.words, Span(a, b, name)), self.number)
                found.append(self._missed(Span(a, b, name), share, types))
        return found

    def _by_words(self, start: int, end: int) -> list[Verdict]:
        """Words that are an entity in other sentences."""
        found = []
        for a in range(start, end):
            for b in range(a + 1, min(end, a + 6) + 1):
                types = self.known.types(phrase_of(self.words, Span(a, b, "")), self.number)
                number, none = sum(types.values()), types[OUTSIDE]
                if number == none:
                    continue
                name = next(one for one, _ in types.most_common() if one != OUTSIDE)
                model = float((1 - self.mass[a:b, -1]).mean())
                share = max((number - none) / (number + 2), model)
                found.append(self._missed(Span(a, b, name), share, types))
        return found

    def _missed(self, span: Span, share: float, types: Counter[str]) -> Verdict:
        weight = _PRIOR * share
        told = tuple(types.most_common())
        number = sum(types.values())
        agreed = number >= _LEAST_ELSEWHERE and types[span.type] >= _AGREED * number
        alone = 1 - self.mass[span.start : span.end, -1].mean() < 1 / 2
        kind = "inconsistent" if agreed and alone else "missed_entity"
        return Verdict(
            self.number, None, span, kind, weight / (weight + max(1 - share, _TINY)), told
        )


def _runs(places: Sequence[int]) -> list[tuple[int, int]]:
    """First, and one past the last, of each run of neighbouring places."""
    found: list[tuple[int, int]] = []
    for place in places:
        if found and found[-1][1] == place:
            found[-1] = (found[-1][0], place + 1)
        else:
            found.append((place, place + 1))
    return found
