"""One isolation forest a task: which task's training gradients look like those of a query.

This uses the task of every training sample, so it is a classifier of queries; it is not comparable
with influence, which is told no task.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from sklearn.ensemble import IsolationForest
from torch import Tensor

from chaffinch.core.errors import InputError
from chaffinch.core.randomness import stream
from chaffinch.core.types import Floats
from chaffinch.influence.queries.table import GradientTable


def forest_influence(
    table: GradientTable,
    queries: Mapping[str, Tensor],
    tasks: Sequence[str],
    *,
    seed: int = 0,
    trees: int = 100,
) -> Floats:
    """(N, M) how normal each query looks to the forest of each training sample's task.

    After Outlier Gradient Analysis (Chhabra et al., ICML 2025). All samples of a task have the same
    value.

    Args:
        table: Kept gradients of N training samples.
        queries: (M, K) of each parameter.
        tasks: (N,) task of each training sample.
        seed: Of the forests.
        trees: Trees in a forest.

    Raises:
        InputError: Not one task for each training sample.
    """
    if len(tasks) != len(table):
        raise InputError(
            f"{len(table)} tasks, one a training sample", str(len(tasks)), "Align them"
        )
    asked = torch.cat(list(queries.values()), 1).numpy()
    named = np.asarray([str(task) for task in tasks])
    values = np.zeros((len(named), len(asked)), dtype=np.float64)
    for task in sorted(set(named.tolist())):
        rows = np.flatnonzero(named == task)
        inside = torch.cat([table.rows(name, rows) for name in queries], 1).numpy()
        state = int(stream(seed, f"task forest {task}").integers(2**31))
        fitted = IsolationForest(n_estimators=trees, random_state=state).fit(inside)
        values[rows] = fitted.score_samples(asked)
    return values
