"""Applying a plan to tables in memory: DataFrames, Arrow tables, Hugging Face data sets."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from chaffinch.core.dataset import Dataset
from chaffinch.data import TableData
from chaffinch.data.column import Columns, choose_label
from chaffinch.repair.augmentation import blend_frame
from chaffinch.repair.effect import Effect
from chaffinch.repair.names import copy_ids, extra_columns
from chaffinch.repair.open_labels import put_arrow, put_labels


def apply_frame(
    frame: pd.DataFrame, effect: Effect, dataset: Dataset, columns: Columns, seed: int = 0
) -> pd.DataFrame:
    """Repair a DataFrame; columns, their order and types, and the index of the rows stay."""
    name = _label_column([str(column) for column in frame.columns], columns.label)
    column = frame.columns[name]
    every = np.concatenate([effect.rows, effect.extra_rows])
    made = frame.iloc[effect.rows]
    if len(effect.extra_rows):
        made = pd.concat([made, _copies(frame, effect, dataset, column, seed)], ignore_index=True)
    else:
        made = made.copy()
    labels = frame[column].iloc[effect.label_rows[every]]
    made[column] = put_labels(labels, *effect.new_in(every)).array
    if len(effect.extra_rows) and columns.id in made.columns:
        ids = made[columns.id].astype(str).to_numpy(object)
        ids[len(effect.rows) :] = copy_ids(dataset.ids, effect.copies)
        made[columns.id] = ids
    for extra, values in extra_columns(effect, dataset.labels).items():
        made[extra] = [values[row] for row in every.tolist()]
    return made


def apply_arrow(
    table: pa.Table, effect: Effect, dataset: Dataset, columns: Columns, seed: int = 0
) -> pa.Table:
    """Repair an Arrow table; its schema stays, metadata included."""
    if len(effect.extra_rows):
        made = apply_frame(_frame(table), effect, dataset, columns, seed)
        extra = list(extra_columns(effect, dataset.labels))
        body = pa.Table.from_pandas(
            made.drop(columns=extra), schema=table.schema, preserve_index=False
        )
        body = body.replace_schema_metadata(table.schema.metadata)
        for name in extra:
            body = body.append_column(name, pa.array(made[name].tolist()))
        return body
    place = _label_column(table.column_names, columns.label)
    body = table.take(pa.array(effect.rows))
    labels = table.column(place).take(pa.array(effect.label_rows[effect.rows]))
    field = table.schema.field(place)
    labels = put_arrow(labels, *effect.new_in(effect.rows), field.type)
    body = body.set_column(place, field, labels)
    for name, values in extra_columns(effect, dataset.labels).items():
        body = body.append_column(name, pa.array([values[row] for row in effect.rows.tolist()]))
    return body


def _frame(table: pa.Table) -> pd.DataFrame:
    """The table with all its columns, those too that pandas takes for the index."""
    frame = table.to_pandas().reset_index(drop=True)
    for name in table.column_names:
        if name not in frame.columns:
            frame[name] = table.column(name).to_pandas().array
    every: pd.DataFrame = frame[table.column_names]
    return every


def apply_huggingface(data: Any, effect: Effect, dataset: Dataset, label: str) -> Any:
    """Repair a Hugging Face data set; copies are plain repetitions.

    The features (types, names of classes) stay as they are.
    """
    every = np.concatenate([effect.rows, effect.extra_rows])
    made = data.select(every.tolist())
    sources = effect.label_rows[every]
    added = effect.new_in(every)
    if (sources != every).any() or len(added[0]):
        stored = data.with_format(None)[label]
        new = put_labels([stored[row] for row in sources.tolist()], *added)
        made = made.map(
            lambda _row, place: {label: new[place]},
            with_indices=True,
            features=data.features,
            keep_in_memory=True,
            load_from_cache_file=False,
        )
    for name, values in extra_columns(effect, dataset.labels).items():
        made = made.add_column(name, [values[row] for row in every.tolist()])
    return made


def _label_column(names: list[str], label: str | None) -> int:
    return names.index(choose_label(names, label, "the table"))


def _copies(
    frame: pd.DataFrame, effect: Effect, dataset: Dataset, column: Any, seed: int
) -> pd.DataFrame:
    """Rows between neighbours where the data are a table; repetitions of texts and the like."""
    if not isinstance(dataset, TableData):
        return frame.iloc[effect.extra_rows]
    made: pd.DataFrame = blend_frame(
        frame.drop(columns=[column]), effect.codes, effect.extra_rows, seed
    )
    return made.assign(**{str(column): None}).set_axis([*made.columns, column], axis=1)[
        list(frame.columns)
    ]
