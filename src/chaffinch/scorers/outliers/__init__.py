"""Scorers from outliers in gradient space."""

from chaffinch.scorers.outliers import (
    class_forest,
    gradient_norm,
    isolation_forest,
    mahalanobis,
    neighbour_distance,
    one_class_svm,
)
from chaffinch.scorers.outliers.pyod import pyod_scorer, scorer_named

__all__ = [
    "class_forest",
    "gradient_norm",
    "isolation_forest",
    "mahalanobis",
    "neighbour_distance",
    "one_class_svm",
    "pyod_scorer",
    "scorer_named",
]
