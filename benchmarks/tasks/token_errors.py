"""Errors of entities, injected exactly: another type, missed, boundary shifted by one token."""

from collections.abc import Sequence

import numpy as np

from chaffinch.tasks.tokens.spans import Span, spans_of, tags_of

RATES = {"wrong_type": 0.05, "missed_entity": 0.10, "wrong_boundary": 0.03}

Errors = list[tuple[int, Span, str]]


def injected(
    tags: Sequence[Sequence[str]], seed: int, rates: dict[str, float] | None = None
) -> tuple[list[list[str]], Errors]:
    """Tags with errors, and of each error the sentence, the right entity and the kind."""
    random = np.random.default_rng(seed)
    spans = [spans_of(one) for one in tags]
    types = sorted({span.type for one in spans for span in one})
    places = [(s, k) for s, one in enumerate(spans) for k in range(len(one))]
    order = iter(random.permutation(len(places)).tolist())
    errors: Errors = []
    changed: dict[tuple[int, int], list[Span]] = {}
    for kind, rate in (rates or RATES).items():
        left = round(rate * len(places))
        while left:
            s, k = places[next(order)]
            made = _wrong(spans[s], k, kind, len(tags[s]), types, random)
            if made is not None:
                changed[s, k] = made
                errors.append((s, spans[s][k], kind))
                left -= 1
    given = []
    for s, one in enumerate(spans):
        new = [span for k, old in enumerate(one) for span in changed.get((s, k), [old])]
        given.append(tags_of(new, len(tags[s])))
    for s, _, _ in errors:
        assert given[s] != list(tags[s])  # noqa: S101  # an injection that changes nothing
    return given, errors


def _wrong(
    spans: list[Span],
    k: int,
    kind: str,
    length: int,
    types: list[str],
    random: np.random.Generator,
) -> list[Span] | None:
    """What stands instead of an entity; None where this kind of error is impossible."""
    span = spans[k]
    if kind == "missed_entity":
        return []
    if kind == "wrong_type":
        others = [one for one in types if one != span.type]
        return [Span(span.start, span.end, str(random.choice(others)))]
    # One token of room to the neighbours, so that two shifts never meet.
    before = spans[k - 1].end + 1 if k else 0
    after = spans[k + 1].start - 1 if k + 1 < len(spans) else length
    shifted = [(span.start - 1, span.end), (span.start, span.end + 1)]
    if span.end - span.start > 1:
        shifted += [(span.start + 1, span.end), (span.start, span.end - 1)]
    fitting = [(a, b) for a, b in shifted if a >= before and b <= after]
    if not fitting:
        return None
    start, end = fitting[int(random.integers(len(fitting)))]
    return [Span(start, end, span.type)]
