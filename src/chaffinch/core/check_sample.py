"""Which samples people should look at first: a random draw with known inclusion probabilities.

Each sample has a size, which grows with how unsure it is whether its label is wrong, and is drawn
with probability ``pi = min(1, count * size / total)`` by systematic sampling (Madow, *On the theory
of systematic sampling, II*, Annals of Mathematical Statistics 1949): the sizes are laid end to end
and a comb with `count` teeth and a random start picks those it hits. The samples lie in the order
of suspicion and, among the alike, of class, so that every stratum of suspicion gets its share of
the draw, rounded up or down, and the classes within it as well. With probability ``pi`` known and
positive for every sample, weighting by ``1 / pi`` gives unbiased totals of the whole set (Horvitz
and Thompson, JASA 1952). Sizes proportional to the standard deviation ``sqrt(p (1 - p))`` make
their variance least (Neyman, 1934); the floor under them holds it down where ``p`` is mistaken.
"""

import numpy as np
from scipy.stats import kstest

from chaffinch.core.types import Codes, Floats

STRATA = 7
"""Strata of suspicion, each with an equal part of the sizes."""

FLOOR = 0.25
"""Share of the draw that is spread evenly over all samples."""

_BY_CHANCE = 1e-4


def sizes(chance: Floats) -> Floats:
    """(N,) relative inclusion probability of each sample, with mean 1.

    Args:
        chance: (N,) probability that each label is wrong.
    """
    spread = np.sqrt(np.clip(chance * (1 - chance), 1e-12, None))
    relative: Floats = (1 - FLOOR) * spread / spread.mean() + FLOOR
    return relative


def inclusion(sizes: Floats, count: int) -> Floats:
    """(N,) probability of being among `count` samples, proportional to the sizes where below 1."""
    pi: Floats = np.minimum(1.0, count * sizes / sizes.sum())
    while True:
        sure = pi >= 1
        left = count - int(np.count_nonzero(sure))
        rest = float(sizes[~sure].sum())
        if left <= 0 or rest <= 0:
            return pi
        scaled = left * sizes[~sure] / rest
        pi[~sure] = np.minimum(1.0, scaled)
        if (scaled <= 1).all():
            return pi


def strata(chance: Floats, sizes: Floats) -> Codes:
    """(N,) stratum of suspicion of each sample, 0 for the least suspicious."""
    order = np.argsort(chance, kind="stable")
    middle = np.cumsum(sizes[order]) - sizes[order] / 2
    number = np.empty(len(chance), dtype=np.int64)
    number[order] = np.minimum(STRATA - 1, (STRATA * middle / sizes.sum()).astype(np.int64))
    return number


def draw(pi: Floats, strata: Codes, codes: Codes, count: int, random: np.random.Generator) -> Codes:
    """Rows of a systematic sample.

    Args:
        pi: (N,) inclusion probabilities, which sum to `count`.
        strata: (N,) strata of suspicion.
        codes: (N,) given labels.
        count: How many to draw.
        random: Decides the order within stratum and class, and the start.

    Returns:
        (count,) different rows, in random order.
    """
    order = np.lexsort((random.random(len(pi)), codes, strata))
    ends = np.cumsum(pi[order])
    ends *= count / ends[-1]
    teeth = random.random() + np.arange(count)
    rows = order[np.minimum(np.searchsorted(ends, teeth, side="right"), len(pi) - 1)]
    return np.asarray(random.permutation(np.unique(rows)), dtype=np.int64)


def weights_of(chance: Floats, rows: Floats) -> tuple[Floats, bool]:
    """Weights of samples that were likely drawn as above, up to a factor.

    Laid end to end by size in the order of suspicion, samples of such a draw are spread evenly. If
    they are not (Kolmogorov's test), they were chosen in another way.

    Args:
        chance: (N,) probability that each label is wrong, at the time of the draw.
        rows: (n,) positions of the samples; NaN counts for none.

    Returns:
        (n,) one over the size, NaN throughout where they were not drawn, and whether they were.
    """
    size, known = sizes(chance), np.unique(rows[~np.isnan(rows)]).astype(np.int64)
    order = np.argsort(chance, kind="stable")
    ends = np.empty(len(size))
    ends[order] = np.cumsum(size[order]) / size.sum()
    if len(known) and kstest(ends[known], "uniform").pvalue < _BY_CHANCE:
        return np.full(len(rows), np.nan), False
    weights = np.full(len(rows), np.nan)
    weights[~np.isnan(rows)] = 1 / size[rows[~np.isnan(rows)].astype(np.int64)]
    return weights, True
