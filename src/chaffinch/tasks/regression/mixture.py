"""Right, slipped or wrong: how likely each, by how far a target lies from what is expected of it.

A target that is right lies around its prediction with the spread that is expected there; one that
slipped does so after the slip is undone; one that is wrong lies where any target of the whole set
may lie. The shares of the three, and how heavy the tails of right targets are, are learned
together by expectation-maximisation.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import gaussian_kde, t

from chaffinch.core.types import Floats
from chaffinch.tasks.regression.scale import Scale
from chaffinch.tasks.regression.slip import Slip, jacobians

_DEGREES = (2.0, 2.5, 3.0, 4.0, 5.0, 7.0, 10.0, 15.0, 30.0, 100.0)
_STEPS = 60
_TOLERANCE = 1e-6
_START = 0.05
_LEAST_COUNT = 1.0
_GRID = 512


@dataclass(frozen=True, eq=False)
class Shares:
    """How likely each of N targets is right, slipped or wrong.

    Attributes:
        right: (N,).
        slipped: (N, S), by slip.
        wrong: (N,).
        degrees: Degrees of freedom of Student's distribution, by which right targets are spread.
        width: Its width in expected spreads.
    """

    right: Floats
    slipped: Floats
    wrong: Floats
    degrees: float
    width: float


def tell_apart(
    targets: Floats, expected: Floats, spread: Floats, scale: Scale, slips: tuple[Slip, ...]
) -> Shares:
    """Say how likely each target is right, slipped or wrong.

    Args:
        targets: (N,) as given.
        expected: (N,) predictions by models that did not see the target, on the scale.
        spread: (N,) the standard deviation that is expected there, on the scale.
        scale: The scale.
        slips: The S slips that are looked for.
    """
    placed = scale.of_targets(targets)
    off = (placed - expected) / spread
    undone = np.stack([scale.of_targets(slip.undo(targets)) for slip in slips])
    factors = jacobians(slips, scale.log)[:, None]
    off_undone = (undone - expected) / spread
    anywhere = _density(placed)
    weights = np.concatenate([[1 - 2 * _START], np.full(len(slips), _START / len(slips)), [_START]])
    degrees, width = 5.0, 1.0
    for _ in range(_STEPS):
        near = t.pdf(np.vstack([off, off_undone]) / width, degrees) / (width * spread)
        near[1:] *= factors
        joint = weights[:, None] * np.vstack([near, anywhere])
        shares = joint / np.maximum(joint.sum(axis=0), 1e-300)
        # A slip that hardly any target shows is chance: its prior takes one sample off.
        counts = shares.sum(axis=1)
        counts[1:-1] = np.maximum(counts[1:-1] - _LEAST_COUNT, 0)
        fresh = counts / counts.sum()
        degrees, width = _tails(off, shares[0])
        done = np.abs(fresh - weights).max() < _TOLERANCE
        weights = fresh
        if done:
            break
    return Shares(shares[0], shares[1:-1].T, shares[-1], degrees, width)


def _tails(off: Floats, right: Floats) -> tuple[float, float]:
    """Degrees of freedom and width of Student's distribution under which ``off`` is likeliest."""
    size = float(right.sum())
    best = (-np.inf, 5.0, 1.0)
    for degrees in _DEGREES:
        width = 1.0
        for _ in range(20):
            pull = (degrees + 1) / (degrees + (off / width) ** 2)
            width = max(float(np.sqrt((right * pull * off**2).sum() / size)), 1e-9)
        likelihood = float((right * t.logpdf(off / width, degrees)).sum()) - size * np.log(width)
        best = max(best, (likelihood, degrees, width))
    return best[1], best[2]


def _density(placed: Floats) -> Floats:
    """(N,) how dense targets of the whole set lie at each of them."""
    low, high = float(placed.min()), float(placed.max())
    if not high > low:
        return np.ones(len(placed))
    grid = np.linspace(low, high, _GRID)
    found = np.interp(placed, grid, gaussian_kde(placed)(grid))
    # Where hardly any target lies, an even spread over the whole range is the least.
    least: Floats = np.maximum(found, 0.05 / (high - low))
    return least
