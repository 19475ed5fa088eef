"""A model of label noise, fitted to held-out predictions and the given labels alone.

Held-out predictions are stacked, ``p(k | x) = softmax(sum_r w_r log p_r(k | x))``, and a given
label is assumed right with probability ``1 - rate``, otherwise any other class. Maximising the
likelihood of the *given* labels separates the two reasons for a label to look unlikely: a soft
prediction (ambiguity, absorbed by the weights, a temperature where there is one source) and a
confident contradiction (noise, absorbed by the rate). No clean label and no threshold is needed,
and the posterior of each label being wrong follows by Bayes' rule.

Wrong labels of one class may be more frequent than those of another, or go to one class in
particular. One rate would take such errors for ambiguity and miss them all, so the fit goes on from
there with a transition matrix (`chaffinch.diagnosis.transition`) and keeps it where it explains the
given labels better than its effective number of parameters costs.

The floor of a mixture of a softmax and uniform noise is the model of Goldberger and Ben-Reuven
(ICLR 2017) with a single parameter; here it is fitted after training, on held-out predictions,
together with the temperature (Guo et al., ICML 2017) that makes them calibrated.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from chaffinch.core.randomness import stream
from chaffinch.core.types import Codes, Floats
from chaffinch.diagnosis.class_pairs import ClassPair
from chaffinch.diagnosis.likelihood import (
    centred,
    cost_of_rate,
    cost_of_weights,
    right_classes,
    stacked,
)
from chaffinch.diagnosis.transition import Transition, even, expected_counts, shrunk
from chaffinch.scorers.probability import normalise

MAX_FIT_SAMPLES = 20_000
MAX_TRANSITION_SAMPLES = 6_000
"""Samples that a transition matrix is fitted on; every step sees them all."""

_STARTS = ((0.1, 1.5), (0.2, 2.0), (0.3, 3.0))
"""Rates to start from, and by how much predictions are sharpened to make room for them."""
_STEPS = 20
_CLOSE = 0.02
_PRICE = 1.4
_PRICED_AT = 3_000
"""Nats that an effective parameter must gain on so many samples. Mistakes of a weak model gain
up to 1.4 each (1.8 if it was trained to the end), classes that are really taken for one another
1.4 to 5. Both are systematic, so on more samples they gain more, and the price rises (Akaike's
criterion, against chance only, asks for 1).
"""
_MOST_MUTUAL = 0.5
_MIN_RATE = 1e-5
_SHARPEST = 20.0
_HALF_QUANTILE = 1.92  # of chi squared with one degree of freedom, at 95 %
_HALVINGS = 6
_LEAST_START = 0.05  # of a weight; from zero none finds its way up


@dataclass(frozen=True, eq=False)
class NoiseModel:
    """Weights of the stacked sources and the rate of wrong labels.

    Attributes:
        weights: (R,) non-negative weight of each source of predictions.
        rate: Share of given labels that are wrong, in 0..1.
        likelihood: Mean log-likelihood of the given labels, in nats a sample.
        transition: (C, C) probability of the given label (column) by the right class (row), or
            None for one rate and even spread.
        degrees: Effective number of parameters of the noise.
    """

    weights: Floats
    rate: float
    likelihood: float
    transition: Floats | None = None
    degrees: float = 1.0

    @classmethod
    def fit(cls, sources: Sequence[Floats], codes: Codes, seed: int = 0) -> "NoiseModel":
        """Fit by maximum likelihood.

        Args:
            sources: R arrays (N, C) of log-probabilities (or logits) that were made without the
                sample's own label.
            codes: (N,) given labels.
            seed: Chooses the samples to fit on where there are more than 20,000.
        """
        random = stream(seed, "noise model")
        sources, codes = _part(sources, codes, MAX_FIT_SAMPLES, random)
        one_rate = cls._fit_one_rate(np.stack([centred(source) for source in sources]), codes)
        sources, codes = _part(sources, codes, MAX_TRANSITION_SAMPLES, random)
        stack = np.stack([centred(source) for source in sources])
        # Its likelihood on these very samples, to compare on the same ones.
        known = -cost_of_rate(np.append(one_rate.weights, one_rate.rate), stack, codes)[0]
        models = [_with_transition(one_rate, stack, codes, start) for start in _STARTS]
        best, merit = one_rate, one_rate.merit(len(codes), known)
        for model in models:
            if model.tells_apart and model.merit(len(codes)) > merit:
                best, merit = model, model.merit(len(codes))
        return best

    @property
    def tells_apart(self) -> bool:
        """Whether no two classes are given for one another in half of all cases together.

        Two classes that nothing can tell apart look just so: what is ambiguity would be called
        noise, and every second of their samples wrong.
        """
        if self.transition is None:
            return True
        mutual = self.transition + self.transition.T
        np.fill_diagonal(mutual, 0)
        return float(mutual.max()) < _MOST_MUTUAL

    def merit(self, num_samples: int, likelihood: float | None = None) -> float:
        """Log-likelihood of N samples, less the price of the effective parameters.

        Args:
            num_samples: N.
            likelihood: Mean log-likelihood of these samples; that of the fit by default.
        """
        mean = self.likelihood if likelihood is None else likelihood
        price = _PRICE * max(1.0, num_samples / _PRICED_AT)
        return num_samples * mean - price * self.degrees

    @classmethod
    def _fit_one_rate(cls, stack: Floats, codes: Codes) -> "NoiseModel":
        count, num_classes = len(stack), stack.shape[2]
        highest = 1 - 1 / num_classes
        tried = [  # the likelihood has several maxima where predictions are weak
            minimize(
                cost_of_rate,
                np.append(np.full(count, 1 / count), rate),
                args=(stack, codes),
                jac=True,
                method="L-BFGS-B",
                bounds=[(0, _SHARPEST)] * count + [(_MIN_RATE, highest - _MIN_RATE)],
            )
            for rate in (0.02, 0.2)
        ]
        best = min(tried, key=lambda one: float(one.fun))
        return cls(best.x[:-1], float(best.x[-1]), -float(best.fun))

    def toward(
        self, rate: float, sources: Sequence[Floats], codes: Codes, seed: int = 0
    ) -> "NoiseModel":
        """The model whose rate is the nearest to a given one that these labels do not exclude.

        Few labels, or two classes, leave open how much is noise and how much ambiguity: many rates
        are about as likely. Among those inside of the 95 % interval of the profile likelihood,
        another source of knowledge may choose.

        Args:
            rate: What another source says.
            sources: As for `fit`.
            codes: As for `fit`.
            seed: As for `fit`.

        Returns:
            A model with one rate; this one where it has a transition matrix.
        """
        if self.transition is not None:
            return self
        random = stream(seed, "noise model")
        sources, codes = _part(sources, codes, MAX_FIT_SAMPLES, random)
        stack = np.stack([centred(source) for source in sources])
        wrong = float(np.clip(rate, _MIN_RATE, 1 - 1 / stack.shape[2] - _MIN_RATE))
        least = self.likelihood - _HALF_QUANTILE / len(codes)
        near, middle = self, self.at_rate(wrong, stack, codes)
        if middle.likelihood >= least:
            return middle
        for _ in range(_HALVINGS):
            middle = self.at_rate((near.rate + wrong) / 2, stack, codes)
            if middle.likelihood >= least:
                near = middle
            else:
                wrong = middle.rate
        return near

    def at_rate(self, rate: float, stack: Floats, codes: Codes) -> "NoiseModel":
        """The best weights for a fixed rate, spread evenly over the other classes.

        Args:
            rate: At least 1e-5.
            stack: (R, N, C) as from `centred`.
            codes: (N,) given labels.
        """

        def cost(weights: Floats) -> tuple[float, Floats]:
            value, slope = cost_of_rate(np.append(weights, rate), stack, codes)
            return value, slope[:-1]

        same = len(self.weights) == len(stack)
        start = (
            np.maximum(self.weights, _LEAST_START) if same else np.full(len(stack), 1 / len(stack))
        )
        bounds = [(0, _SHARPEST)] * len(stack)
        found = minimize(cost, start, jac=True, method="L-BFGS-B", bounds=bounds)
        return NoiseModel(found.x, rate, -float(found.fun))

    def with_pairs(self, pairs: Sequence[ClassPair], stack: Floats, codes: Codes) -> "NoiseModel":
        """The same with some classes taken for another one, at the given rates or more.

        A model that learned such errors predicts them, so the likelihood cannot find them; the
        best weights under them follow from it.
        """
        matrix = even(self.rate, stack.shape[2]) if self.transition is None else self.transition
        matrix = matrix.copy()
        for right, given, rate in pairs:
            if matrix[right, given] < rate:
                matrix[right] *= (1 - rate) / (1 - matrix[right, given])
                matrix[right, given] = rate
        found = minimize(
            cost_of_weights,
            np.maximum(self.weights, _LEAST_START),
            args=(stack, matrix, codes),
            jac=True,
            method="L-BFGS-B",
            bounds=[(0, _SHARPEST)] * len(stack),
        )
        known = right_classes(stacked(found.x, stack), matrix, codes)
        common = 1 - float(known[np.arange(len(codes)), codes].mean())
        degrees = self.degrees + len(pairs)
        return NoiseModel(found.x, common, -float(found.fun), matrix, degrees)

    def predict(self, sources: Sequence[Floats]) -> Floats:
        """(N, C) log-probability of each class being right, before the given label is seen."""
        total = self.weights[0] * centred(sources[0])
        for weight, source in zip(self.weights[1:], sources[1:], strict=True):
            total += weight * centred(source)
        normalise(total)
        log_probabilities: Floats = total
        return log_probabilities

    def posterior(
        self, sources: Sequence[Floats], codes: Codes, before: Floats | None = None
    ) -> Floats:
        """(N, C) probability of each class being right, given the predictions and the label.

        Args:
            sources: As for `fit`.
            codes: (N,) given labels.
            before: What `predict` says, if that is known.
        """
        joint = self.predict(sources) if before is None else before.copy()
        num_classes = joint.shape[1]
        if self.transition is not None:
            joint += np.log(self.transition[:, codes].T)
        else:
            joint += np.log(self.rate / (num_classes - 1))
            rows = np.arange(len(codes))
            joint[rows, codes] += np.log1p(-self.rate) - np.log(self.rate / (num_classes - 1))
        normalise(joint)
        return np.exp(joint, out=joint)


def _part(
    sources: Sequence[Floats], codes: Codes, most: int, random: np.random.Generator
) -> tuple[Sequence[Floats], Codes]:
    """At most so many samples, by chance and in their order."""
    if len(codes) <= most:
        return sources, codes
    rows = np.sort(random.choice(len(codes), most, replace=False))
    return [source[rows] for source in sources], codes[rows]


def _with_transition(
    model: NoiseModel, stack: Floats, codes: Codes, start: tuple[float, float]
) -> NoiseModel:
    """Expectation-maximisation of weights and transition matrix from a start (rate, sharpness)."""
    rate, sharpness = start
    weights = np.clip(model.weights, 0.1, _SHARPEST / sharpness) * sharpness
    found = Transition(even(rate, stack.shape[2]), 1.0)
    likelihood = -np.inf
    for _ in range(_STEPS):
        step = minimize(
            cost_of_weights,
            weights,
            args=(stack, found.matrix, codes),
            jac=True,
            method="L-BFGS-B",
            bounds=[(0, _SHARPEST)] * len(stack),
            options={"maxiter": 3},
        )
        weights = step.x
        probabilities = stacked(weights, stack)
        for _ in range(5):  # cheap beside a step of the weights
            found = shrunk(
                expected_counts(right_classes(probabilities, found.matrix, codes), codes)
            )
        before, likelihood = likelihood, -float(step.fun)
        if (likelihood - before) * len(codes) < _CLOSE:
            break
    counts = expected_counts(right_classes(probabilities, found.matrix, codes), codes)
    rate = float(1 - counts.trace() / counts.sum())
    likelihood = -cost_of_weights(weights, stack, found.matrix, codes)[0]
    return NoiseModel(weights, rate, likelihood, found.matrix, found.degrees)
