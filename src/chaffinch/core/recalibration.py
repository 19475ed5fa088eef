"""From answers to recalibrated probabilities, flags, rates and intervals."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from chaffinch.core.answers import Answers
from chaffinch.core.basis import Basis
from chaffinch.core.calibration import design, prior
from chaffinch.core.types import Codes, Floats, Mask

_BLOCK = 20_000
_GRID = 2_000
_LEVEL, _DEVIATIONS = 0.9, 1.28


@dataclass(frozen=True, eq=False)
class Calibrated:
    """What answers say of the labels of N samples.

    Attributes:
        chance: (N,) probability that the label is wrong; what was answered is taken as told.
        coefficients: (R, D) draws of the coefficients.
        x: (N, D) design.
        told: (N,) what was answered, NaN where nothing was.
    """

    chance: Floats
    coefficients: Floats
    x: Floats
    told: Floats

    @classmethod
    def of(cls, basis: Basis, answers: Answers) -> "Calibrated":
        """Learn from answers."""
        x, told = design(basis), np.full(len(basis), np.nan)
        told[answers.rows] = answers.wrong
        curve = prior(basis.names).learn(x[answers.rows], answers.wrong)
        coefficients = curve.draws()
        chance = mean_chance(x, coefficients)
        chance[answers.rows] = answers.wrong
        return cls(chance, coefficients, x, told)

    def blocks(self) -> Iterator[tuple[slice, Floats]]:
        """Blocks of samples and their probabilities (R, block) under each draw."""
        for start in range(0, len(self.x), _BLOCK):
            part = slice(start, start + _BLOCK)
            chances = expit(self.coefficients @ self.x[part].T)
            known = ~np.isnan(self.told[part])
            chances[:, known] = self.told[part][known]
            yield part, chances

    def totals(self, groups: Codes, count: int) -> Floats:
        """(R, count) expected number of wrong labels by group under each draw."""
        sums = np.zeros((len(self.coefficients), count))
        for part, chances in self.blocks():
            for group in np.unique(groups[part]):
                sums[:, group] += chances[:, groups[part] == group].sum(axis=1)
        return sums


def mean_chance(x: Floats, coefficients: Floats) -> Floats:
    """(N,) mean over the draws of ``expit(x . b)``."""
    parts = [
        expit(coefficients @ x[start : start + _BLOCK].T).mean(axis=0)
        for start in range(0, len(x), _BLOCK)
    ]
    return np.concatenate(parts)


def before(basis: Basis) -> Floats:
    """(N,) probability that each label is wrong under the prior, before any answer."""
    return mean_chance(design(basis), prior(basis.names).draws())


def hits(calibrated: Calibrated, suspicion: Floats, anomaly: Floats) -> tuple[Codes, Floats]:
    """Expected number of harmful samples among the most suspicious ones, under each draw.

    Args:
        calibrated: The labels.
        suspicion: (N,) by which the samples are ranked.
        anomaly: (N,) probability of harm that is no matter of the label, the same in every draw.

    Returns:
        (G,) numbers of most suspicious samples, and (R, G) expected hits.
    """
    order = np.argsort(-suspicion, kind="stable")
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    size = len(order)
    ends = np.unique(np.minimum(size, np.ceil(np.geomspace(1, size, _GRID))).astype(np.int64))
    sums = np.zeros((len(calibrated.coefficients), len(ends)))
    for part, chances in calibrated.blocks():
        harm = chances + (1 - chances) * anomaly[part]
        cell = np.searchsorted(ends, rank[part], side="right")
        inside = np.argsort(cell, kind="stable")
        starts = np.flatnonzero(np.diff(cell[inside], prepend=-1))
        sums[:, cell[inside][starts]] += np.add.reduceat(harm[:, inside], starts, axis=1)
    return ends, sums.cumsum(axis=1)


def flag(ends: Codes, found: Floats, suspicion: Floats) -> Mask:
    """(N,) the set of highest expected F1 (Lipton et al., ECML 2014), averaged over the draws."""
    total = found[:, -1:]
    scores = (2 * found / np.maximum(ends + total, 1e-12)).mean(axis=0)
    best = int(ends[scores.argmax()])
    flagged = np.zeros(len(suspicion), dtype=np.bool_)
    order = np.argsort(-suspicion, kind="stable")
    flagged[order[:best]] = True
    return flagged


def q_values(ends: Codes, found: Floats, suspicion: Floats) -> Floats:
    """The share of false alarms to reckon with if a sample and all worse ones were flagged.

    Among the n most suspicious samples of one draw, the number of false alarms is a sum of chances,
    and varies around its expectation (Poisson-binomial); so 1.28 standard deviations are added. Of
    all draws, the one counts that `_LEVEL` of them do not exceed.

    Args:
        ends: (G,) numbers of most suspicious samples.
        found: (R, G) expected hits among them under each draw.
        suspicion: (N,).

    Returns:
        (N,) in 0..1, never falling from a more to a less suspicious sample; equal for equals.
    """
    order = np.argsort(-suspicion, kind="stable")
    ranked = suspicion[order]
    spread = np.sqrt(np.cumsum(ranked * (1 - ranked)))[ends - 1]
    shares = np.clip((ends - found + _DEVIATIONS * spread) / ends, 0, 1)
    q = np.interp(np.arange(1, len(ranked) + 1), ends, np.quantile(shares, _LEVEL, axis=0))
    q = q[np.searchsorted(-ranked, -ranked, side="right") - 1]
    values = np.empty(len(ranked))
    values[order] = np.minimum.accumulate(q[::-1])[::-1]
    return values
