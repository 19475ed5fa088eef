"""Fusion: one suspicion from the posterior of the noise model and the training dynamics.

Held-out predictions know how often labels are wrong, but spend a share of the data on every model.
Training dynamics see every sample in full and rank very well, but cannot say where to stop. So the
ranking takes both, and the scale comes from the former.
"""

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit

from chaffinch.core.types import Floats

_CERTAIN = 1e-9
_MOST = 0.75


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


def own_spread(scores: Floats) -> Floats:
    """(N,) scores less their median, over their standard deviation; zeros where all are equal."""
    spread = float(scores.std())
    scaled: Floats = (scores - np.median(scores)) / max(spread, 1e-12)
    return scaled if spread > 1e-12 else np.zeros(len(scores))


def fuse(
    posterior: Floats,
    training: Floats | None,
    known: float,
    late: float = 0.0,
    trainings: int = 1,
) -> Floats:
    """Add the log-odds of the posterior and what training says, each by what it is worth.

    Where held-out predictions know the classes well, training counts for a quarter and decides
    among labels of which they are alike sure. Where they do not, it counts for half, and if it has
    learned nothing by heart for nearly all.

    Args:
        posterior: (N,) probability that a label is wrong, from held-out predictions.
        training: (N,) scores from training, higher = more suspicious; None without one.
        known: 0..1, how much of the classes the held-out predictions know, see `knowledge`.
        late: 0..1, see `chaffinch.diagnosis.dynamics.late_share`.
        trainings: R, how many of which the result is one: the mean over them will be taken. What
            they say then has less chance in it, so that it counts more; but not where they learned
            the same errors by heart.

    Returns:
        (N,) float64, higher = more suspicious, without a unit.
    """
    odds = own_spread(log_odds(posterior))
    if training is None:
        return odds
    weight = min(known + (1 - known) * (1 - late) / 2, _MOST)
    weight /= weight + (1 - weight) * trainings**late
    fused: Floats = weight * odds + (1 - weight) * training
    return fused


def knowledge(log_probabilities: Floats) -> float:
    """How much of the classes predictions know: 1 if they are certain, 0 if uniform.

    Args:
        log_probabilities: (N, C) calibrated, made before the labels were seen.

    Returns:
        One minus their mean entropy over that of a uniform guess.
    """
    classes = log_probabilities.shape[1]
    if classes < 2:
        return 1.0
    entropy = -float((np.exp(log_probabilities) * log_probabilities).sum(axis=1).mean())
    return float(np.clip(1 - entropy / np.log(classes), 0, 1))


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
