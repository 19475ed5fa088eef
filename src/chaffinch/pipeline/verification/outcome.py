"""What a verification found."""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from chaffinch.core.notebook import shown
from chaffinch.pipeline.verification.statistic import Interval
from chaffinch.repair.plan import Plan
from chaffinch.store.run import write_text

Verdict = Literal["helps", "harms", "no difference", "no repair needed"]

ACCURACY = "accuracy"

VERIFICATION = "verification.json"
"""File in the run folder."""


@dataclass(frozen=True)
class Part:
    """A part of a plan: the edits of one kind, or of one action where there is one kind only.

    Attributes:
        name: Of the kind or action.
        edits: How many there are.
        alone: Accuracy gained by this part alone.
        without: Accuracy gained by the plan without it; None where it is the whole plan.
        withheld: Whether the part did harm and was taken out of the plan.
    """

    name: str
    edits: int
    alone: Interval
    without: Interval | None
    withheld: bool


@dataclass(frozen=True)
class Outcome:
    """The answer to whether a plan of repair helps.

    Attributes:
        verdict: ``helps``, ``harms`` or ``no difference``: where the interval of `difference`
            lies; ``no repair needed``: there is no difference, and the plan changes next to nothing
            or the interval shows that nothing is to be gained or lost.
        difference: Accuracy of the repaired minus that of the original data on held-out samples;
            the interval holds with 95 % over all looks taken on the way.
        control: The same for leaving out as many samples, drawn at random; None where not run.
        marks: By version of the data, the means over seeds of ``accuracy``, ``loss``, ``ece``, and
            accuracies by class and group.
        parts: The ablation.
        plan: The plan without what was withheld.
        seeds: How many were run.
        planned_seeds: How many would have been run if the answer had not been clear before.
        held_out: What the versions were marked on, as a sentence.
        notes: What a reader must know.
        metric: What `difference` counts, "accuracy" or the error of a task by name, whose
            difference is what the repair takes off it: above 0 = better, always.
    """

    verdict: Verdict
    difference: Interval
    control: Interval | None
    marks: dict[str, dict[str, Any]]
    parts: tuple[Part, ...]
    plan: Plan
    seeds: int
    planned_seeds: int
    held_out: str
    notes: tuple[str, ...] = ()
    metric: str = ACCURACY

    @property
    def passes(self) -> bool:
        """Whether the plan may be applied with a good conscience, or there is nothing to do."""
        return self.verdict in ("helps", "no repair needed")

    @property
    def withheld(self) -> tuple[str, ...]:
        """Names of the parts that were taken out of the plan."""
        return tuple(part.name for part in self.parts if part.withheld)

    def __repr__(self) -> str:
        d = self.difference
        if self.metric != ACCURACY:
            return (
                f"Outcome({self.verdict!r}: {self.metric} less by {d.mean:+.4g}, "
                f"{d.low:+.4g} to {d.high:+.4g}, {self.seeds} seeds)"
            )
        return (
            f"Outcome({self.verdict!r}: {100 * d.mean:+.2f} points of accuracy, "
            f"{100 * d.low:+.2f} to {100 * d.high:+.2f}, {self.seeds} seeds)"
        )

    def _repr_html_(self) -> str:
        points = "points of accuracy"
        rows = [("the whole plan", f"{len(self.plan):,} kept", _points(self.difference))]
        if self.control is not None:
            rows.append(("as many samples drawn at random", "", _points(self.control)))
        for part in self.parts:
            edits = f"{part.edits:,}" + (", withheld" if part.withheld else "")
            rows.append((part.name, edits, _points(part.alone)))
        table = (("what was changed", "edits", points), rows)
        return shown(repr(self), (self.held_out, *self.notes), [table])

    def to_dict(self) -> dict[str, Any]:
        """Everything, as values that JSON knows; NaN becomes None."""
        record = asdict(self)
        record["plan"] = json.loads(self.plan.to_json())
        record["passes"], record["withheld"] = self.passes, list(self.withheld)
        found: dict[str, Any] = _plain(record)
        return found

    def write(self, folder: str | Path) -> Path:
        """Write ``verification.json`` into a folder; readers see the old file or the new one."""
        path = Path(folder) / VERIFICATION
        write_text(path, json.dumps(self.to_dict(), indent=1, ensure_ascii=False) + "\n")
        return path


def _points(interval: Interval) -> str:
    low, high = 100 * interval.low, 100 * interval.high
    return f"{100 * interval.mean:+.2f} ({low:+.2f} to {high:+.2f})"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
