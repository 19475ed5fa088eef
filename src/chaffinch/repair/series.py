"""Applying a plan for time series to the rows of the long table that holds them."""

import numpy as np
import pandas as pd

from chaffinch.core.errors import InputError
from chaffinch.core.labels import Labels
from chaffinch.data import SeriesData, TableData
from chaffinch.repair.effect import Effect


def unfolded(data: SeriesData, effect: Effect) -> tuple[TableData, Effect]:
    """The rows of series, and what happens to each where its series is changed.

    Args:
        data: N series out of a table of R rows.
        effect: Of a plan on them.

    Returns:
        R rows without columns, which carry ids and labels alone; and the effect on them.

    Raises:
        InputError: Changed copies of series, which would need names of their own in the table.
    """
    if effect.copies.any() or data.members is None:
        raise InputError(
            "a plan for series that changes or leaves out some",
            f"one that adds {int(effect.copies.sum())} changed copies",
            "Leave these out: plan.without(action='augment')",
        )
    series = np.empty(sum(map(len, data.members)), np.int64)
    for position, rows in enumerate(data.members):
        series[rows] = position
    first = np.asarray(data.first_rows, np.int64)
    moved = effect.label_rows != np.arange(len(data))
    own = np.arange(len(series))
    made = Effect(
        effect.kept[series],
        effect.codes[series],
        effect.weights[series],
        None if effect.soft is None else effect.soft[series],
        np.zeros(len(series), np.int64),
        effect.quarantined[series],
        np.where(moved[series], first[effect.label_rows][series], own),
        None if effect.new_labels is None else effect.new_labels[series],
        effect.classes,
    )
    table = TableData(
        np.asarray([f"{data.ids[one]}:{row}" for row, one in enumerate(series)], np.str_),
        Labels(data.labels.codes[series], data.labels.classes),
        tuple("" for _ in series),
        data.source,
        pd.DataFrame(index=range(len(series))),
    )
    return table, made
