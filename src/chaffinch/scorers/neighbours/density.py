"""Distance to the nearest training samples: globally, scaled by the place, inside the class."""

import numpy as np
from numpy.typing import NDArray

from chaffinch.core.evidence import Evidence
from chaffinch.core.scorer import once_per_evidence, scorer
from chaffinch.core.types import Codes, Floats
from chaffinch.scorers.neighbours import knn
from chaffinch.scorers.neighbours.cosine import class_neighbourhood, members


@once_per_evidence
def mean_distance(evidence: Evidence) -> Floats:
    """(N,) mean cosine distance to the 10 nearest; 1 for a sample without any other."""
    cosines = knn.neighbourhood(evidence)[1][:, : knn.NUM_NEIGHBOURS].astype(np.float64)
    if not cosines.shape[1]:
        return np.ones(len(cosines))
    distances: Floats = np.maximum(1 - cosines.mean(axis=1), 0)
    return distances


def relative_to_neighbours(distances: Floats, neighbours: NDArray[np.int64]) -> Floats:
    """(N,) how much larger each of (N,) distances is than the mean of its (N, k) neighbours'.

    A ratio of 1 means as dense as the surroundings; 1 as well where all distances are zero.
    """
    if not neighbours.shape[1]:
        return np.ones(len(distances))
    around = distances[neighbours].mean(axis=1)
    floor = 1e-6  # float32 cosines of equal rows differ from 1 by as much
    ratios: Floats = (distances + floor) / (around + floor)
    return ratios


def relative_to_class(distances: Floats, codes: Codes, num_classes: int) -> Floats:
    """(N,) distances divided by the median of the class, so that wide classes do not stand out."""
    scaled = np.asarray(distances, dtype=np.float64).copy()
    floor = 1e-6
    for own in members(codes, num_classes):
        if len(own):
            scaled[own] = (scaled[own] + floor) / (np.median(scaled[own]) + floor)
    return scaled


@scorer(
    "knn_distance",
    family="neighbours",
    needs=("embeddings|features",),
    paper="Ramaswamy et al., Efficient Algorithms for Mining Outliers, SIGMOD 2000",
)
def knn_distance(evidence: Evidence, _seed: int) -> Floats:
    """Mean cosine distance to the 10 nearest training samples."""
    return mean_distance(evidence)


@scorer(
    "local_distance",
    family="neighbours",
    needs=("embeddings|features",),
    paper="Breunig et al., LOF, SIGMOD 2000 (here the ratio of mean distances)",
)
def local_distance(evidence: Evidence, _seed: int) -> Floats:
    """Mean distance to the 10 nearest, divided by that of these neighbours themselves."""
    neighbours = knn.neighbourhood(evidence)[0][:, : knn.NUM_NEIGHBOURS]
    return relative_to_neighbours(mean_distance(evidence), neighbours)


@scorer(
    "class_distance",
    family="neighbours",
    needs=("embeddings|features",),
    paper="Ramaswamy et al., SIGMOD 2000, inside the class",
)
def class_distance(evidence: Evidence, _seed: int) -> Floats:
    """Mean cosine distance to the 10 nearest of the own class, in units of the class's median."""
    distances = class_neighbourhood(evidence)[1].mean(axis=1)
    return relative_to_class(distances, evidence.labels.codes, len(evidence.labels.classes))
