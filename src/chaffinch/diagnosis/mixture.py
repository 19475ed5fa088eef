"""A mixture of two normal distributions, for scores without held-out evidence.

Where every score comes from models that saw the labels, nothing tells ambiguity from noise but the
shape of the scores: clean samples gather in one heap, wrong labels in another further up.
"""

import numpy as np
from scipy.special import expit
from sklearn.mixture import GaussianMixture

from chaffinch.core.types import Floats

SEPARATION = 2.0
"""Least distance of the means in root mean square spreads; clean data reach 1.6."""


def upper_heap(scores: Floats, seed: int = 0) -> Floats:
    """Probability that each score belongs to the upper of two normal heaps.

    Args:
        scores: (N,) higher = more suspicious.
        seed: Starts of the EM algorithm.

    Returns:
        (N,) in 0..1, never falling with the score. Zero throughout where one heap describes the
        scores as well as two (Bayesian information criterion), or where the two overlap so much
        that they are rather one skewed heap (Ashman's D below 2; Ashman et al., 1994).
    """
    column = np.asarray(scores, dtype=np.float64)[:, None]
    spread = float(column.std())
    if len(column) < 4 or spread == 0:
        return np.zeros(len(column))
    column = (column - column.mean()) / spread
    one = GaussianMixture(1, random_state=seed).fit(column)
    two = GaussianMixture(2, n_init=3, random_state=seed).fit(column)
    if two.bic(column) >= one.bic(column):
        return np.zeros(len(column))
    lower, upper = np.argsort(two.means_[:, 0])
    means = two.means_[:, 0]
    if means[upper] - means[lower] < SEPARATION * np.sqrt(two.covariances_[:, 0, 0].mean()):
        return np.zeros(len(column))
    precisions = two.precisions_[:, 0, 0]
    heights = np.log(two.weights_) + np.log(precisions) / 2
    z = column[:, 0]
    odds = {h: heights[h] - precisions[h] * (z - means[h]) ** 2 / 2 for h in (lower, upper)}
    probability = expit(odds[upper] - odds[lower])
    # A wide heap also reaches below the narrow one, and a narrow upper one ends: neither may make
    # a more suspicious sample look cleaner.
    probability[z <= means[lower]] = 0
    order = np.argsort(z, kind="stable")
    probability[order] = np.maximum.accumulate(probability[order])
    return np.asarray(probability, dtype=np.float64)
