"""On which scale errors of prediction are alike for small and for large targets."""

from dataclasses import dataclass

import numpy as np

from chaffinch.core.types import Floats

_TAILS = (0.05, 0.5, 0.95)
_MOSTLY = 0.95


@dataclass(frozen=True)
class Scale:
    """A monotonous scale for targets.

    Attributes:
        log: Whether it is that of logarithms, on which a factor is a shift.
        least: On a logarithmic scale the least target that has a place of its own; what is not
            positive lies below all that is.
    """

    log: bool
    least: float = 0.0

    @classmethod
    def of(cls, targets: Floats) -> "Scale":
        """The scale for some targets (N,): logarithmic where that makes them less skewed.

        A few targets that are not positive are no obstacle, for they may be errors.
        """
        positive = targets[targets > 0]
        if len(positive) < _MOSTLY * len(targets) or np.ptp(positive) == 0:
            return cls(log=False)
        log = abs(_skew(np.log(positive))) < abs(_skew(positive))
        return cls(log, float(positive.min()) if log else 0.0)

    def of_targets(self, targets: Floats) -> Floats:
        """(N,) targets on this scale."""
        if not self.log:
            return targets.astype(np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = np.log(targets.astype(np.float64))
        below = np.log(self.least) - 1.0
        placed: Floats = np.where(targets > 0, logs, below)
        return placed

    def to_targets(self, values: Floats) -> Floats:
        """(N,) values of this scale as targets."""
        return np.exp(values) if self.log else values


def _skew(values: Floats) -> float:
    """Bowley's skewness between the outer 5 %: in -1..1, and deaf to a few wild values."""
    low, middle, high = np.quantile(values, _TAILS)
    return float((high + low - 2 * middle) / (high - low)) if high > low else 0.0
