"""The little geometry that the hand-drawn SVG charts share."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Tick:
    """A mark on an axis: where it stands, in pixels, and what it says."""

    at: float
    text: str


@dataclass(frozen=True)
class Bar:
    """A rectangle, in pixels, and what it stands for."""

    x: float
    y: float
    width: float
    height: float
    text: str = ""


@dataclass(frozen=True)
class Frame:
    """The plot area of a chart, in pixels from the top left corner.

    Attributes:
        width: Width of the whole drawing.
        height: Height of the whole drawing.
        left: Room for the labels of the vertical axis.
        right: Room for labels beside the lines.
        top: Room above.
        bottom: Room for the labels of the horizontal axis.
    """

    width: int = 560
    height: int = 280
    left: int = 48
    right: int = 12
    top: int = 14
    bottom: int = 44

    @property
    def x1(self) -> int:
        """The right end of the plot area."""
        return self.width - self.right

    @property
    def y1(self) -> int:
        """The lower end of the plot area."""
        return self.height - self.bottom

    def across(self, low: float, high: float) -> Callable[[float], float]:
        """A map from values to horizontal positions."""
        return _linear(low, high, self.left, self.x1)

    def up(self, low: float, high: float) -> Callable[[float], float]:
        """A map from values to vertical positions; larger values stand higher."""
        return _linear(low, high, self.y1, self.top)


def _linear(low: float, high: float, start: float, stop: float) -> Callable[[float], float]:
    span = high - low or 1.0
    return lambda value: round(start + (value - low) / span * (stop - start), 1)


def steps(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round numbers between ``low`` and ``high``, about ``wanted`` of them."""
    if not high > low:
        return [low]
    raw = (high - low) / max(1, wanted)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * nice for nice in (1, 2, 2.5, 5, 10) if power * nice >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(number * step, 10) for number in range(first, last + 1)]


def root_steps(high: float) -> list[int]:
    """Round numbers from 0 to ``high`` that stand well apart on a square-root axis."""
    chosen: list[int] = [0]
    for power in range(math.ceil(math.log10(max(high, 1))) + 1):
        for digit in (1, 2, 5):
            value = digit * 10**power
            apart = math.sqrt(value) - math.sqrt(chosen[-1])
            if value <= high and apart >= 0.13 * math.sqrt(high):
                chosen.append(value)
    return chosen


def line(points: Iterable[tuple[float, float]]) -> str:
    """The ``d`` of an SVG path through the points."""
    return " ".join(f"{'L' if n else 'M'}{x:g} {y:g}" for n, (x, y) in enumerate(points))


def spread(positions: Sequence[float], gap: float) -> list[float]:
    """Move label positions apart so that no two are closer than ``gap``; order is kept."""
    order = np.argsort(positions, kind="stable")
    placed = [0.0] * len(positions)
    for before, now in zip([None, *order[:-1]], order, strict=True):
        floor = -math.inf if before is None else placed[before] + gap
        placed[now] = max(positions[now], floor)
    return placed


def brief(number: float) -> str:
    """A number for an axis: ``0.25``, ``1,000``, ``20k``, ``3M``."""
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if abs(number) >= size * (10 if letter == "k" else 1):
            return f"{number / size:.4g}{letter}"
    if abs(number) >= 1_000:
        return f"{number:,.0f}"
    return f"{number:.4g}"
