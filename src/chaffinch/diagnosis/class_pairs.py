"""Classes that are taken for another one: errors that a model learns to predict.

If two in five samples of one class carry the label of another, a good model predicts just that, and
nothing contradicts it. What gives such errors away is that they do not get rarer where the model is
surest of the class: samples on the border of two classes do. Classes that are taken for one another
in both directions are left alone: nothing tells that from two classes which cannot be told apart.
"""

from typing import NamedTuple

import numpy as np
from scipy.stats import beta

from chaffinch.core.types import Codes, Floats
from chaffinch.diagnosis.floor import surest_of

_SUREST = 1 / 3
_LEAST_PREDICTED, _LEAST_SUREST, _LEAST_COUNT = 30, 20, 3
_LEVEL = 0.95
_LEAST_SHARE = 0.05
_LEAST_FLATNESS = 0.75
_LEAST_OF_ERRORS = 0.7
_MOST_MUTUAL = 0.5
_MOST_OF_GUESS = 2 / 3


class ClassPair(NamedTuple):
    """Samples of class ``right`` of which the share ``rate`` is labelled ``given``."""

    right: int
    given: int
    rate: float


def find_class_pairs(probabilities: Floats, codes: Codes) -> list[ClassPair]:
    """Pairs of classes of which one is given for the other, as often where it is plainest.

    For each predicted class, given labels are counted among its surest third and among the rest. A
    pair counts if the share among the surest is at least 5 % (95 % lower bound), at least three
    quarters of that among the rest, at least 70 % of all errors of the class, and more than twice
    the share in the other direction. The surest predictions of the class must be contradicted at
    most two thirds as often as a guess would be: errors that do not get rarer where predictions
    tell nothing are no sign of anything.

    Args:
        probabilities: (N, C) calibrated to the given labels, made without the sample's own.
        codes: (N,) given labels.
    """
    num_classes = probabilities.shape[1]
    likeliest, sure = probabilities.argmax(axis=1), probabilities.max(axis=1)
    among_surest = np.zeros((num_classes, num_classes))
    candidates = []
    for right in range(num_classes):
        members = np.flatnonzero(likeliest == right)
        if len(members) < _LEAST_PREDICTED:
            continue
        surest = surest_of(members, sure, max(_LEAST_SUREST, int(_SUREST * len(members))))
        size, counts = len(surest), np.bincount(codes[surest], minlength=num_classes)
        everyone = np.bincount(codes[members], minlength=num_classes)
        rest = (everyone - counts) / max(len(members) - size, 1)
        among_surest[right] = counts / size
        by_guess = float((codes != right).mean())
        if 1 - among_surest[right, right] > _MOST_OF_GUESS * by_guess:
            continue
        for given in np.flatnonzero(counts >= _LEAST_COUNT).tolist():
            if given != right:
                low = float(beta.ppf(1 - _LEVEL, counts[given], size - counts[given] + 1))
                candidates.append((right, given, low, float(rest[given])))
    found = []
    for right, given, low, rest_share in candidates:
        share = float(among_surest[right, given])
        errors = 1 - float(among_surest[right, right])
        flat = share >= _LEAST_FLATNESS * rest_share
        mutual = among_surest[given, right] >= _MOST_MUTUAL * share
        if low > _LEAST_SHARE and flat and share >= _LEAST_OF_ERRORS * errors and not mutual:
            found.append(ClassPair(right, given, share))
    return found
