"""Charts of the live page: lines by epoch, and the margins of both sides."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chaffinch.report import wording
from chaffinch.report.chart import Bar, Frame, Tick, brief, line, spread, steps
from chaffinch.report.learning import Curve
from chaffinch.training.diagnostics.snapshot import Spread

_GAP = 17.0
_KINDS = {
    "suspected": "held-out",
    "trusted": "plain",
    "training": "plain",
    "validation": "held-out",
    "estimate": "held-out",
}

Values = Sequence[tuple[int, float]]
"""Pairs of an epoch, from 0, and a value; values that are not finite are left out."""


@dataclass(frozen=True)
class Chart:
    """Lines by epoch.

    Attributes:
        title: Of the figure.
        note: What it tells, in a sentence.
        frame: The plot area.
        lines: From the first to the last epoch.
        across: Marks of the epochs.
        up: Marks of the values.
        said: The last values in words, for those who do not see the drawing.
    """

    title: str
    note: str
    frame: Frame
    lines: tuple[Curve, ...]
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    said: str


def draw_lines(title: str, note: str, series: Mapping[str, Values], shares: bool) -> Chart | None:
    """Draw lines; None where no value is known.

    Args:
        title: Of the figure.
        note: What it tells.
        series: By name of a line its values.
        shares: Whether values are shares in 0..1, shown in percent.
    """
    finite = {
        name: [(epoch + 1, value) for epoch, value in values if math.isfinite(value)]
        for name, values in series.items()
    }
    known = {name: values for name, values in finite.items() if values}
    if not known:
        return None
    frame = Frame(width=520, height=250, right=132)
    epochs = max(epoch for values in known.values() for epoch, _ in values)
    highest = max(value for values in known.values() for _, value in values)
    top = min(1.0, 1.08 * highest + 0.01) if shares else 1.08 * highest or 1.0
    x, y = frame.across(1, max(2, epochs)), frame.up(0, top)
    say = wording.percent if shares else brief
    places = spread([y(values[-1][1]) for values in known.values()], _GAP)
    lines = []
    for (name, values), place in zip(known.items(), places, strict=True):
        points = [(x(epoch), y(value)) for epoch, value in values]
        said = say(values[-1][1]) if shares else f"{values[-1][1]:.3g}"
        kind = _KINDS.get(name, "plain")
        lines.append(Curve(name, kind, line(points), points[-1], place, said))
    marks = [step for step in steps(1, max(2, epochs)) if step == int(step) and step <= epochs]
    return Chart(
        title,
        note,
        frame,
        tuple(lines),
        tuple(Tick(x(mark), f"{mark:g}") for mark in marks or [1]),
        tuple(
            Tick(y(value), wording.tick_percent(value) if shares else brief(value))
            for value in steps(0, top, 4)
        ),
        "; ".join(f"{one.name} {one.value}" for one in lines),
    )


@dataclass(frozen=True)
class Heaps:
    """Margins of both sides as bars, each side by itself.

    Attributes:
        frame: The plot area.
        trusted: Bars above the line.
        suspected: Bars below it.
        middle: Height of the line.
        zero: Where the label ties with the greatest other output.
        across: Marks of the margins.
    """

    frame: Frame
    trusted: tuple[Bar, ...]
    suspected: tuple[Bar, ...]
    middle: float
    zero: float
    across: tuple[Tick, ...]


def draw_heaps(found: Spread | None) -> Heaps | None:
    """Draw the margins: trusted samples stand up, suspected ones hang down.

    Heights are square roots of counts, so that a small heap beside a large one is still seen.
    """
    if found is None:
        return None
    frame = Frame(width=520, height=250, right=20)
    x = frame.across(float(found.edges[0]), float(found.edges[-1]))
    highest = [math.sqrt(max(1, int(side.max()))) for side in (found.trusted, found.suspected)]
    room = frame.y1 - frame.top
    middle = frame.top + room * highest[0] / sum(highest)
    scale = room / sum(highest)
    bars: dict[bool, list[Bar]] = {True: [], False: []}
    for at, (left, right) in enumerate(zip(found.edges[:-1], found.edges[1:], strict=True)):
        width = round(x(float(right)) - x(float(left)) - 1, 1)
        for up, side in ((True, found.trusted), (False, found.suspected)):
            height = round(scale * math.sqrt(int(side[at])), 1)
            top = round(middle - height if up else middle, 1)
            bars[up].append(Bar(x(float(left)), top, width, height))
    return Heaps(
        frame,
        tuple(bars[True]),
        tuple(bars[False]),
        round(middle, 1),
        x(0.0),
        tuple(
            Tick(x(value), brief(value))
            for value in steps(float(found.edges[0]), float(found.edges[-1]))
        ),
    )
