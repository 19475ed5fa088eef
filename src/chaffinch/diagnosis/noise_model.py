"""A model of label noise, fitted to held-out predictions and the given labels alone.

Held-out predictions are stacked, ``p(k | x) = softmax(sum_r w_r log p_r(k | x))``, and a given
label is assumed right with probability ``1 - rate``, otherwise any other class. Maximising the
likelihood of the *given* labels separates the two reasons for a label to look unlikely: a soft
prediction (ambiguity, absorbed by the weights, a temperature where there is one source) and a
confident contradiction (noise, absorbed by the rate). No clean label and no threshold is needed,
and the posterior of each label being wrong follows by Bayes' rule.

The floor of a mixture of a softmax and uniform noise is the model of Goldberger and Ben-Reuven
(ICLR 2017) with a single parameter; here it is fitted after training, on held-out predictions,
together with the temperature (Guo et al., ICML 2017) that makes them calibrated.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp

from chaffinch.core.randomness import stream
from chaffinch.core.types import Codes, Floats

MAX_FIT_SAMPLES = 20_000
_MIN_RATE = 1e-5
_FLOOR = np.log(1e-6)
"""Log-probabilities are cut here: a prediction made in float32 is never surer than that."""


@dataclass(frozen=True, eq=False)
class NoiseModel:
    """Weights of the stacked sources and the rate of wrong labels.

    Attributes:
        weights: (R,) non-negative weight of each source of predictions.
        rate: Share of given labels that are wrong, in 0..1.
        likelihood: Mean log-likelihood of the given labels, in nats a sample.
    """

    weights: Floats
    rate: float
    likelihood: float

    @classmethod
    def fit(cls, sources: Sequence[Floats], codes: Codes, seed: int = 0) -> "NoiseModel":
        """Fit by maximum likelihood.

        Args:
            sources: R arrays (N, C) of log-probabilities (or logits) that were made without the
                sample's own label.
            codes: (N,) given labels.
            seed: Chooses the samples to fit on where there are more than 20,000.
        """
        if len(codes) > MAX_FIT_SAMPLES:
            random = stream(seed, "noise model")
            rows = np.sort(random.choice(len(codes), MAX_FIT_SAMPLES, replace=False))
            sources, codes = [source[rows] for source in sources], codes[rows]
        stack = np.stack([centred(source) for source in sources])
        count, num_classes = len(stack), stack.shape[2]
        highest = 1 - 1 / num_classes
        best = None
        for rate in (0.02, 0.2):  # the likelihood has several maxima where predictions are weak
            found = minimize(
                _cost,
                np.append(np.full(count, 1 / count), rate),
                args=(stack, codes),
                jac=True,
                method="L-BFGS-B",
                bounds=[(0, 20)] * count + [(_MIN_RATE, highest - _MIN_RATE)],
            )
            best = found if best is None or found.fun < best.fun else best
        if best is None:
            raise AssertionError("unreachable: two starts were tried")
        return cls(best.x[:-1], float(best.x[-1]), -float(best.fun))

    def predict(self, sources: Sequence[Floats]) -> Floats:
        """(N, C) log-probability of each class being right, before the given label is seen."""
        total = self.weights[0] * centred(sources[0])
        for weight, source in zip(self.weights[1:], sources[1:], strict=True):
            total += weight * centred(source)
        total -= logsumexp(total, axis=1, keepdims=True)
        log_probabilities: Floats = total
        return log_probabilities

    def posterior(self, sources: Sequence[Floats], codes: Codes) -> Floats:
        """(N, C) probability of each class being right, given the predictions and the label."""
        joint = self.predict(sources)
        num_classes = joint.shape[1]
        joint += np.log(self.rate / (num_classes - 1))
        rows = np.arange(len(codes))
        joint[rows, codes] += np.log1p(-self.rate) - np.log(self.rate / (num_classes - 1))
        joint -= logsumexp(joint, axis=1, keepdims=True)
        return np.exp(joint, out=joint)


def centred(source: Floats) -> Floats:
    """(N, C) float64 log-probabilities: normalised, and cut so that no class is impossible."""
    wide = np.array(source, dtype=np.float64)
    wide -= logsumexp(wide, axis=1, keepdims=True)
    return np.maximum(wide, _FLOOR, out=wide)


def _cost(parameters: Floats, stack: Floats, codes: Codes) -> tuple[float, Floats]:
    """Mean negative log-likelihood of the given labels and its gradient."""
    weights, rate = parameters[:-1], parameters[-1]
    num_classes = stack.shape[2]
    rows = np.arange(len(codes))
    total = np.tensordot(weights, stack, axes=1)
    total -= logsumexp(total, axis=1, keepdims=True)
    probabilities = np.exp(total)
    own = probabilities[rows, codes]
    slope = 1 - rate - rate / (num_classes - 1)
    seen = rate / (num_classes - 1) + slope * own
    by_own = -slope / seen
    picked = stack[:, rows, codes]
    expected = (stack * probabilities).sum(axis=2)
    by_weights = (by_own * own * (picked - expected)).mean(axis=1)
    by_rate = (-(1 / (num_classes - 1) - own * num_classes / (num_classes - 1)) / seen).mean()
    return -float(np.log(seen).mean()), np.append(by_weights, by_rate)
