"""A model of missing and invented tags, fitted to held-out predictions and the given tags alone.

Of each tag k, sources of log-odds made without the sample's own tag are stacked and calibrated,
``t = sigmoid(a_k + sum_r w_rk s_rk)``, and the given tag is assumed to be

- missing with probability ``m_k`` where the tag holds,
- invented with probability ``f_k`` where it does not.

So a given tag has probability ``(1 - m_k) t + f_k (1 - t)``, whose likelihood separates predictions
that are soft from tags that are wrong: the former are never contradicted where they are sure. That
is the model of `chaffinch.diagnosis.noise_model` for two classes, with two differences that tags
need. Both directions have a rate of their own from the start and the calibration has an offset,
because tags go missing much more often than they are invented. And the rates of the K tags are
drawn from a common distribution (partial pooling), because most tags have too few samples to tell
their own: by itself each tag would be given a rate of zero, or one far too high. How far they lie
apart is chosen by the marginal likelihood (Laplace's approximation; MacKay, *Bayesian
interpolation*, Neural Computation 1992).

Asymptotes of a logistic curve as rates of error: Hausman, Abrevaya and Scott-Morton,
*Misclassification of the dependent variable in a discrete-response setting*, Journal of
Econometrics 1998.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from chaffinch.core.randomness import stream
from chaffinch.core.types import Codes, Floats, Mask
from chaffinch.tasks.multilabel.tags import PRESENT, UNKNOWN, Tags

_MAX_CELLS = 400_000
_LEAST_ROWS = 2_000
_USUAL, _SPREAD = -4.0, 1.5
"""Log-odds of the common rates beforehand: about 2 % of tags, hardly ever above 30 %."""
_APART = (0.25, 0.5, 1.0, 2.0)
"""How far log-odds of the rates of single tags may lie from the common one (standard deviation)."""
_LOOSE = 2.0
"""The same of offsets around 0, and of weights around an even mean of the sources."""
_STARTS = (-4.0, -1.8)
_STEEPEST, _FARTHEST = 20.0, 6.0
_STEP, _LEAST_CURVATURE = 1e-4, 1e-3
_TINY = 1e-300


@dataclass(frozen=True, eq=False)
class TagNoise:
    """Calibration and rates of error of K tags.

    Attributes:
        offsets: (K,) of the stacked log-odds.
        weights: (R, K) weight of each source, at least 0.
        missing: (K,) probability that a tag that holds is not given.
        invented: (K,) probability that a tag that does not hold is given.
        typical: (missing, invented) rates around which those of the tags were drawn.
        apart: Standard deviation of the log-odds of the rates of the tags around these.
        likelihood: (K,) mean log-likelihood of the given tags, in nats; 0 for tags without any.
    """

    offsets: Floats
    weights: Floats
    missing: Floats
    invented: Floats
    typical: tuple[float, float]
    apart: float
    likelihood: Floats

    @classmethod
    def fit(cls, sources: Floats, tags: Tags, seed: int = 0) -> "TagNoise":
        """Fit by maximum a posteriori.

        Args:
            sources: (R, N, K) log-odds that each tag holds, made without that tag of that sample.
            tags: Of the N samples; unknown ones count nothing.
            seed: Chooses the samples to fit on where there are many.
        """
        tried = []
        for apart in _APART:
            posterior = _Posterior.of(sources, tags, apart, seed)
            for missing in _STARTS:
                for invented in _STARTS:
                    vector = posterior.maximum(missing, invented)
                    tried.append((posterior.evidence(vector), posterior, vector))
        _, posterior, vector = max(tried, key=lambda one: one[0])
        return posterior.model(vector)

    def predict(self, sources: Floats) -> Floats:
        """(N, K) probability that each tag holds, before the given one is seen."""
        chance: Floats = expit(_stacked(self.offsets, self.weights, sources))
        return chance

    def given(self, sources: Floats) -> Floats:
        """(N, K) probability that each tag is given: what `predict` says, through the errors."""
        chance = self.predict(sources)
        told: Floats = (1 - self.missing) * chance + self.invented * (1 - chance)
        return told

    def holds(self, sources: Floats, tags: Tags) -> Floats:
        """(N, K) probability that each tag holds; of unknown ones as `predict` says."""
        chance = self.predict(sources)
        told = (1 - self.missing) * chance + self.invented * (1 - chance)
        if_present = (1 - self.missing) * chance / np.maximum(told, _TINY)
        if_absent = self.missing * chance / np.maximum(1 - told, _TINY)
        found = np.where(tags.values == PRESENT, if_present, if_absent)
        right: Floats = np.clip(np.where(tags.values == UNKNOWN, chance, found), 0, 1)
        return right


def _stacked(offsets: Floats, weights: Floats, sources: Floats) -> Floats:
    total: Floats = offsets + np.einsum("rk,rnk->nk", weights, sources)
    return total


@dataclass(frozen=True, eq=False)
class _Posterior:
    """What the fit maximises, as a function of one vector.

    The vector holds offsets (K), weights (R K), how far the log-odds of missing and of invented
    tags are from the common ones (K each, in units of `apart`), and these two.
    """

    sources: Floats
    present: Mask
    known: Mask
    apart: float

    @classmethod
    def of(cls, sources: Floats, tags: Tags, apart: float, seed: int) -> "_Posterior":
        values = tags.values
        most = max(_LEAST_ROWS, _MAX_CELLS // (len(sources) * values.shape[1]))
        if len(values) > most:
            random = stream(seed, "tag noise")
            rows = np.sort(random.choice(len(values), most, replace=False))
            sources, values = sources[:, rows], values[rows]
        return cls(np.asarray(sources, np.float64), values == PRESENT, values != UNKNOWN, apart)

    @property
    def size(self) -> tuple[int, int]:
        """R sources and K tags."""
        return len(self.sources), int(self.sources.shape[2])

    def maximum(self, missing: float, invented: float) -> Floats:
        """The vector of highest posterior, from a start at these log-odds of the common rates."""
        count, width = self.size
        even = [np.zeros(width), np.full(count * width, 1 / count), np.zeros(2 * width)]
        free: list[tuple[float | None, float | None]] = [(None, None)]
        offsets: list[tuple[float | None, float | None]] = [(-_FARTHEST, _FARTHEST)]
        weights: list[tuple[float | None, float | None]] = [(0.0, _STEEPEST)]
        found = minimize(
            self.cost,
            np.concatenate([*even, [missing, invented]]),
            jac=True,
            method="L-BFGS-B",
            bounds=offsets * width + weights * (count * width) + free * (2 * width + 2),
            options={"maxiter": 500},
        )
        vector: Floats = found.x
        return vector

    def cost(self, vector: Floats) -> tuple[float, Floats]:
        """Negative log-posterior and its gradient, both by the number of samples."""
        count, size, width = self.sources.shape
        offsets, weights, missing, invented = self._parts(vector)
        chance = expit(_stacked(offsets, weights, self.sources))
        told = (1 - missing) * chance + invented * (1 - chance)
        seen = np.maximum(np.where(self.present, told, 1 - told), _TINY)
        fit = float((np.log(seen) * self.known).sum())
        pull = np.where(self.present, 1.0, -1.0) / seen * self.known
        by_odds = pull * (1 - missing - invented) * chance * (1 - chance)
        by_missing = -(pull * chance).sum(axis=0) * missing * (1 - missing)
        by_invented = (pull * (1 - chance)).sum(axis=0) * invented * (1 - invented)
        slope = np.concatenate(
            [
                by_odds.sum(axis=0),
                np.einsum("nk,rnk->rk", by_odds, self.sources).ravel(),
                by_missing * self.apart,
                by_invented * self.apart,
                [by_missing.sum(), by_invented.sum()],
            ]
        )
        middle, scale = _prior(count, width)
        away = (vector - middle) / scale
        fit -= float(away @ away) / 2
        return -fit / size, -(slope - away / scale) / size

    def evidence(self, vector: Floats) -> float:
        """Log of the marginal likelihood, up to a constant that `apart` does not change.

        By Laplace's approximation at the maximum. Given the common rates the tags are independent,
        so the curvature is a block of 3 + R entries for each tag, bordered by two rows.
        """
        (count, width), size = self.size, self.sources.shape[1]
        places = np.arange((3 + count) * width).reshape(-1, width)  # (3 + R, K)
        blocks = np.stack([self._curvature(vector, place)[places] for place in places], axis=1)
        border = np.stack([self._curvature(vector, [place]) for place in (-2, -1)], axis=1)
        blocks = np.moveaxis(blocks, 2, 0)  # (K, 3 + R, 3 + R)
        values, axes = np.linalg.eigh((blocks + np.swapaxes(blocks, 1, 2)) / 2)
        values = np.maximum(values, _LEAST_CURVATURE)
        beside = np.einsum("kij,ikb->kjb", axes, border[places])
        common = border[-2:] - np.einsum("kja,kj,kjb->ab", beside, 1 / values, beside)
        least = np.maximum(np.linalg.eigvalsh((common + common.T) / 2), _LEAST_CURVATURE)
        volume = float(np.log(values).sum() + np.log(least).sum()) / 2
        return float(-self.cost(vector)[0] * size - volume)

    def _curvature(self, vector: Floats, places: Sequence[int] | Codes) -> Floats:
        """Slopes of the gradient when the entries at these places grow together."""
        step = np.zeros(len(vector))
        step[places] = _STEP
        change = self.cost(vector + step)[1] - self.cost(vector - step)[1]
        slopes: Floats = change * self.sources.shape[1] / (2 * _STEP)
        return slopes

    def model(self, vector: Floats) -> TagNoise:
        """The model that the vector stands for."""
        offsets, weights, missing, invented = self._parts(vector)
        chance = expit(_stacked(offsets, weights, self.sources))
        told = (1 - missing) * chance + invented * (1 - chance)
        seen = np.maximum(np.where(self.present, told, 1 - told), _TINY)
        likelihood = (np.log(seen) * self.known).sum(axis=0) / np.maximum(self.known.sum(axis=0), 1)
        typical = (float(expit(vector[-2])), float(expit(vector[-1])))
        return TagNoise(offsets, weights, missing, invented, typical, self.apart, likelihood)

    def _parts(self, vector: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Offsets (K,), weights (R, K), rates of missing (K,) and of invented tags (K,)."""
        count, width = self.size
        apart = vector[-2 * width - 2 : -2].reshape(2, width)
        missing, invented = expit(vector[-2:, None] + self.apart * apart)
        weights = vector[width : width * (1 + count)].reshape(count, width)
        return vector[:width], weights, missing, invented


def _prior(count: int, width: int) -> tuple[Floats, Floats]:
    """Mean and standard deviation of each entry of the vector, all of them normal."""
    middle = np.concatenate(
        [np.zeros(width), np.full(count * width, 1 / count), np.zeros(2 * width), [_USUAL] * 2]
    )
    scale = np.concatenate(
        [np.full(width * (1 + count), _LOOSE), np.ones(2 * width), [_SPREAD] * 2]
    )
    return middle, scale
