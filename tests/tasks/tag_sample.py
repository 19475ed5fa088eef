"""Tags that depend on features and on one another, with errors of known rates."""

import numpy as np

from chaffinch.tasks.multilabel.tags import Tags


def draw(size=1200, width=4, missing=0.0, invented=0.0, seed=0, sure=3.0):
    """Given tags, right ones (N, K), and log-odds of the right ones (N, K) with some noise."""
    random = np.random.default_rng(seed)
    logits = random.normal(-0.5, sure, (size, width))
    right = random.random((size, width)) < 1 / (1 + np.exp(-logits))
    chance = random.random((size, width))
    given = np.where(right, chance >= missing, chance < invented)
    names = tuple("abcdefghij"[:width])
    return Tags(given.astype(np.int8), names), right, logits
