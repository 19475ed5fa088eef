"""What sorts of samples there are: how many of each, at which rate, and how well that is known."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from chaffinch.core import kinds
from chaffinch.report import wording
from chaffinch.report.wording import Naming

HARMFUL, KEPT, REDUNDANT, UNDECIDED = "harmful", "keep", "redundant", "look"

Words = Mapping[str, tuple[str, str, str]]

WORDS: dict[str, tuple[str, str, str]] = {
    kinds.MISLABELLED: ("Wrong label", HARMFUL, "belongs to another class than the one given"),
    kinds.CONFLICTING_DUPLICATE: (
        "Contradicting copy",
        HARMFUL,
        "nearly the same as a sample with another label",
    ),
    kinds.FAR_CLUSTER: ("Foreign group", HARMFUL, "one of many alike that belong to no class here"),
    kinds.OUTLIER: ("Damaged or foreign", HARMFUL, "unlike everything else, or spoilt"),
    kinds.AMBIGUOUS: ("Ambiguous", UNDECIDED, "several classes are plausible; ask a second person"),
    kinds.NEAR_CLUSTER: ("Rare class", KEPT, "rare in these data, and confirmed by validation"),
    kinds.HARD: ("Hard but right", KEPT, "learned late, yet all else speaks for its label"),
    kinds.NEAR_DUPLICATE: ("Near-duplicate", REDUNDANT, "nearly the same as one with its label"),
    kinds.CLEAN: ("Clean", KEPT, "nothing speaks against it"),
}
_NOT_JUDGED: dict[str, tuple[str, str, str]] = {
    kinds.UNREADABLE: ("Unreadable", HARMFUL, "cannot be read; not judged"),
    kinds.EMPTY: ("Empty", HARMFUL, "holds nothing to learn from; not judged"),
    kinds.UNLABELLED: ("Without a label", UNDECIDED, "needs a label; not judged"),
    kinds.TOO_RARE: ("Only one of its class", UNDECIDED, "nothing to compare with; not judged"),
}
WORDS |= _NOT_JUDGED
"""Title, what follows from it, and meaning of each kind, in the order in which they are shown."""

_OF_PROMPTS: dict[str, tuple[str, str, str]] = {
    kinds.MISLABELLED: (
        "Wrong response",
        HARMFUL,
        "does not follow from its prompt, refuses or breaks off",
    ),
    kinds.CONFLICTING_DUPLICATE: (
        "Contradicting copy",
        HARMFUL,
        "contradicts the response to nearly the same prompt elsewhere",
    ),
    kinds.OUTLIER: (
        "Empty, damaged or leaked",
        HARMFUL,
        "has no response or a damaged one, or its prompt is a test prompt",
    ),
    kinds.NEAR_DUPLICATE: (
        "Near-duplicate",
        REDUNDANT,
        "prompt and response are nearly those of an earlier sample",
    ),
    kinds.CLEAN: WORDS[kinds.CLEAN],
    kinds.EMPTY: ("Empty", HARMFUL, "has no prompt; not judged"),
}
"""The same for prompts and responses, which have no labels."""

PROTECTED = (kinds.NEAR_CLUSTER, kinds.HARD)
"""Kinds of samples that look suspicious to many scorers and are to stay."""

_BY_DEGREE = (kinds.HARD, kinds.CLEAN)
"""How hard a sample is is a matter of degree: there is no true rate to estimate."""

_MOST_GROUPS = 20


@dataclass(frozen=True)
class Interval:
    """An estimated rate with its interval, as text and as places on an axis in percent."""

    rate: str
    bounds: str
    at: float
    start: float
    width: float


@dataclass(frozen=True)
class KindRow:
    """One kind of sample.

    Attributes:
        name: As in the findings.
        title: In words.
        treatment: What follows from it: `HARMFUL`, `KEPT`, `REDUNDANT` or `UNDECIDED`.
        meaning: In a few more words.
        samples: How many are of this kind, flagged or not.
        flagged: How many of them are flagged.
        interval: The estimated rate in the whole set, where it is known.
    """

    name: str
    title: str
    treatment: str
    meaning: str
    samples: int
    flagged: int
    interval: Interval | None


@dataclass(frozen=True)
class CanaryRow:
    """How the scan fared with the samples that it had spoilt itself."""

    title: str
    planted: int
    found: str
    named: str


@dataclass(frozen=True)
class Kinds:
    """All kinds that there are, and the canaries; empty where kinds were not told apart."""

    rows: tuple[KindRow, ...]
    canaries: tuple[CanaryRow, ...]
    top: str
    """The right end of the axis of rates."""

    @property
    def planted(self) -> int:
        """How many canaries there were."""
        return sum(row.planted for row in self.canaries)


def words_of(naming: Naming) -> Words:
    """The kinds in words, in the order in which they are shown."""
    if naming.task is not None:
        own = {
            name: (wording.clean(one.title), one.treatment, wording.clean(one.meaning))
            for name, one in naming.task.kinds.items()
        }
        return {**own, **_NOT_JUDGED}
    return WORDS if naming.labelled else _OF_PROMPTS


def sort_out(findings: pd.DataFrame, details: Mapping[str, Any], words: Words = WORDS) -> Kinds:
    """Count the kinds and read their rates and the canaries from the details of the judgement.

    Args:
        findings: The findings table.
        details: ``rates``: dicts with ``of`` ("kind" for these), ``name``, ``rate``, ``low``,
            ``high``. ``canaries``: by kind, dicts with ``count``, ``found`` and ``named``. Both
            may be missing.
        words: The kinds in words, see `words_of`.
    """
    said = findings["kind"].astype(str) if "kind" in findings else pd.Series(dtype=str)
    flagged = findings["flagged"].astype(bool)
    rates = {str(one["name"]): one for one in details.get("rates", ()) if one["of"] == "kind"}
    rates = {name: one for name, one in rates.items() if name in words and name not in _BY_DEGREE}
    top = max((float(one["high"]) for one in rates.values()), default=0.0) or 1.0
    rows = []
    for name, (title, treatment, meaning) in words.items():
        own = said == name
        count, marked = int(own.sum()), int((own & flagged).sum())
        if count or float(rates.get(name, {}).get("low", 0)) * len(findings) >= 1:
            interval = _interval(rates[name], top) if name in rates else None
            rows.append(KindRow(name, title, treatment, meaning, count, marked, interval))
    if not set(said) - {kinds.MISLABELLED, kinds.CLEAN, "None", "nan"} and not rates:
        rows = []  # nothing beyond what the headline says
    return Kinds(tuple(rows), _canaries(details), wording.percent(top))


@dataclass(frozen=True)
class GroupRates:
    """Estimated rates of wrong labels by source, annotator or time slice, highest first.

    Attributes:
        rows: (name, interval) of the worst groups.
        hidden: How many others there are.
        top: The right end of the axis of rates.
    """

    rows: tuple[tuple[str, Interval], ...]
    hidden: int
    top: str


def by_group(details: Mapping[str, Any]) -> GroupRates:
    """Read the rates of groups from the details of the judgement; empty where there are none.

    Args:
        details: ``rates``: dicts with ``of`` ("group" for these), ``name``, ``rate``, ``low`` and
            ``high``.
    """
    found = [one for one in details.get("rates", ()) if one["of"] == "group"]
    found.sort(key=lambda one: -float(one["rate"]))
    shown = found[:_MOST_GROUPS]
    top = max((float(one["high"]) for one in shown), default=0.0) or 1.0
    rows = tuple((wording.clean(str(one["name"])), _interval(one, top)) for one in shown)
    return GroupRates(rows, len(found) - len(shown), wording.percent(top))


def _interval(one: Mapping[str, Any], top: float) -> Interval:
    rate, low, high = (float(one[name]) for name in ("rate", "low", "high"))
    return Interval(
        wording.percent(rate),
        f"{wording.percent(low)} to {wording.percent(high)}",
        round(100 * min(rate / top, 1), 2),
        round(100 * low / top, 2),
        round(100 * (high - low) / top, 2),
    )


def _canaries(details: Mapping[str, Any]) -> tuple[CanaryRow, ...]:
    known = details.get("canaries") or {}
    rows = []
    for name, (title, _, _) in WORDS.items():
        one = known.get(name)
        if isinstance(one, Mapping) and one.get("count"):
            shares = (wording.percent(one.get(key)) for key in ("found", "named"))
            rows.append(CanaryRow(title, int(one["count"]), *shares))
    return tuple(rows)


_OF_CLASSES = Naming(["", ""])

_SEVERAL = {
    kinds.MISLABELLED: "with a wrong label",
    kinds.CONFLICTING_DUPLICATE: "that contradict a copy",
    kinds.FAR_CLUSTER: "in foreign groups",
    kinds.OUTLIER: "damaged or foreign",
    kinds.AMBIGUOUS: "ambiguous",
    kinds.NEAR_CLUSTER: "of rare classes",
    kinds.HARD: "hard but right",
    kinds.NEAR_DUPLICATE: "near-duplicates",
    kinds.UNLABELLED: "without a label",
    kinds.TOO_RARE: "the only ones of their class",
}


_SEVERAL_PROMPTS = {
    kinds.MISLABELLED: "with a response that does not follow",
    kinds.OUTLIER: "empty or of the test set",
}


def several(kind: str, naming: Naming | None = None) -> str:
    """What follows a number of samples of a kind: ``51 with a wrong label``."""
    naming = naming or _OF_CLASSES
    if naming.task is not None and kind in naming.task.kinds:
        return wording.clean(naming.task.kinds[kind].several)
    usual = _SEVERAL.get(kind, kind)
    return usual if naming.labelled else _SEVERAL_PROMPTS.get(kind, usual)


def title_of(kind: str, naming: Naming | None = None) -> str:
    """A kind in words; as it came where it is not known."""
    words = WORDS | dict(words_of(naming or _OF_CLASSES))
    return words[kind][0] if kind in words else kind
