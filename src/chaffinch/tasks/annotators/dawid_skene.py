"""Consensus by a confusion matrix for each annotator (Dawid and Skene 1979)."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from chaffinch.core.types import Floats
from chaffinch.tasks.annotators.answers import Answers

# Pseudo-answers for each true class, spread as the annotators taken together answer: of
# 0.5 to 32, the best at predicting answers that were held out.
SMOOTHING = 1.0
_MOST_STEPS = 500
_TOLERANCE = 1e-6


@dataclass(frozen=True, eq=False)
class Fit:
    """What annotators answer and which class is right.

    Attributes:
        posterior: (N, C) probability that each class is the right one.
        confusion: (W, C, C) probability that an annotator answers [.., .., k] where [.., c, ..]
            is right; rows sum to 1.
        prior: (N, C) or (1, C) probability of the classes before any answer.
        difficulty: (N,) for GLAD, how hard each sample is, above 0; else None.
    """

    posterior: Floats
    confusion: Floats
    prior: Floats
    difficulty: Floats | None = None


def majority_vote(answers: Answers) -> Fit:
    """The share of each class among the answers, and confusions against it."""
    votes = answers.votes()
    posterior = votes / np.maximum(votes.sum(axis=1, keepdims=True), 1)
    posterior[votes.sum(axis=1) == 0] = 1 / votes.shape[1]
    return Fit(posterior, confusion_of(answers, posterior), class_mix(posterior))


def dawid_skene(
    answers: Answers,
    prior: Floats | None = None,
    start: Floats | None = None,
    smoothing: float = SMOOTHING,
) -> Fit:
    """Fit by expectation-maximisation, from the majority vote.

    Args:
        answers: N samples, W annotators, C classes.
        prior: (N, C) probabilities of the classes before any answer; by default the mix of the
            classes, estimated with the rest.
        start: (N, C) first posterior; by default the shares of the votes.
        smoothing: Pseudo-answers of each annotator for each true class, spread as all
            annotators together answer; keeps those with few answers near the rest.
    """
    given = answers.given()
    posterior = majority_vote(answers).posterior if start is None else start
    for _ in range(_MOST_STEPS):
        confusion = confusion_of(answers, posterior, smoothing)
        before = class_mix(posterior) if prior is None else prior
        updated = posterior_of(given, confusion, before)
        change = np.abs(updated - posterior).max()
        posterior = updated
        if change < _TOLERANCE:
            break
    return Fit(posterior, confusion, before)


def class_mix(posterior: Floats) -> Floats:
    """(1, C) how frequent each class is, never 0."""
    mass = posterior.sum(axis=0, keepdims=True) + 1.0
    mix: Floats = mass / mass.sum()
    return mix


def confusion_of(answers: Answers, posterior: Floats, smoothing: float = SMOOTHING) -> Floats:
    """(W, C, C) confusion matrices given how probable each class is for each sample."""
    _, W, C = answers.shape
    counts = (answers.given().T @ posterior).reshape(W, C, C).transpose(0, 2, 1)
    pooled = counts.sum(axis=0) + 1.0
    pooled /= pooled.sum(axis=1, keepdims=True)
    smooth = counts + max(smoothing, 1e-9) * pooled
    confusion: Floats = smooth / smooth.sum(axis=2, keepdims=True)
    return confusion


def posterior_of(given: csr_matrix, confusion: Floats, prior: Floats) -> Floats:
    """(N, C) probability of each class given the answers."""
    W, C, _ = confusion.shape
    by_answer = np.log(confusion).transpose(0, 2, 1).reshape(W * C, C)
    logs = np.asarray(given @ by_answer) + np.log(prior)
    logs -= logs.max(axis=1, keepdims=True)
    scaled = np.exp(logs)
    posterior: Floats = scaled / scaled.sum(axis=1, keepdims=True)
    return posterior
