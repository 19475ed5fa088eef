"""Scorers: one a file, each a pure function of evidence, found by name in `SCORERS`."""

from chaffinch.core.scorer import SCORERS, Scorer, scorer
from chaffinch.scorers.dynamics import aum, averaged_margin, loss
from chaffinch.scorers.labels import quality
from chaffinch.scorers.neighbours import knn
from chaffinch.scorers.outliers import gradient_norm, isolation_forest
from chaffinch.scorers.signals import self_influence, validation_influence

__all__ = ["SCORERS", "Scorer", "scorer"]

# Importing a module registers its scorers.
_ = (
    aum,
    averaged_margin,
    gradient_norm,
    isolation_forest,
    knn,
    loss,
    quality,
    self_influence,
    validation_influence,
)
