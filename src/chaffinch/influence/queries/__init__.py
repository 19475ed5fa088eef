"""Many queries against training gradients that are kept on disk, from one pass over the data."""

from chaffinch.influence.queries.answer import influence_of, nearest
from chaffinch.influence.queries.collect import (
    collect_gradients,
    gradients_of,
    sketch_rows,
    sketch_table,
)
from chaffinch.influence.queries.forest import forest_influence
from chaffinch.influence.queries.layout import Layout
from chaffinch.influence.queries.precondition import QUERY_ESTIMATORS, Prepared, prepare
from chaffinch.influence.queries.states import blocks_of, collect_states, states_of
from chaffinch.influence.queries.table import GradientTable, GradientWriter
from chaffinch.influence.queries.view import by_layer, by_token

__all__ = [
    "QUERY_ESTIMATORS",
    "GradientTable",
    "GradientWriter",
    "Layout",
    "Prepared",
    "blocks_of",
    "by_layer",
    "by_token",
    "collect_gradients",
    "collect_states",
    "forest_influence",
    "gradients_of",
    "influence_of",
    "nearest",
    "prepare",
    "sketch_rows",
    "sketch_table",
    "states_of",
]
