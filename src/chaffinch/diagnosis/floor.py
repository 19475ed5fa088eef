"""A floor under the rate of wrong labels: what the surest predictions contradict.

A model that learned wrong labels is calibrated to them, so its softness explains every
contradiction, and maximum likelihood takes noise for ambiguity. Where it is surest there is least
ambiguity to blame: the share of given labels contradicted there is a floor of the rate that needs
no model of ambiguity.

Slips that have nothing to do with the sample (a flip, a wrong key) fall on all other classes
alike. Mistakes that people make fall on the class that the sample resembles, which is the one that
predictions rank next. So how the contradictions of sure predictions spread over the other classes
tells the two apart, and what happens on the samples that are less sure follows from that: slips are
as frequent there, mistakes are more frequent.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import logsumexp
from scipy.stats import beta

from chaffinch.core.types import Codes, Floats
from chaffinch.scorers.probability import normalise

SUREST, SURE = 0.1, 0.3
"""Shares of the samples that count as surest, for the floor, and as sure, for how it spreads."""

_LEAST_SUREST = 50
_LEAST_CONTRADICTED = 3
_LEAST_TOP = 5
_LEVEL = 0.9
_BY_CHANCE = 0.008
_SURE_BY_CHANCE = 0.15
"""Share of its disagreement that a right model has among sure predictions: .12 at most on clean
digits, letters, clothes and photographs, .17 and more where people labelled these."""
_EASIER, _AS_MANY = 0.6, 100
"""Mistakes among the surest by those among the sure, and how many samples that counts as."""
_SLIPS, _MISTAKES = 0.3, 0.55
_WEAK, _STRONG = 0.65, 0.77
_FEW_CLASSES, _MOST_CLASSES = 0.6, 0.75
_BIAS_PRICE = 1e-4
_SURER = 1e-3
"""Predictions that give a class hardly more than its share of the labels tell nothing."""


@dataclass(frozen=True)
class Floor:
    """What sure predictions say of the rate of wrong labels.

    Attributes:
        contradicted: Labels contradicted among the surest predictions.
        surest: How many these are.
        disagreement: Share of all labels that differ from the likeliest class.
        by_chance: The same share for a model that always says the most frequent class.
        spread: (surest, sure) 0..1, how far contradicting labels are those that predictions rank
            next: 0 if they fall on all other classes alike. NaN where too few are contradicted,
            or with two classes.
        sure_contradicted: Labels contradicted among the sure predictions.
        sure: How many these are.
        coverage: Number of classes among the surest predictions by that among all, each the
            exponential of its entropy: 1 if the surest are of all classes alike.
        strength: 0..1, how much better than by chance the model predicts right labels: 1 if the
            floor explains all of its disagreement.
    """

    contradicted: int
    surest: int
    disagreement: float
    by_chance: float
    spread: tuple[float, float] = (np.nan, np.nan)
    coverage: float = 1.0
    sure_contradicted: int = 0
    sure: int = 0

    @property
    def rate(self) -> float:
        """Share of the surest predictions that the labels contradict."""
        return self.contradicted / max(self.surest, 1)

    @property
    def low(self) -> float:
        """Its lower bound, at 90 % (Clopper and Pearson, 1934)."""
        if not self.contradicted:
            return 0.0
        wrong, right = self.contradicted, self.surest - self.contradicted + 1
        return float(beta.ppf(1 - _LEVEL, wrong, right))

    @property
    def smooth_rate(self) -> float:
        """The rate, drawn towards what the sure predictions let expect where the surest are few."""
        if not self.sure:
            return self.rate
        expected = _EASIER * self.sure_contradicted / self.sure
        return (self.contradicted + _AS_MANY * expected) / (self.surest + _AS_MANY)

    @property
    def certainty(self) -> float:
        """Probability that surest or sure predictions miss more than those of a right model."""
        surest = _exceeds(_BY_CHANCE, self.contradicted, self.surest)
        if not self.sure:
            return surest
        usual = _SURE_BY_CHANCE * self.disagreement
        return max(surest, _exceeds(usual, self.sure_contradicted, self.sure))

    @property
    def strength(self) -> float:
        """0..1, see the class."""
        reach = max(self.by_chance - self.rate, 1e-3)
        return float(np.clip(1 - (self.disagreement - self.rate) / reach, 0, 1))

    @property
    def ceiling(self) -> float:
        """Rate of wrong labels if every sample has one right class that a person could tell.

        Beyond the floor, a contradiction is then the model's mistake or the label's. The weaker
        the model, the more of them are its own.
        """
        return self.rate + max(self.disagreement - self.rate, 0) * self.strength

    def mistakes(self, fitted: float) -> float:
        """0..1, how far the floor is made of mistakes that people make rather than of slips.

        Args:
            fitted: The rate that a model of slips and ambiguity estimates. Where it explains the
                floor, contradictions of the very surest must look like mistakes, too; where it is
                far below, that counts the less the weaker the model is, which may be the one that
                errs. Nor do surest predictions of a weak model for a few easy classes say much.
        """
        top, wide = self.spread
        if np.isnan(wide):
            return 0.0
        explained = fitted >= _LEVEL * self.low
        seen = min(top, wide) if explained and not np.isnan(top) else wide
        strong = (self.strength - _WEAK) / (_STRONG - _WEAK)
        covered = (self.coverage - _FEW_CLASSES) / (_MOST_CLASSES - _FEW_CLASSES)
        share = np.clip((seen - _SLIPS) / (_MISTAKES - _SLIPS), 0, 1)
        share *= np.clip(max(fitted / max(self.low / 2, 1e-6), strong), 0, 1)
        share *= np.clip(max(covered, strong), 0, 1)
        return float(share)


def _exceeds(share: float, hits: int, size: int) -> float:
    """Probability that a rate exceeds a share after so many hits (Jeffreys' prior)."""
    return float(beta.sf(share, hits + 0.5, size - hits + 0.5))


def read_floor(probabilities: Floats, codes: Codes) -> Floor:
    """Compare the surest predictions with the given labels.

    Args:
        probabilities: (N, C) calibrated to the given labels (`calibrated`), made without them.
        codes: (N,) given labels.
    """
    size, num_classes = probabilities.shape
    likeliest, sure = probabilities.argmax(axis=1), probabilities.max(axis=1)
    most = float(np.bincount(codes, minlength=num_classes).max()) / size
    telling = np.flatnonzero(sure > most + _SURER)
    wrong = likeliest != codes
    fewest = max(1, min(_LEAST_SUREST, size // 5), int(SUREST * size))
    surest = surest_of(telling, sure, fewest)
    spread = (np.nan, np.nan)
    parts = [surest_of(telling, sure, int(part * size)) for part in (SUREST, SURE)]
    if num_classes > 2:
        disputed = [rows[wrong[rows]] for rows in parts]
        least = (_LEAST_TOP, _LEAST_CONTRADICTED)
        spread = (
            _spread(probabilities, codes, disputed[0], least[0]),
            _spread(probabilities, codes, disputed[1], least[1]),
        )
    coverage = 0.0
    if len(surest):
        coverage = _num_classes(likeliest[surest]) / _num_classes(likeliest)
    return Floor(
        int(wrong[surest].sum()),
        len(surest),
        float(wrong.mean()),
        1 - most,
        spread,
        coverage,
        sure_contradicted=int(wrong[parts[1]].sum()),
        sure=len(parts[1]),
    )


def _num_classes(codes: Codes) -> float:
    """Effective number of classes: the exponential of the entropy of their shares."""
    shares = np.bincount(codes) / len(codes)
    shares = shares[shares > 0]
    return float(np.exp(-(shares * np.log(shares)).sum()))


def surest_of(rows: NDArray[np.int64], sure: Floats, count: int) -> NDArray[np.int64]:
    """So many of the rows of which predictions are surest; more where the last ones are tied.

    Args:
        rows: Positions to choose from.
        sure: (N,) probability of the likeliest class.
        count: How many.
    """
    if not 0 < count < len(rows):
        return rows[:count]
    least = np.partition(sure[rows], -count)[-count]
    chosen: NDArray[np.int64] = rows[sure[rows] >= least]
    return chosen


def _spread(probabilities: Floats, codes: Codes, rows: NDArray[np.int64], least: int) -> float:
    """Share of contradicting labels drawn as predictions rank the other classes, not evenly."""
    if len(rows) < least:
        return float("nan")
    others = probabilities[rows].astype(np.float64)
    place = np.arange(len(rows))
    others[place, others.argmax(axis=1)] = 0
    others /= np.maximum(others.sum(axis=1, keepdims=True), 1e-300)
    ratio = others[place, codes[rows]] * (probabilities.shape[1] - 1)
    shares = np.linspace(0, 1, 51)
    likelihood = np.log(1 - shares[:, None] * (1 - ratio) + 1e-9).sum(axis=1)
    return float(shares[likelihood.argmax()])


def calibrated(log_probabilities: Floats, codes: Codes, fit_on: NDArray[np.int64]) -> Floats:
    """Predictions calibrated to the given labels: one temperature, and a shift for each class.

    Args:
        log_probabilities: (N, C), made without the sample's own label.
        codes: (N,) given labels.
        fit_on: Rows that temperature and shifts are learned from.

    Returns:
        (N, C) probabilities (Guo et al., ICML 2017; bias-corrected as in Alexandari et al., 2020).
    """
    learned, given = log_probabilities[fit_on], codes[fit_on]
    rows = np.arange(len(given))

    def cost(parameters: Floats) -> tuple[float, Floats]:
        shifts = np.append(0.0, parameters[1:])
        scale = np.exp(parameters[0])
        scores = scale * learned + shifts
        scores -= logsumexp(scores, axis=1, keepdims=True)
        excess = np.exp(scores)
        excess[rows, given] -= 1
        value = -float(scores[rows, given].mean()) + _BIAS_PRICE * float((shifts**2).sum())
        slope = excess.mean(axis=0)[1:] + 2 * _BIAS_PRICE * shifts[1:]
        by_scale = float((excess * learned).sum(axis=1).mean()) * scale
        return value, np.append(by_scale, slope)

    start = np.zeros(log_probabilities.shape[1])
    bounds = [(-3.0, 3.0)] + [(-5.0, 5.0)] * (len(start) - 1)
    found = minimize(cost, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    scores = np.exp(found[0]) * log_probabilities + np.append(0.0, found[1:])
    normalise(scores)
    probabilities: Floats = np.exp(scores, out=scores)
    return probabilities
