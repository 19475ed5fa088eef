"""Influence estimators: one estimator, many curvature solvers."""

from chaffinch.influence import solvers
from chaffinch.influence.attribution import Attribution, attribute, estimate, self_influence
from chaffinch.influence.checkpoint import CheckpointedTasks
from chaffinch.influence.diagnostics import Diagnostics, InfluenceWarning
from chaffinch.influence.disk import attribute_to_disk
from chaffinch.influence.estimator import ESTIMATORS, Preset, Targets
from chaffinch.influence.evidence import (
    counterfactual_influence,
    counterfactual_rows,
    last_layer_self_influence,
)
from chaffinch.influence.last_layer import LastLayer

__all__ = [
    "ESTIMATORS",
    "Attribution",
    "CheckpointedTasks",
    "Diagnostics",
    "InfluenceWarning",
    "LastLayer",
    "Preset",
    "Targets",
    "attribute",
    "attribute_to_disk",
    "counterfactual_influence",
    "counterfactual_rows",
    "estimate",
    "last_layer_self_influence",
    "self_influence",
    "solvers",
]
