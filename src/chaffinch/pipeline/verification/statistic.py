"""Paired differences, their intervals, and how often one may look."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import norm, t

from chaffinch.core.types import Codes, Floats

BINS = 15
"""Bins of the expected calibration error."""


@dataclass(frozen=True)
class Interval:
    """A difference and where it lies.

    Attributes:
        mean: The estimate.
        low: Lower end.
        high: Upper end.
    """

    mean: float
    low: float
    high: float

    @property
    def helps(self) -> bool:
        """Whether the whole interval is above 0."""
        return self.low > 0

    @property
    def harms(self) -> bool:
        """Whether the whole interval is below 0."""
        return self.high < 0

    def to_dict(self) -> dict[str, float]:
        """For JSON."""
        return {"mean": self.mean, "low": self.low, "high": self.high}


def paired_interval(
    differences: Sequence[Floats], weights: Sequence[Floats], level: float, common: bool
) -> Interval:
    """Interval of the mean paired difference over seeds and held-out samples.

    Seeds vary by what training makes of the data; samples by which of them happened to be held out.
    Where all seeds are marked on the same samples, both count: the variance of the mean is that
    between seeds over their number plus that between samples (of their means over seeds) over
    theirs, which counts what is left over twice and so errs on the wide side. Where every seed has
    samples of its own, the variance between seeds holds both. Degrees of freedom are those of Welch
    and Satterthwaite.

    Args:
        differences: By seed, (M,) what the second version gained on each sample.
        weights: By seed, (M,) how much the sample counts.
        level: 1 - confidence of the interval, two-sided.
        common: Whether all seeds have the same samples.
    """
    means = np.asarray(
        [np.average(d, weights=w) for d, w in zip(differences, weights, strict=True)]
    )
    seeds = len(means)
    parts: list[tuple[float, float]] = []
    if seeds > 1:
        parts.append((float(means.var(ddof=1)) / seeds, seeds - 1))
    if common or seeds == 1:
        by_sample = np.mean(differences, axis=0)
        share = weights[0] / weights[0].sum()
        centred = by_sample - float((share * by_sample).sum())
        # Variance of a weighted mean; its effective size gives the degrees of freedom.
        spread = float((share**2 * centred**2).sum())
        parts.append((spread, max(1.0, 1 / float((share**2).sum()) - 1)))
    variance = sum(part for part, _ in parts)
    mean = float(means.mean())
    if variance <= 0:
        return Interval(mean, mean, mean)
    freedom = variance**2 / sum(part**2 / df for part, df in parts)
    half = float(t.isf(level / 2, freedom)) * variance**0.5
    return Interval(mean, mean - half, mean + half)


def level_of_look(look: int, looks: list[int], alpha: float) -> float:
    """What may be spent at a look, so that all looks together err with at most ``alpha``.

    Of the error that the spending function of O'Brien and Fleming's type (Lan and DeMets,
    Biometrika 1983) allows until then, the part that it did not allow at the look before; by the
    union bound, the sum over the looks is ``alpha``, whatever their dependence.

    Args:
        look: How many seeds were run.
        looks: The numbers of seeds after which one looks, rising; the last is all of them.
        alpha: Allowed error in all.
    """
    earlier = [one for one in looks if one < look]
    before = _spent(earlier[-1] / looks[-1], alpha) if earlier else 0.0
    return _spent(look / looks[-1], alpha) - before


def _spent(share: float, alpha: float) -> float:
    return float(2 * norm.sf(norm.isf(alpha / 2) / share**0.5))


@dataclass(frozen=True)
class Marks:
    """How a model did on held-out samples.

    Attributes:
        accuracy: Weighted share of right answers.
        loss: Weighted mean cross-entropy, in nats.
        ece: Expected calibration error: mean gap between confidence and accuracy in 15 bins (Guo et
            al., ICML 2017).
        by_class: Accuracy by name of a class.
        by_group: Accuracy by name of a group.
    """

    accuracy: float
    loss: float
    ece: float
    by_class: dict[str, float]
    by_group: dict[str, float]


def calibration_error(probabilities: Floats, codes: Codes, weights: Floats) -> float:
    """Weighted expected calibration error of the likeliest class, in 0..1."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == codes
    place = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    share = weights / weights.sum()
    gaps = np.bincount(place, share * (right - confidence), minlength=BINS)
    return float(np.abs(gaps).sum())


def mean_marks(marks: Sequence[Marks]) -> dict[str, Any]:
    """Means over seeds, by name of the mark; those by class and group by their names."""

    def mean(values: list[float]) -> float:
        return float(np.mean(values))

    names = sorted({name for one in marks for name in one.by_class})
    groups = sorted({name for one in marks for name in one.by_group})
    return {
        "accuracy": mean([one.accuracy for one in marks]),
        "loss": mean([one.loss for one in marks]),
        "ece": mean([one.ece for one in marks]),
        "by_class": {
            name: mean([one.by_class[name] for one in marks if name in one.by_class])
            for name in names
        },
        "by_group": {
            name: mean([one.by_group[name] for one in marks if name in one.by_group])
            for name in groups
        },
    }
