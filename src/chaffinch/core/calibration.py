"""How likely each label is wrong, learned from a few answers: Bayesian logistic regression.

With ``x`` the design of a sample (see `design`), a label is wrong with probability
``expit(x . b)``. The prior on ``b`` says how the evidence speaks in other data sets (empirical
Bayes). There are sorts of these: in some the suspicion is about right as it is, in others the
answers have to say nearly everything. So the prior is a mixture of normal distributions, and the
answers decide between them, too. They turn each into a posterior, approximated by a normal
distribution around its mode, and weigh it by the probability that it gave the answers (Laplace;
MacKay, *The evidence framework applied to classification networks*, Neural Computation 1992).
Everything that follows is a mean over draws, so that what few answers leave open shows in the
probabilities, the rate, and which samples are flagged.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import block_diag, cho_factor, cho_solve
from scipy.special import expit, logit, ndtri, softmax
from scipy.stats import rankdata

from chaffinch.core.basis import Basis
from chaffinch.core.calibration_prior import COVARIANCES, MEANS, WEIGHTS
from chaffinch.core.randomness import stream
from chaffinch.core.types import Codes, Floats

DRAWS = 200
"""Draws from the posterior that every mean is taken over."""

GROUP = "group"
"""Name of the feature of what the rate of a sample's group adds."""

_GROUP_VARIANCE = 0.25
_STEPS = 100
_ENOUGH = 1e-8
_CERTAIN = 1e-4
_SUREST, _LEAST_REST = 12.0, 6.0
_MOST_SUSPECT = 7.0
_SHRINK, _SURE_SHARE = 5.0, 0.1
_CENTRE = np.array([2.0, 3.0])
_SHARES = 1e-3, 0.95


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

    def evidence(self, x: Floats, wrong: Floats, learned: "Curve") -> float:
        """Log-probability of the answers (Laplace's approximation).

        Args:
            x: As for `learn`.
            wrong: As for `learn`.
            learned: What `learn` made of them.
        """
        raw, away = x @ learned.mean, learned.mean - self.mean
        factor = cho_factor(self.covariance, lower=True)
        fit = float((wrong * raw - np.logaddexp(0, raw)).sum())
        before = float(np.log(np.diag(factor[0])).sum())
        after = float(np.linalg.slogdet(learned.covariance)[1]) / 2
        return fit - float(away @ cho_solve(factor, away)) / 2 + after - before

    def draws(self, pairs: int = DRAWS // 2, seed: int = 0) -> Floats:
        """(2 x `pairs`, D) coefficients; in pairs on either side of the mean, to be steadier."""
        random = stream(seed, "calibration")
        normal = random.standard_normal((pairs, len(self.mean)))
        values, vectors = np.linalg.eigh(self.covariance)
        away = (normal * np.sqrt(np.maximum(values, 0))) @ vectors.T
        return np.concatenate([self.mean + away, self.mean - away])


@dataclass(frozen=True, eq=False)
class Mixture:
    """K normal distributions over the D coefficients, one of which holds.

    Attributes:
        shares: (K,) probability of each.
        curves: The K distributions.
    """

    shares: Floats
    curves: tuple[Curve, ...]

    def learn(self, x: Floats, wrong: Floats) -> "Mixture":
        """The posterior after answers, see `Curve.learn`."""
        learned = tuple(curve.learn(x, wrong) for curve in self.curves)
        told = [
            curve.evidence(x, wrong, after)
            for curve, after in zip(self.curves, learned, strict=True)
        ]
        return Mixture(softmax(np.log(self.shares) + told), learned)

    def draws(self, seed: int = 0) -> Floats:
        """(`DRAWS`, D) coefficients, as many of each distribution as its share asks for."""
        exact = self.shares * (DRAWS // 2)
        pairs = np.floor(exact).astype(np.int64)
        short = DRAWS // 2 - int(pairs.sum())
        pairs[np.argsort(pairs - exact, kind="stable")[:short]] += 1
        return np.concatenate(
            [
                curve.draws(count, seed)
                for curve, count in zip(self.curves, pairs.tolist(), strict=True)
            ]
        )


def basis_of_suspicion(chance: Floats, given: Sequence[int], suggested: Sequence[int]) -> Basis:
    """The basis of findings that kept none.

    Args:
        chance: (N,) probability that the label is wrong.
        given: (N,) codes of the given labels.
        suggested: (N,) codes of the suggested labels, -1 where there is none.
    """
    odds = logit(np.clip(chance, _CERTAIN, 1 - _CERTAIN)).astype(np.float32)
    others = np.asarray(suggested, dtype=np.int32)[:, None]
    codes = np.asarray(given, dtype=np.int64)
    return Basis(("prior",), odds[:, None], codes, others, (others >= 0).astype(np.float32))


def design(basis: Basis) -> Floats:
    """(N, D) the regressors, in the order of `chaffinch.core.calibration_prior.MEANS`.

    They are a constant; the log-odds of the likeliest other class over the given one by all
    predictions together, their size, and their hyperbolic tangent; the probability of the remaining
    classes; by how much each kind of prediction differs from all together; by how much the class is
    contradicted more than others; whether its contradictions go one way (given a, predicted b) more
    than back; by how much the suspicion before any answer ranks the sample higher than the
    predictions do, in normal scores; the training dynamics; two figures of the whole set; the
    log-odds of that suspicion, and of its mean; and, where groups differ, what the rate of its
    group adds to the log-odds. What the basis lacks adds nothing.
    """
    named = dict(zip(basis.names, basis.features.T.astype(np.float64), strict=True))
    zero = np.zeros(len(basis))
    odds = np.clip(named.get("odds", named["prior"]), -_SUREST, _SUREST)
    rest = np.maximum(named["rest"], -_LEAST_REST) + _LEAST_REST if "rest" in named else zero
    apart = [
        np.clip(named[name], -_SUREST, _SUREST) - odds if name in named else zero
        for name in ("fold", "neighbours", "forest")
    ]
    rival = named["rival"].astype(np.int64) if "rival" in named else basis.given
    by_class = _contradictions(basis.given, rival, odds) if "rival" in named else (zero, zero)
    higher = zero
    group = named.get(GROUP, zero)
    judged = named["prior"] - group
    if np.ptp(named["prior"]) > 0 and "odds" in named:
        higher = _normal_scores(judged) - _normal_scores(named["odds"])
    columns = [np.ones(len(basis)), odds, np.abs(odds), np.tanh(odds), rest, *apart, *by_class]
    columns += [higher, named.get("dynamics", zero)]
    whole = _whole_set(basis.given, rival, odds) if "rival" in named else (0.0, 0.0)
    columns += [np.full(len(basis), one) for one in whole]
    columns += [np.clip(judged, -_MOST_SUSPECT, _MOST_SUSPECT)]
    columns += [np.full(len(basis), _rate_judged(judged))]
    columns += [group] if GROUP in named else []
    return np.column_stack(columns)


def _normal_scores(values: Floats) -> Floats:
    """(N,) quantiles of the normal distribution by rank (van der Waerden, 1952)."""
    scores: Floats = ndtri((rankdata(values) - 0.5) / len(values))
    return scores


def _whole_set(given: Codes, rival: Codes, odds: Floats) -> tuple[float, ...]:
    """Log-odds of the set as a whole, by which its intercept is better known.

    Of labels that are contradicted, and of these in the tenth of samples of each predicted class
    of which predictions are surest (half a sample added).
    """
    against = odds > 0
    predicted = np.where(against, rival, given)
    order = np.lexsort((-np.abs(odds), predicted))
    sizes = np.bincount(predicted)
    rank = np.arange(len(order)) - (np.cumsum(sizes) - sizes)[predicted[order]]
    surest = order[rank < np.maximum(1, np.round(_SURE_SHARE * sizes))[predicted[order]]]
    floor = (against[surest].sum() + 0.5) / (len(surest) + 1)
    shares = np.clip([against.mean(), floor], *_SHARES)
    found: tuple[float, ...] = tuple(logit(shares) + _CENTRE)
    return found


def _rate_judged(judged: Floats) -> float:
    """Log-odds of the rate of wrong labels before any answer."""
    rate = expit(judged).mean()
    return float(logit(np.clip(rate, *_SHARES))) + float(_CENTRE[1])


def _contradictions(given: Codes, rival: Codes, odds: Floats) -> tuple[Floats, Floats]:
    """(N,) log-odds that labels of the class are contradicted, less those of all; (N,) one way."""
    size = int(max(given.max(), rival.max())) + 1
    counts = np.zeros((size, size))
    np.add.at(counts, (given, rival), expit(odds))
    members = np.bincount(given, minlength=size)
    overall = counts.sum() / len(given)
    share = (counts.sum(axis=1) + _SHRINK * overall) / (members + _SHRINK)
    of_class = logit(np.clip(share, _CERTAIN, 1 - _CERTAIN)) - logit(
        np.clip(overall, _CERTAIN, 1 - _CERTAIN)
    )
    return of_class[given], np.log((counts[given, rival] + 1) / (counts[rival, given] + 1))


def prior(names: Sequence[str] = ()) -> Mixture:
    """What is known of the coefficients before any answer.

    Args:
        names: Features of the basis. Where rates of groups are among them, they count as they are,
            unless answers say otherwise.
    """
    curves = [Curve(mean, covariance) for mean, covariance in zip(MEANS, COVARIANCES, strict=True)]
    if GROUP in names:
        curves = [
            Curve(np.append(one.mean, 1.0), block_diag(one.covariance, _GROUP_VARIANCE))
            for one in curves
        ]
    return Mixture(WEIGHTS, tuple(curves))
