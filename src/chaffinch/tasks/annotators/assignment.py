"""Which sample to send to which annotator next."""

import numpy as np
from scipy.special import xlogy

from chaffinch.core.types import Codes, Floats
from chaffinch.tasks.annotators.answers import Answers
from chaffinch.tasks.annotators.dawid_skene import Fit


def information_gain(posterior: Floats, confusion: Floats) -> Floats:
    """(N,) how much one answer of an annotator is expected to tell, in nats.

    The mutual information of the right class and the answer: 0 for a sample that is settled
    and for an annotator who answers without looking.

    Args:
        posterior: (N, C) probability of each class.
        confusion: (C, C) what the annotator answers for each right class.
    """
    answer = posterior @ confusion
    blur = -xlogy(confusion, confusion).sum(axis=1)
    gain: Floats = np.maximum(-xlogy(answer, answer).sum(axis=1) - posterior @ blur, 0.0)
    return gain


def best_annotator(answers: Answers, fit: Fit) -> tuple[Codes, Floats]:
    """(N,) annotator who has not answered and would tell the most (-1: none is left), and gain."""
    N, W, _ = answers.shape
    who, gain = np.full(N, -1, np.int64), np.zeros(N)
    order = np.argsort(answers.annotator, kind="stable")
    bounds = np.searchsorted(answers.annotator[order], np.arange(W + 1))
    for one in range(W):
        value = information_gain(fit.posterior, fit.confusion[one])
        value[answers.sample[order[bounds[one] : bounds[one + 1]]]] = -1.0
        better = (value > gain) | ((who == -1) & (value >= 0))
        who[better], gain[better] = one, value[better]
    return who, gain
