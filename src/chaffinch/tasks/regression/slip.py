"""Slips of unit: targets that are right in another unit, or with a shifted point."""

from dataclasses import dataclass

import numpy as np

from chaffinch.core.types import Floats


@dataclass(frozen=True)
class Slip:
    """A mistake that can be undone: the right target is ``factor`` x the given one + ``shift``.

    Attributes:
        name: What happened, as a clause that follows "the target seems".
        factor: Never 0.
        shift: In units of the target.
    """

    name: str
    factor: float
    shift: float = 0.0

    def undo(self, targets: Floats) -> Floats:
        """(N,) the targets as they would be without it."""
        return self.factor * targets + self.shift


def _both(factor: float, up: str, down: str) -> tuple[Slip, Slip]:
    return Slip(up, 1 / factor), Slip(down, factor)


SLIPS: tuple[Slip, ...] = (
    *_both(10.0, "ten times too large", "ten times too small"),
    *_both(100.0, "a hundred times too large", "a hundred times too small"),
    *_both(1000.0, "a thousand times too large", "a thousand times too small"),
    *_both(1 / 0.3048, "in feet instead of metres", "in metres instead of feet"),
    *_both(1 / 2.54, "in inches instead of centimetres", "in centimetres instead of inches"),
    *_both(1 / 0.45359237, "in pounds instead of kilograms", "in kilograms instead of pounds"),
    *_both(1 / 1.609344, "in miles instead of kilometres", "in kilometres instead of miles"),
    Slip("in degrees Fahrenheit instead of Celsius", 1 / 1.8, -32 / 1.8),
    Slip("in degrees Celsius instead of Fahrenheit", 1.8, 32.0),
    Slip("of the opposite sign", -1.0),
)
"""What is looked for; each has a rate of its own, learned from the data."""


def jacobians(slips: tuple[Slip, ...], log: bool) -> Floats:
    """(S,) by what a density of the right target is multiplied to be one of the given target."""
    return np.asarray([1.0 if log else abs(slip.factor) for slip in slips])
