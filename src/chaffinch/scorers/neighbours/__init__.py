"""Scorers from neighbours in a space of features.

Importing a module registers its scorers.
"""

from chaffinch.scorers.neighbours import (
    class_similarity,
    clusters,
    density,
    density_ratio,
    duplicates,
    forest,
    knn,
    mahalanobis,
    novelty,
    simifeat,
)

__all__ = [
    "class_similarity",
    "clusters",
    "density",
    "density_ratio",
    "duplicates",
    "forest",
    "knn",
    "mahalanobis",
    "novelty",
    "simifeat",
]
