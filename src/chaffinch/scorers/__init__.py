"""Scorers: one a file, each a pure function of evidence, found by name in `SCORERS`.

Importing a family registers its scorers; each family names its own modules.
"""

from chaffinch.core.scorer import SCORERS, Scorer, scorer
from chaffinch.scorers import dynamics, labels, neighbours, outliers, signals, uncertainty
from chaffinch.scorers.choice import DEFAULT_SCORERS, FAMILIES, Choice, choose
from chaffinch.scorers.fusion import fuse, mean_rank

__all__ = [
    "DEFAULT_SCORERS",
    "FAMILIES",
    "SCORERS",
    "Choice",
    "Scorer",
    "choose",
    "dynamics",
    "fuse",
    "labels",
    "mean_rank",
    "neighbours",
    "outliers",
    "scorer",
    "signals",
    "uncertainty",
]
