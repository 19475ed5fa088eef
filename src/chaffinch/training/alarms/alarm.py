"""An alarm: what was seen, and why it matters; and the registry of the rules that raise one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from chaffinch.core.registry import Registry
from chaffinch.training.diagnostics.snapshot import Snapshot

About = Literal["labels", "training"]
Severity = Literal["warning", "note"]


@dataclass(frozen=True, eq=False)
class Raised:
    """What a rule says when it raises its alarm.

    Attributes:
        reason: A sentence without the full stop, with the numbers behind it.
        values: These numbers by name.
        ids: Positions of the samples that it is about, if there are some.
        subject: What it is about, where a rule may speak of several things (a source, a class).
    """

    reason: str
    values: dict[str, float] = field(default_factory=dict)
    ids: NDArray[np.int64] | None = None
    subject: str = ""


@dataclass(frozen=True, eq=False)
class Alarm:
    """An alarm that was raised.

    Attributes:
        name: Of the rule.
        about: ``labels``, or how the ``training`` goes.
        severity: ``warning``, or ``note`` for what is worth knowing and may be harmless.
        epoch: From 0; the reason counts epochs from 1, as people do.
        reason: What was seen.
        values: The numbers behind it.
        ids: Positions of the samples that it is about, or None.
        subject: Of several things that the rule may speak of, which.
    """

    name: str
    about: About
    severity: Severity
    epoch: int
    reason: str
    values: dict[str, float]
    ids: NDArray[np.int64] | None = None
    subject: str = ""

    def to_dict(self) -> dict[str, Any]:
        """All of it in plain values, for a log; at most 1,000 ids."""
        ids = None if self.ids is None else [int(one) for one in self.ids[:1000]]
        plain = {name: getattr(self, name) for name in ("name", "about", "severity", "epoch")}
        return {
            **plain,
            "subject": self.subject,
            "reason": self.reason,
            "values": {name: float(value) for name, value in self.values.items()},
            "ids": ids,
        }


History = Sequence[Snapshot]
"""Snapshots of the epochs so far, the latest last; never empty."""

Check = Callable[[History], Raised | None]


@dataclass(frozen=True)
class Rule:
    """A named rule; called with the history after every epoch.

    Attributes:
        name: Of its alarms.
        about: As in `Alarm`.
        severity: As in `Alarm`.
        summary: One line.
        check: Says what it has seen, or None.
    """

    name: str
    about: About
    severity: Severity
    summary: str
    check: Check

    def __call__(self, history: History) -> Alarm | None:
        """Look at the history; None where there is nothing to say."""
        raised = self.check(history)
        if raised is None:
            return None
        return Alarm(
            self.name,
            self.about,
            self.severity,
            history[-1].epoch,
            raised.reason,
            raised.values,
            raised.ids,
            raised.subject,
        )


ALARMS: Registry[Rule] = Registry("rule of alarms")


def alarm(name: str, *, about: About, severity: Severity = "warning") -> Callable[[Check], Rule]:
    """Register a function of the history as a rule; its docstring's first line is the summary."""

    def register(check: Check) -> Rule:
        summary = (check.__doc__ or "").strip().splitlines()[0].rstrip(".")
        return ALARMS.add(name, Rule(name, about, severity, summary, check))

    return register


def share(value: float) -> str:
    """A share as people say it: ``20 %``, ``0.5 %``."""
    percent = 100 * value
    return f"{percent:.0f} %" if percent >= 9.5 else f"{percent:.1f} %".replace(".0 %", " %")
