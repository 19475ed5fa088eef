"""How likely each label is wrong, learned from a few answers: Bayesian logistic regression.

With ``x`` the design of a sample (see `design`), a label is wrong with probability
``expit(x . b)``. A normal prior on ``b`` says how the evidence speaks in other data sets (empirical
Bayes); the answers turn it into a posterior, approximated by a normal distribution around its mode
(Laplace; MacKay, *The evidence framework applied to classification networks*, Neural Computation
1992). Everything that follows is a mean over draws from it, so that what few answers leave open
shows in the probabilities, the rate, and which samples are flagged.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expit, logit

from chaffinch.core.basis import Basis
from chaffinch.core.randomness import stream
from chaffinch.core.types import Codes, Floats

DRAWS = 200
"""Draws from the posterior that every mean is taken over."""

_STEPS = 100
_ENOUGH = 1e-8
_CERTAIN = 1e-4


@dataclass(frozen=True, eq=False)
class Curve:
    """A normal distribution over the D coefficients of the regression.

    Attributes:
        mean: (D,) their means, or the mode of a posterior.
        covariance: (D, D).
    """

    mean: Floats
    covariance: Floats

    def learn(self, x: Floats, wrong: Floats) -> "Curve":
        """The posterior after answers (Newton's method on the log-posterior).

        Args:
            x: (n, D) design of the samples that were answered.
            wrong: (n,) 1 for a wrong label, 0 for a right one, between for a divided answer.
        """
        factor = cho_factor(self.covariance)
        precision = cho_solve(factor, np.eye(len(self.mean)))

        def height(at: Floats) -> float:
            raw = x @ at
            away = at - self.mean
            fit = float((wrong * raw - np.logaddexp(0, raw)).sum())
            return fit - float(away @ precision @ away) / 2

        at, best = self.mean.copy(), height(self.mean)
        for _ in range(_STEPS):
            chance = expit(x @ at)
            slope = x.T @ (wrong - chance) - precision @ (at - self.mean)
            curvature = (x.T * (chance * (1 - chance))) @ x + precision
            step = np.linalg.solve(curvature, slope)
            size = 1.0
            while (found := height(at + size * step)) < best and size > 1e-6:
                size /= 2
            at, gain, best = at + size * step, found - best, max(best, found)
            if gain < _ENOUGH:
                break
        chance = expit(x @ at)
        curvature = (x.T * (chance * (1 - chance))) @ x + precision
        covariance = np.linalg.inv(curvature)
        return Curve(at, (covariance + covariance.T) / 2)

    def draws(self, seed: int = 0) -> Floats:
        """(`DRAWS`, D) coefficients; in pairs on either side of the mean, to be steadier."""
        random = stream(seed, "calibration")
        normal = random.standard_normal((DRAWS // 2, len(self.mean)))
        values, vectors = np.linalg.eigh(self.covariance)
        away = (normal * np.sqrt(np.maximum(values, 0))) @ vectors.T
        return np.concatenate([self.mean + away, self.mean - away])


def basis_of_suspicion(chance: Floats, suggested: Codes) -> Basis:
    """The basis of findings that kept none.

    Args:
        chance: (N,) probability that the label is wrong.
        suggested: (N,) code of the suggested label, -1 where there is none.
    """
    odds = logit(np.clip(chance, _CERTAIN, 1 - _CERTAIN)).astype(np.float32)
    shares = (suggested[:, None] >= 0).astype(np.float32)
    return Basis(("prior",), odds[:, None], suggested[:, None].astype(np.int32), shares)


def design(basis: Basis) -> Floats:
    """(N, D) the regressors; a feature that the basis lacks adds nothing."""
    named = dict(zip(basis.names, basis.features.T.astype(np.float64), strict=True))
    zero = np.zeros(len(basis))
    prior = named["prior"]
    odds = named.get("odds", prior)
    columns = [np.ones(len(basis)), prior, odds, named.get("rest", zero), np.abs(odds)]
    return np.column_stack(columns)


def prior() -> Curve:
    """What is known of the coefficients before any answer."""
    mean = np.array([-1.0, 0.3, 0.5, 0.0, 0.0])
    return Curve(mean, np.diag(np.array([1.5, 0.3, 0.3, 0.3, 0.3]) ** 2))
