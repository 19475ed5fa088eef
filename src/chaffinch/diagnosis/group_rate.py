"""Rates of wrong labels by group: one source, annotator or time slice may be far worse.

Let a label be wrong with the rate e_g of its group g, and let r be how much likelier it is if it is
wrong than if it is right, by predictions made without it. Then a sample has the likelihood
``1 - e_g + e_g r``, and its label is wrong with the odds ``r e_g / (1 - e_g)``. The rates are drawn
from a beta distribution that all groups share and that is fitted by its marginal likelihood
(empirical Bayes: Robbins, 1956; Efron and Morris, JASA 1973), so a group of few samples keeps to
the others, and groups that differ by chance keep one rate.

No probability that a label is wrong enters here, only ratios of likelihoods: such a probability
holds a rate of all samples already, and to count it by group would be circular.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit, logsumexp

from chaffinch.core.randomness import stream
from chaffinch.core.sample_groups import SampleGroups
from chaffinch.core.types import Codes, Floats, Mask
from chaffinch.diagnosis.likelihood import centred, cost_at_rates, stacked
from chaffinch.diagnosis.noise_model import MAX_FIT_SAMPLES, NoiseModel

_GRID = np.concatenate([[1e-5], np.geomspace(1e-4, 0.02, 24), np.linspace(0.03, 0.99, 60)])
"""Rates over which a group's own one is integrated."""

_MEANS, _STRENGTHS = (1e-4, 0.9), (0.5, 1e4)
"""Bounds of the shared distribution: its mean, and the samples it counts as."""

_LEAST_GAIN = 2.0
"""Nats by which different rates must explain the labels better than one rate. Twice the gain of one
more parameter on its bound exceeds 4 in 2.3 % of sets whose groups are alike (Self and Liang, JASA
1987)."""

_OF_RIVAL = 0.5
"""What rates must gain as a share of `sharpness_gain`. Groups of harder samples come to a tenth of
it, groups with wrong labels to .9 and more."""

_SHARPNESS = np.linspace(-1.5, 1.5, 31)
_CENTRES, _SPREADS = np.linspace(-0.6, 0.6, 13), (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
_STEPS, _CLOSE = 8, 1e-3
_LEAST_WEIGHT, _MOST_WEIGHT = 0.05, 20.0
_LEAST_RATE = 1e-9
_CERTAIN = 1e-12


@dataclass(frozen=True, eq=False)
class GroupRates:
    """The rates of wrong labels of G groups.

    Attributes:
        rates: (G,) posterior means, in 0..1; of the shared distribution for a group without
            samples.
        common: The one rate that explains all samples best.
        gain: Nats that different rates gain over it.
        rival: Nats that groups of harder samples would gain.
    """

    rates: Floats
    common: float
    gain: float
    rival: float = 0.0

    @property
    def differ(self) -> bool:
        """Whether groups differ in their rates, by more than chance or the hardness of samples."""
        return self.gain >= max(_LEAST_GAIN, _OF_RIVAL * self.rival)

    @classmethod
    def fit(cls, ratios: Floats, codes: Codes, num_groups: int) -> "GroupRates":
        """Estimate the rates.

        Args:
            ratios: (N,) logarithms of the likelihood of each label if it is wrong over that if it
                is right.
            codes: (N,) groups 0..G-1.
            num_groups: G.
        """
        log_rates, log_rest = np.log(_GRID), np.log1p(-_GRID)
        known = np.stack(
            [
                np.bincount(codes, np.logaddexp(rest, rate + ratios), num_groups)
                for rate, rest in zip(log_rates, log_rest, strict=True)
            ],
            axis=1,
        )
        alike = known.sum(axis=0)
        common = float(_GRID[alike.argmax()])
        if np.count_nonzero(np.bincount(codes)) < 2:
            return cls(np.full(num_groups, common), common, 0.0)
        widths = np.log(np.gradient(_GRID))

        def density(mean: float, strength: float) -> Floats:
            first, second = mean * strength, (1 - mean) * strength
            values = widths + (first - 1) * log_rates + (second - 1) * log_rest
            scaled: Floats = values - logsumexp(values)
            return scaled

        def cost(parameters: Floats) -> float:
            prior = density(float(expit(parameters[0])), float(np.exp(parameters[1])))
            return -float(logsumexp(prior + known, axis=1).sum())

        start = logit(np.clip(common, 1e-3, 0.8))
        bounds = [tuple(logit(_MEANS)), tuple(np.log(_STRENGTHS))]
        tried = [minimize(cost, [start, np.log(size)], bounds=bounds) for size in (2.0, 50.0)]
        best = min(tried, key=lambda one: float(one.fun))
        posterior = density(float(expit(best.x[0])), float(np.exp(best.x[1]))) + known
        shares = np.exp(posterior - logsumexp(posterior, axis=1, keepdims=True))
        return cls(shares @ _GRID, common, -float(best.fun) - float(alike.max()))

    @property
    def odds(self) -> Floats:
        """(G,) log-odds of the rates."""
        found: Floats = logit(np.clip(self.rates, _LEAST_RATE, 1 - _LEAST_RATE))
        return found


def rates_of_labels(
    model: NoiseModel,
    sources: Sequence[Floats],
    codes: Codes,
    groups: SampleGroups,
    usual: Mask,
    seed: int = 0,
) -> GroupRates:
    """Rates of labels that fall on all other classes alike, by group.

    Weights of the predictions and rates are fitted in turn. So the groups with few wrong labels
    say how soft right labels are, which one rate for all leaves open.

    Args:
        model: The noise model of the labels, to start from.
        sources: R arrays (N, C) of log-probabilities made without the sample's own label.
        codes: (N,) given labels.
        groups: Of the samples.
        usual: (N,) samples to learn from.
        seed: Chooses the samples to fit the weights on where there are more than 20,000.
    """
    rows = np.flatnonzero(usual)
    if len(rows) > MAX_FIT_SAMPLES:
        rows = np.sort(stream(seed, "group rates").choice(rows, MAX_FIT_SAMPLES, replace=False))
    stack = np.stack([centred(source[rows]) for source in sources])
    given, own, size = codes[rows], groups.codes[rows], len(groups.names)
    weights = np.maximum(model.weights, _LEAST_WEIGHT)
    predicted = np.log(stacked(weights, stack))
    found = GroupRates.fit(slip_ratios(predicted, given), own, size)
    for _ in range(_STEPS):
        weights = minimize(
            cost_at_rates,
            weights,
            args=(stack, np.clip(found.rates, _LEAST_RATE, 1 - _LEAST_RATE)[own], given),
            jac=True,
            method="L-BFGS-B",
            bounds=[(0, _MOST_WEIGHT)] * len(stack),
        ).x
        before, predicted = found, np.log(stacked(weights, stack))
        found = GroupRates.fit(slip_ratios(predicted, given), own, size)
        if np.abs(found.rates - before.rates).max() < _CLOSE:
            break
    if not found.differ:
        return found
    return replace(found, rival=sharpness_gain(predicted, given, own, found.common))


def sharpness_gain(log_probabilities: Floats, codes: Codes, groups: Codes, rate: float) -> float:
    """Nats gained if groups differ not in their rates, but in how hard their samples are.

    Predictions of a group are taken to a power of its own under one rate of wrong labels. The
    logarithms of the powers are drawn from a normal distribution fitted like that of the rates.

    Args:
        log_probabilities: (N, C) of each class being right, before the label is seen.
        codes: (N,) given labels.
        groups: (N,) 0..G-1.
        rate: Of wrong labels in all groups.
    """
    rows, others = np.arange(len(codes)), log_probabilities.shape[1] - 1
    known = []
    for power in np.exp(_SHARPNESS):
        scores = power * log_probabilities
        own = np.exp(scores[rows, codes] - logsumexp(scores, axis=1))
        known.append(np.bincount(groups, np.log((1 - rate) * own + rate / others * (1 - own))))
    explained = np.stack(known, axis=1)
    best = -np.inf
    for centre, spread in product(_CENTRES, _SPREADS):
        prior = -(((_SHARPNESS - centre) / spread) ** 2) / 2
        total = logsumexp(prior - logsumexp(prior) + explained, axis=1).sum()
        best = max(best, float(total))
    return best - float(explained.sum(axis=0).max())


def slip_ratios(log_probabilities: Floats, codes: Codes) -> Floats:
    """(N,) log-likelihood of the given label if it was drawn from the other classes, less if right.

    Args:
        log_probabilities: (N, C) of each class being right, before the label is seen.
        codes: (N,) given labels.
    """
    own = log_probabilities[np.arange(len(codes)), codes]
    others = np.log(np.maximum(-np.expm1(own), _CERTAIN))
    ratios: Floats = others - np.log(log_probabilities.shape[1] - 1) - own
    return ratios
