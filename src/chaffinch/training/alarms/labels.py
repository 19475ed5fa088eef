"""Alarms about the labels."""

from chaffinch.training.alarms.alarm import History, Raised, alarm, share
from chaffinch.training.diagnostics.quality import GroupQuality
from chaffinch.training.diagnostics.surest import Surest

SURE = 0.75
FLOOR = 0.07
FLAT = 1.6
"""Misses in the third tenth by those in the surest; merely hard data reach 2 and more."""
TIMES = 3.0
"""How many times the errors of the others make a group's labels worth an alarm."""
EXCESS = 5.0
"""And by how many standard errors; with many groups some reach 3 by chance."""
RISE = 0.1


@alarm("resisting_labels", about="labels")
def resisting_labels(history: History) -> Raised | None:
    """A share of the labels resists learning, spread over wrong classes."""
    now = history[-1]
    noise = now.noise
    if noise is None or not now.noisy:
        return None
    return Raised(
        f"about {share(noise.rate)} of the labels resist learning: they contradict what the model "
        "has learned from the others, and no doubt of the model explains them",
        {"rate": noise.rate, "evidence": noise.evidence},
    )


@alarm("confused_labels", about="labels")
def confused_labels(history: History) -> Raised | None:
    """The label is missed again and again where the model is surest."""
    if len(history) < 2 or history[-1].epoch < 2 or resisting_labels.check(history):
        return None
    before, now = history[-2].surest, history[-1].surest
    if now is None or not (_has_floor(now) and before and before.sureness >= SURE - 0.1):
        return None
    return Raised(
        f"{share(now.rate)} of the samples that the model is surest of carry another label, and "
        "hardly more of those that it is less sure of: as if some labels were swapped for others "
        "always in the same way",
        {"rate": now.rate, "low": now.low},
    )


def _has_floor(surest: Surest) -> bool:
    """Whether misses stay where the model is sure, and hardly grow where it is less so."""
    sure = surest.sureness >= SURE and surest.low >= FLOOR
    return sure and surest.later <= FLAT * surest.rate


@alarm("memorisation", about="labels")
def memorisation(history: History) -> Raised | None:
    """The model begins to learn suspected labels by heart."""
    now = history[-1]
    if not any(one.noisy for one in history):
        return None
    after = [point for point in now.curve if point.epoch > (now.set_aside or 0)]
    if len(after) < 2 or after[-1].epoch != now.epoch:
        return None
    lowest = min(after[:-1], key=lambda point: point.suspected.met)
    rise = after[-1].suspected.met - lowest.suspected.met
    if not rise >= max(RISE, 1.5 * (after[-1].trusted.met - lowest.trusted.met)):
        return None
    return Raised(
        f"memorisation has begun by epoch {now.epoch + 1}: the model now agrees with "
        f"{share(after[-1].suspected.met)} of the suspected labels, after "
        f"{share(lowest.suspected.met)} in epoch {lowest.epoch + 1}; trusted ones went from "
        f"{share(lowest.trusted.met)} to {share(after[-1].trusted.met)}",
        {"met": after[-1].suspected.met, "before": lowest.suspected.met},
    )


@alarm("source_quality", about="labels")
def source_quality(history: History) -> Raised | None:
    """One source has far worse labels than the others."""
    worst = _worst(history, "groups")
    if worst is None:
        return None
    rate, elsewhere = _rates(worst)
    return Raised(
        f"source {worst.name!r} has {_times(rate, elsewhere)} the label errors of the others: "
        f"{share(rate)} of its labels contradict what the model has learned, {share(elsewhere)} "
        "elsewhere",
        {"rate": rate, "elsewhere": elsewhere},
        subject=worst.name,
    )


@alarm("class_quality", about="labels")
def class_quality(history: History) -> Raised | None:
    """The labels of one class are far worse than those of the others."""
    # With two classes, the errors of one are what is hard about the other.
    if len(history[-1].classes) < 3:
        return None
    worst = _worst(history, "classes")
    if worst is None:
        return None
    rate, elsewhere = _rates(worst)
    return Raised(
        f"labels {worst.name!r} contradict what the model has learned {_times(rate, elsewhere)} as "
        f"often as others: about {share(rate)} of them do, and {share(elsewhere)} of the others",
        {"rate": rate, "elsewhere": elsewhere},
        subject=worst.name,
    )


def _rates(one: GroupQuality) -> tuple[float, float]:
    """Rate of the group and of all others, by the outputs where these are known."""
    if one.noise is not None:
        return one.noise.rate, one.noise.elsewhere
    return (one.surest.rate if one.surest else 0.0), one.elsewhere


def _times(rate: float, elsewhere: float) -> str:
    times = rate / elsewhere if elsewhere > 0 else float("inf")
    return f"{times:.0f} times" if times < 20 else "more than 20 times"


def _worst(history: History, kind: str) -> GroupQuality | None:
    """The group that stands out most, if it does so in two epochs in a row."""
    first, stands_out = _SIGNS[kind]
    if len(history) < 2 or history[-2].epoch < first:
        return None
    before = {one.name for one in getattr(history[-2], kind) if stands_out(one)}
    now = [one for one in getattr(history[-1], kind) if stands_out(one) and one.name in before]
    return max(now, key=lambda one: one.noise.evidence if one.noise else one.excess, default=None)


def _source_stands_out(one: GroupQuality) -> bool:
    if one.noise is not None:
        gap = one.noise
        return gap.rate >= 0.05 and gap.ratio >= 2 and gap.evidence >= 15
    known = one.surest is not None and _has_floor(one.surest)
    return known and one.ratio >= TIMES and one.excess >= EXCESS


def _class_stands_out(one: GroupQuality) -> bool:
    # A class that is merely hard is missed where the model is sure, so only outputs can tell.
    gap = one.noise
    return gap is not None and gap.rate >= 0.1 and gap.ratio >= TIMES and gap.evidence >= 20


# A class that is learned late looks wrong in the first two epochs.
_SIGNS = {"groups": (1, _source_stands_out), "classes": (2, _class_stands_out)}
