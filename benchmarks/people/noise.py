"""Which labels are made wrong, by name; all counts are exact and every flip changes its label."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chaffinch.core.types import Codes, Mask
from chaffinch.corruptions import class_dependent_flips, flips_by_matrix, uniform_flips

SOURCES = 5


@dataclass(frozen=True, eq=False)
class Noisy:
    """Labels of which some are wrong.

    Attributes:
        codes: (N,) given labels.
        errors: (N,) whether each is wrong.
        sources: (N,) who labelled the sample, where the noise depends on it, else None.
    """

    codes: Codes
    errors: Mask
    sources: NDArray[np.int64] | None = None


Noise = Callable[[Codes, int], Noisy]


@dataclass(frozen=True)
class Recipe:
    """A way to make labels wrong.

    Attributes:
        group: ``clean``, ``uniform`` or ``systematic``.
        apply: From right codes (N,) and a seed.
        least_classes: How many classes it takes to differ from the other recipes.
    """

    group: str
    apply: Noise
    least_classes: int = 2


def clean(codes: Codes, _seed: int) -> Noisy:
    """All labels right."""
    return Noisy(codes, np.zeros(len(codes), dtype=np.bool_))


def uniform(rate: float) -> Noise:
    """A share of all labels, each other class equally likely."""
    return lambda codes, seed: Noisy(*uniform_flips(codes, rate, seed))


def class_dependent(rate: float) -> Noise:
    """A share of all labels, each class confused with one other."""
    return lambda codes, seed: Noisy(*class_dependent_flips(codes, rate, seed))


def one_sided(rate: float) -> Noise:
    """A share of the samples of one class, drawn by the seed; all other classes are right."""

    def apply(codes: Codes, seed: int) -> Noisy:
        size = int(codes.max()) + 1
        wrong = int(np.random.default_rng([seed, 1]).integers(size))
        matrix = np.eye(size)
        matrix[wrong] = rate / (size - 1)
        matrix[wrong, wrong] = 1 - rate
        return Noisy(*flips_by_matrix(codes, matrix, seed))

    return apply


def one_pair(rate: float) -> Noise:
    """A share of the samples of one class get the label of one other; the seed draws both."""

    def apply(codes: Codes, seed: int) -> Noisy:
        size = int(codes.max()) + 1
        wrong, other = np.random.default_rng([seed, 2]).choice(size, 2, replace=False)
        matrix = np.eye(size)
        matrix[wrong, other] = rate
        matrix[wrong, wrong] = 1 - rate
        return Noisy(*flips_by_matrix(codes, matrix, seed))

    return apply


def one_source(rate: float) -> Noise:
    """One of five sources has a share of its labels wrong, each other class equally likely."""

    def apply(codes: Codes, seed: int) -> Noisy:
        sources = np.random.default_rng([seed, 3]).integers(SOURCES, size=len(codes))
        bad = sources == 0
        share = round(rate * int(bad.sum())) / len(codes)
        return Noisy(*uniform_flips(codes, share, seed, among=bad), sources)

    return apply


RECIPES = {
    "clean": Recipe("clean", clean),
    "uniform-05": Recipe("uniform", uniform(0.05)),
    "uniform-10": Recipe("uniform", uniform(0.1)),
    "uniform-20": Recipe("uniform", uniform(0.2)),
    "uniform-40": Recipe("uniform", uniform(0.4)),
    "class-20": Recipe("systematic", class_dependent(0.2), 3),
    "one-sided-20": Recipe("systematic", one_sided(0.2)),
    "pair-20": Recipe("systematic", one_pair(0.2), 3),
    "pair-40": Recipe("systematic", one_pair(0.4), 3),
    "source-40": Recipe("systematic", one_source(0.4)),
}
