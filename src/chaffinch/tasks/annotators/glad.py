"""Consensus by the ability of annotators and the difficulty of samples."""

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_expit

from chaffinch.core.types import Floats
from chaffinch.tasks.annotators.answers import Answers
from chaffinch.tasks.annotators.dawid_skene import Fit, confusion_of, majority_vote

_MOST_STEPS = 50
_STEPS_EACH = 10
_TOLERANCE = 1e-4


def glad(answers: Answers) -> Fit:
    """Fit GLAD (Whitehill et al. 2009) by expectation-maximisation.

    An annotator of ability a answers a sample of easiness b right with probability
    sigmoid(a b), and else each of the other classes alike. Ability has a normal prior around
    1, the logarithm of the easiness too, both of variance 1; before any answer all classes are
    equally probable. All this is as in the paper.
    """
    _, W, C = answers.shape
    posterior = majority_vote(answers).posterior
    parameters = np.ones(W + len(answers.samples))
    for _ in range(_MOST_STEPS):
        right = posterior[answers.sample, answers.label]
        found = minimize(
            _negative_log_posterior,
            parameters,
            (answers, right),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": _STEPS_EACH},
        )
        parameters = found.x
        updated = _posterior(answers, parameters)
        change = np.abs(updated - posterior).max()
        posterior = updated
        if change < _TOLERANCE:
            break
    difficulty = np.exp(-parameters[W:])
    mix = np.full((1, C), 1 / C)
    return Fit(posterior, confusion_of(answers, posterior), mix, difficulty)


def _negative_log_posterior(
    parameters: Floats, answers: Answers, right: Floats
) -> tuple[float, Floats]:
    """The expected negative log posterior of the parameters, and its gradient."""
    N, W, C = answers.shape
    ability, log_easiness = parameters[:W], parameters[W:]
    easiness = np.exp(log_easiness)[answers.sample]
    skill = ability[answers.annotator]
    margin = skill * easiness
    likelihood = right * log_expit(margin) + (1 - right) * (log_expit(-margin) - np.log(C - 1))
    prior = ((ability - 1) ** 2).sum() / 2 + ((log_easiness - 1) ** 2).sum() / 2
    slope = right - expit(margin)
    gradient = np.concatenate(
        [
            ability - 1 - np.bincount(answers.annotator, slope * easiness, W),
            log_easiness - 1 - np.bincount(answers.sample, slope * margin, N),
        ]
    )
    return float(prior - likelihood.sum()), gradient


def _posterior(answers: Answers, parameters: Floats) -> Floats:
    N, W, C = answers.shape
    margin = parameters[:W][answers.annotator] * np.exp(parameters[W:])[answers.sample]
    # All classes get the "wrong" term of each answer; the answered one, the difference too.
    gain = log_expit(margin) - log_expit(-margin) + np.log(C - 1)
    logs = np.bincount(answers.sample * C + answers.label, gain, N * C).reshape(N, C)
    logs -= logs.max(axis=1, keepdims=True)
    scaled = np.exp(logs)
    posterior: Floats = scaled / scaled.sum(axis=1, keepdims=True)
    return posterior
