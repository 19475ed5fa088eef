"""Near-duplicates: samples far closer to one another than samples of this data usually are."""

from dataclasses import dataclass

import numpy as np

from chaffinch.core.evidence import Evidence
from chaffinch.core.types import Floats
from chaffinch.scorers.neighbours.duplicates import limit_of, sorted_neighbours

_STEEP = 4
_BLOCK = 20_000
_LEAST_SAMPLES = 20  # with fewer, nothing is usual


@dataclass(frozen=True, eq=False)
class Duplicates:
    """How likely N samples have near-duplicates.

    Attributes:
        any: (N,) probability of a near-duplicate.
        conflicting: (N,) share of its near-duplicates that have another label.
    """

    any: Floats
    conflicting: Floats


def find_duplicates(evidence: Evidence) -> Duplicates:
    """Tell samples with near-duplicates, in the embeddings or features.

    The probability is a half where the nearest is at a tenth of the usual distance to the eleventh
    nearest. Both halves of a pair have it: nothing says which came first.
    """
    found = Duplicates(np.zeros(len(evidence)), np.zeros(len(evidence)))
    if not (evidence.has("embeddings") or evidence.has("features")):
        return found
    if len(evidence) < _LEAST_SAMPLES:
        return found
    neighbours, distances = sorted_neighbours(evidence)
    limit, codes = limit_of(distances), evidence.labels.codes
    for start in range(0, len(codes), _BLOCK):
        rows = slice(start, start + _BLOCK)
        near = 1 / (1 + (distances[rows] / limit) ** _STEEP)
        unlike = (near * (codes[neighbours[rows]] != codes[rows, None])).sum(axis=1)
        found.any[rows] = near.max(axis=1)
        found.conflicting[rows] = unlike / np.maximum(near.sum(axis=1), 1e-12)
    return found
