"""Consensus by annotators and a classifier of the features (Raykar et al. 2010)."""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold
from sklearn.preprocessing import StandardScaler

from chaffinch.core.types import Floats
from chaffinch.tasks.annotators.answers import Answers
from chaffinch.tasks.annotators.dawid_skene import Fit, class_mix, dawid_skene

_FOLDS = 5
_ROUNDS = 3
_LEAST_WEIGHT = 1e-3


def with_features(answers: Answers, features: Floats, seed: int = 0) -> Fit:
    """Fit confusion matrices and a logistic regression in turns.

    The classifier learns the soft labels of the other folds and says, for each sample, how
    probable the classes are before any answer. As it never saw that sample's own answers, how
    much it is trusted can be learned from how well it predicts them; features of no use are
    not trusted at all.

    Args:
        answers: N samples, W annotators, C classes.
        features: (N, F) numbers.
        seed: Of the folds.
    """
    scaled = StandardScaler().fit_transform(features)
    fit = dawid_skene(answers)
    for _ in range(_ROUNDS):
        predicted = _held_out(scaled, fit.posterior, seed)
        prior = _trusted(answers, fit, predicted)
        fit = dawid_skene(answers, prior, start=fit.posterior)
    return fit


def _held_out(features: Floats, posterior: Floats, seed: int) -> Floats:
    """(N, C) probabilities of classifiers that did not learn from the sample itself."""
    N = len(posterior)
    mix = class_mix(posterior)
    predicted = np.tile(mix, (N, 1))
    if N < 2 * _FOLDS:
        return predicted
    for rest, held in KFold(_FOLDS, shuffle=True, random_state=seed).split(features):
        row, label = np.nonzero(posterior[rest] > _LEAST_WEIGHT)
        if len(np.unique(label)) < 2:
            continue
        weights = posterior[rest][row, label]
        model = LogisticRegression(max_iter=200)
        model.fit(features[rest][row], label, sample_weight=weights)
        # Classes that the fold lacks keep what the mix gives them.
        share = mix[0, model.classes_].sum()
        predicted[np.ix_(held, model.classes_)] = model.predict_proba(features[held]) * share
    clipped = np.clip(predicted, 1e-6, None)
    shares: Floats = clipped / clipped.sum(axis=1, keepdims=True)
    return shares


def _trusted(answers: Answers, fit: Fit, predicted: Floats) -> Floats:
    """(N, C) predictions pulled towards the mix of the classes as the answers warrant."""
    _, W, C = answers.shape
    by_answer = np.log(fit.confusion).transpose(0, 2, 1).reshape(W * C, C)
    answered = np.asarray(answers.given() @ by_answer)
    mix, told = np.log(class_mix(fit.posterior)), np.log(predicted)

    def prior(weight: float) -> Floats:
        logs = (1 - weight) * mix + weight * told
        shares: Floats = logs - logsumexp(logs, axis=1, keepdims=True)
        return shares

    def surprise(weight: float) -> float:
        return -float(logsumexp(answered + prior(weight), axis=1).sum())

    weight = minimize_scalar(surprise, bounds=(0, 1), method="bounded").x
    trusted: Floats = np.exp(prior(float(weight)))
    return trusted
