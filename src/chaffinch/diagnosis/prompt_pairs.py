"""Copies, contradictions and leaks among prompts and responses, by their texts."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import pandas as pd

from chaffinch.core.types import Codes, Floats, Mask
from chaffinch.diagnosis.texts.agreement import Agreement
from chaffinch.diagnosis.texts.inside import inside
from chaffinch.diagnosis.texts.near import NEAR, NearTexts
from chaffinch.diagnosis.texts.words import read_words

_COMPARED = 16
"""Of different responses to one prompt, each is compared with so many before it."""

_OF_NEAR = 4
REFRAMED = 0.8
"""Stands for the share in common where a test prompt is inside of another template."""


@dataclass(frozen=True, eq=False)
class Compared:
    """What comparing N samples with one another, and with a test set, has shown.

    Attributes:
        duplicate_of: (N,) row of an earlier sample with nearly the same prompt and response; -1
            for none.
        contradicts: (N,) row of a sample with nearly the same prompt and a response that says
            otherwise; -1 for none.
        contradiction: (N,) chance that the response is the wrong one of those, 0..1.
        leaked: (N,) row in the test set of nearly the same prompt; -1 for none.
        leak: (N,) 1 where that prompt is the same after normalisation, the share of weight in
            common where it is nearly the same, else 0.
    """

    duplicate_of: Codes
    contradicts: Codes
    contradiction: Floats
    leaked: Codes
    leak: Floats


@dataclass(frozen=True, eq=False)
class _Unit:
    """Samples with the same prompt and response."""

    prompt: int
    response: int
    first: int
    count: int


class Distinct:
    """Texts, each different one once.

    Args:
        texts: N texts.
        others: M further texts that are read along with them, such as those of a test set.
    """

    def __init__(self, texts: Sequence[str], others: Sequence[str] = ()) -> None:
        every = read_words([*texts, *others])
        codes, _ = pd.factorize(np.asarray(every.keys, dtype=object))
        self.codes: Codes = np.asarray(codes[: len(texts)], dtype=np.int64)
        """(N,) which different text each is."""
        self.others: Codes = np.asarray(codes[len(texts) :], dtype=np.int64)
        """(M,) the same for the others."""
        firsts = np.unique(codes, return_index=True)[1]
        self.near = NearTexts(every.take(firsts))

    def of_rows(self, told: Sequence[str]) -> list[str]:
        """What is told of the different texts, for each of the N texts."""
        return [told[code] for code in self.codes.tolist()]


def compare(prompts: Distinct, responses: Distinct, blank: Mask, near: float = NEAR) -> Compared:
    """Compare samples with one another and with a test set.

    Args:
        prompts: The different prompts of N samples and M test samples.
        responses: The different responses of the N samples.
        blank: (N,) whether a sample has no response.
        near: Share of the weight from which two texts count as nearly the same.
    """
    left, right, shares = prompts.near.pairs(near)
    count = len(prompts.codes)
    found = Compared(
        np.full(count, -1),
        np.full(count, -1),
        np.zeros(count),
        *_leaks(prompts, left, right, shares),
    )
    units, place = _units(prompts.codes, responses.codes, blank)
    for unit, rows in zip(units, place, strict=True):
        found.duplicate_of[rows[1:]] = unit.first
    _relate(found, units, place, list(_pairs(units, left, right)), responses, near)
    return found


def _units(prompts: Codes, responses: Codes, blank: Mask) -> tuple[list[_Unit], list[Codes]]:
    """The different samples that have a response, and the rows of each, ordered."""
    rows = np.flatnonzero(~blank)
    keys = prompts[rows] * (int(responses.max(initial=0)) + 1) + responses[rows]
    order = np.argsort(keys, kind="stable")
    bounds = np.flatnonzero(np.diff(keys[order])) + 1
    place = np.split(rows[order], bounds) if len(rows) else []
    units = [
        _Unit(int(prompts[one[0]]), int(responses[one[0]]), int(one[0]), len(one)) for one in place
    ]
    return units, place


def _pairs(units: list[_Unit], left: Codes, right: Codes) -> Iterator[tuple[int, int]]:
    """Pairs of units whose prompts are the same or nearly the same."""
    by_prompt: dict[int, list[int]] = defaultdict(list)
    for at, unit in enumerate(units):
        by_prompt[unit.prompt].append(at)
    for those in by_prompt.values():
        those.sort(key=lambda at: units[at].first)
        for at, second in enumerate(those):
            yield from ((first, second) for first in those[max(0, at - _COMPARED) : at])
    for one, two in zip(left.tolist(), right.tolist(), strict=True):
        for first in by_prompt.get(one, ())[:_OF_NEAR]:
            yield from ((first, second) for second in by_prompt.get(two, ())[:_OF_NEAR])


def _relate(
    found: Compared,
    units: list[_Unit],
    place: list[Codes],
    pairs: list[tuple[int, int]],
    responses: Distinct,
    near: float,
) -> None:
    """Fill in copies and contradictions."""
    if not pairs:
        return
    codes = np.asarray([unit.response for unit in units])
    one, two = np.asarray(pairs).T
    shares = responses.near.shares(codes[one], codes[two])
    agreement = Agreement(responses.near, near)
    for_it = np.asarray([unit.count - 1 for unit in units])
    against: dict[int, list[int]] = defaultdict(list)
    for (i, j), share in zip(pairs, shares.tolist(), strict=True):
        relation = agreement.relation(units[i].response, units[j].response, share)
        if relation == "same":
            first, later = sorted((i, j), key=lambda at: units[at].first)
            rows = place[later][found.duplicate_of[place[later]] < 0]
            found.duplicate_of[rows] = units[first].first
        if relation in ("same", "agrees"):
            for_it[i] += units[j].count
            for_it[j] += units[i].count
        elif relation == "contradicts":
            against[i].append(j)
            against[j].append(i)
    for at, others in against.items():
        found.contradicts[place[at]] = units[others[0]].first
        found.contradiction[place[at]] = _chance(
            int(for_it[at]), sum(units[other].count for other in others), int(for_it[others].max())
        )


def _chance(for_it: int, against: int, agreed: int) -> float:
    """The chance that a response is wrong, from how many say the same and how many otherwise.

    Args:
        for_it: Other samples that agree.
        against: Samples that contradict.
        agreed: How many agree with the best supported of those.
    """
    if against > 1 and not for_it and not agreed:
        return 0.0  # nobody agrees with anybody: the prompt has many right answers
    if for_it + 1 > against:
        return 0.0
    return against / (against + for_it + 1)


def _leaks(prompts: Distinct, left: Codes, right: Codes, shares: Floats) -> tuple[Codes, Floats]:
    """Rows of the test set whose prompts the samples have, and how much of them."""
    number = len(prompts.near.words)
    row, share = np.full(number, -1), np.zeros(number)
    # Written from the end, so that the first test sample with a prompt stands.
    row[prompts.others[::-1]] = np.arange(len(prompts.others))[::-1]
    tested = row >= 0
    share[tested] = 1
    test_row = row.copy()
    for one, two in ((left, right), (right, left)):
        for text, test, how in zip(one.tolist(), two.tolist(), shares.tolist(), strict=True):
            if tested[test] and share[text] < how:
                row[text], share[text] = test_row[test], how
    # The same prompt under a template, and without one.
    reframed = chain(
        ((holder, held) for holder, held in inside(prompts.near, tested, ~tested)),
        ((held, holder) for holder, held in inside(prompts.near, ~tested, tested)),
    )
    for text, test in reframed if len(prompts.others) else ():
        if share[text] < REFRAMED:
            row[text], share[text] = test_row[test], REFRAMED
    return row[prompts.codes], share[prompts.codes]
