"""Fusion: one suspicion from the posterior of the noise model and the training dynamics.

Held-out predictions know how often labels are wrong, but spend a share of the data on every model.
Training dynamics see every sample in full and rank very well, but cannot say where to stop. So the
ranking takes both, and the scale comes from the former.
"""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit

from chaffinch.core.types import Floats

_CERTAIN = 1e-9


def log_odds(probabilities: Floats) -> Floats:
    """(N,) log-odds, finite also for 0 and 1."""
    odds: Floats = logit(np.clip(probabilities, _CERTAIN, 1 - _CERTAIN))
    return odds


def common_scale(scores: Floats, posterior: Floats) -> Floats:
    """Shift and scale scores so that the median is 0 and the expected error is at 1.

    Args:
        scores: (N,) higher = more suspicious.
        posterior: (N,) probability that a label is wrong, which weights the mean over errors.

    Returns:
        (N,) float64; zeros where the scores do not tell errors from the median.
    """
    centre = float(np.median(scores))
    expected = float((scores * posterior).sum() / max(posterior.sum(), _CERTAIN))
    reach = expected - centre
    return (scores - centre) / reach if reach > 1e-12 else np.zeros(len(scores))


def fuse(posterior: Floats, dynamics: Sequence[Floats]) -> Floats:
    """Add the log-odds of the posterior and the mean of the dynamics scores, on a common scale.

    Args:
        posterior: (N,) probability that a label is wrong, from held-out evidence.
        dynamics: Scores (N,) from training, higher = more suspicious; may be none.

    Returns:
        (N,) float64, higher = more suspicious, without a unit.
    """
    total = common_scale(log_odds(posterior), posterior)
    for scores in dynamics:
        scaled = common_scale(scores, posterior)
        # Where the errors lie within the spread of all samples, the scale would blow up noise.
        total = total + scaled / max(1.0, float(scaled.var())) / len(dynamics)
    return total


def calibrate(scores: Floats, posterior: Floats) -> Floats:
    """Turn scores into probabilities by a logistic curve fitted to soft targets (Platt, 1999).

    The slope is positive, so the order is kept; the mean of the result is that of the targets.

    Args:
        scores: (N,) higher = more suspicious.
        posterior: (N,) soft targets in 0..1.

    Returns:
        (N,) in 0..1.
    """
    mean = float(np.clip(posterior.mean(), _CERTAIN, 1 - _CERTAIN))

    def cost(parameters: Floats) -> tuple[float, Floats]:
        slope = np.exp(parameters[0])
        raw = slope * scores + parameters[1]
        excess = expit(raw) - posterior
        value = float((np.logaddexp(0, raw) - posterior * raw).mean())
        return value, np.array([(excess * scores).mean() * slope, excess.mean()])

    bounds = [(-10.0, 10.0), (-60.0, 60.0)]
    found = minimize(cost, [0.0, logit(mean)], jac=True, method="L-BFGS-B", bounds=bounds)
    probabilities: Floats = expit(np.exp(found.x[0]) * scores + found.x[1])
    return probabilities
