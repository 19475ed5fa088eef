"""How much of the training data a clean reference does not account for, score by score.

Scores of N training samples stand against those of M validation samples, computed in the same way.
Where the former are denser, the surplus is what was only put into the training data. No threshold
and no assumption about the shape of the scores is needed, and clean data have no surplus.
"""

import numpy as np
from scipy.stats import binom
from sklearn.isotonic import isotonic_regression

from chaffinch.core.randomness import stream
from chaffinch.core.types import Codes, Floats, Mask

LEAST_REFERENCES = 30
"""With fewer validation samples nothing can be said of a rare kind."""

LEAST_SURPLUS = 0.6
"""Where fewer than three of five training samples are surplus, none of them is called one."""

BY_CHANCE = 0.01
_ROUNDS = 300
_MOST_SHUFFLED = 20_000


def excess(
    scores: Floats, reference: Floats, seed: int = 0, least: int = LEAST_REFERENCES
) -> Floats:
    """Probability that a sample is one of those which the reference does not account for.

    The ratio of the two densities is taken to rise with the score and is fitted by isotonic
    regression; one more reference sample is put above all others, as in conformal tests (Vovk et
    al., 2005), so that a few training samples beyond the largest reference prove nothing.

    Args:
        scores: (N,) of training samples, higher = more suspicious.
        reference: (M,) of clean samples, made in the same way.
        seed: Of the test by permutation.
        least: With a smaller M nothing is found.

    Returns:
        (N,) 0 or in 0.6..1, never falling with the score. Zero throughout where so large a
        surplus is found in one of a hundred shuffled data sets, or M is too small.
    """
    if len(reference) < least or len(scores) < 2:
        return np.zeros(len(scores))
    if surplus_chance(scores, reference, seed) > BY_CHANCE:
        return np.zeros(len(scores))
    values = np.concatenate([scores, reference, [np.inf]])
    ours = np.arange(len(values)) < len(scores)
    names, inverse = np.unique(values, return_inverse=True)
    mine = np.bincount(inverse, weights=ours, minlength=len(names)).astype(np.float64)
    weight = len(scores) / len(reference)
    theirs = np.bincount(inverse, weights=~ours, minlength=len(names)) * weight
    total = mine + theirs
    fitted = isotonic_regression(mine / total, sample_weight=total)
    # Each block of equal fit holds so many of either. Its reference samples are few, and the fit
    # chose its ends where they are fewest: count one standard deviation more of them.
    block = np.unique(fitted, return_inverse=True)[1]
    own = np.bincount(block, weights=mine).astype(np.float64)
    expected = np.bincount(block, weights=theirs) / weight
    expected = (expected + np.sqrt(expected)) * weight
    ordinary = _ordinary_ratio(scores, reference)
    surplus = np.clip(1 - ordinary * expected / np.maximum(own, 1e-12), 0, 1)
    surplus[_by_chance(own, block, ~ours[:-1], inverse[:-1], ordinary * weight)] = 0
    surplus = np.maximum.accumulate(surplus)[block]
    surplus[names < _beginning(names, mine, theirs / ordinary)] = 0
    surplus[surplus < LEAST_SURPLUS] = 0
    found: Floats = surplus[inverse[: len(scores)]]
    return found


def _by_chance(own: Floats, block: Codes, theirs: Mask, inverse: Codes, usual: float) -> Mask:
    """Blocks whose few reference samples are no evidence: so few occur in one of a hundred.

    The fit ends a block where the reference happens to have a gap, just below a true surplus above
    all. ``usual`` is the number of training samples to a reference sample.
    """
    others = np.bincount(block[inverse[theirs]], minlength=len(own))
    chance: Mask = binom.cdf(others, own + others, 1 / (1 + usual)) > BY_CHANCE
    return chance


def _ordinary_ratio(scores: Floats, reference: Floats) -> float:
    """Training samples against reference samples where most are: from the median to the 95th %.

    It may exceed 1: where training lacks a class that the reference has, it holds more of all else.
    """
    low, high = np.quantile(reference, [0.5, 0.95])
    here = float(((scores >= low) & (scores <= high)).mean())
    there = float(((reference >= low) & (reference <= high)).mean())
    return max(here / max(there, 1e-12), 0.5)


def _beginning(names: Floats, mine: Floats, theirs: Floats) -> float:
    """The score above which the surplus is largest; below, the reference accounts for all."""
    gain = np.cumsum((mine - theirs)[::-1])[::-1]
    start: float = names[int(gain.argmax())]
    return start


def surplus_chance(scores: Floats, reference: Floats, seed: int = 0) -> float:
    """Share of shuffled data sets with a surplus in the upper tail at least as large, plus one.

    The surplus is the largest, over all thresholds, of the number of training samples above it
    beyond what the reference leads to expect, in standard deviations.
    """
    random = stream(seed, "surplus")
    scores, reference = _at_most(scores, random), _at_most(reference, random)
    values = np.concatenate([scores, reference])
    order = np.argsort(-values, kind="stable")
    ours = order < len(scores)
    # Ties count at their last member only: the order inside is an accident of the rows.
    ranked = values[order]
    last = np.append(ranked[1:] != ranked[:-1], True)
    seen = _largest_surplus(ours, last)
    shuffled = [_largest_surplus(random.permutation(ours), last) for _ in range(_ROUNDS)]
    return (1 + int(np.sum(np.asarray(shuffled) >= seen))) / (1 + _ROUNDS)


def _largest_surplus(ours: Mask, last: Mask) -> float:
    """The largest standardised surplus over prefixes of at most half of the samples."""
    size = len(ours)
    counts = np.arange(1, size // 2 + 1)
    share = ours.mean()
    above = np.cumsum(ours)[: size // 2]
    spread = np.sqrt(counts * share * (1 - share) * (size - counts) / max(size - 1, 1)) + 1
    standard = np.where(last[: size // 2], (above - counts * share) / spread, -np.inf)
    return float(standard.max(initial=-np.inf))


def _at_most(values: Floats, random: np.random.Generator) -> Floats:
    if len(values) <= _MOST_SHUFFLED:
        return values
    return values[random.choice(len(values), _MOST_SHUFFLED, replace=False)]
