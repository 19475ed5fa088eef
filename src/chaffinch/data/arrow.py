"""Arrow tables, and whatever hands itself over as one (polars, DuckDB, record batches)."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from chaffinch.core.array import scalar
from chaffinch.data.typed import whole_numbers


def is_arrow_table(data: Any) -> bool:
    """Whether an object of another library gives a table by the Arrow C interface."""
    if isinstance(data, pd.DataFrame):
        return False
    if isinstance(data, pa.Table | pa.RecordBatch | pa.RecordBatchReader):
        return True
    return hasattr(data, "__arrow_c_stream__") and hasattr(data, "columns")


def frame_of(data: Any) -> pd.DataFrame:
    """Turn what `is_arrow_table` knows into a DataFrame."""
    if isinstance(data, pa.RecordBatchReader):
        return frame_of_arrow(data.read_all())
    return frame_of_arrow(data if isinstance(data, pa.Table) else pa.table(data))


def frame_of_arrow(table: pa.Table) -> pd.DataFrame:
    """Turn an Arrow table into a DataFrame in which whole numbers keep every digit.

    pandas makes floats of those beside empty cells.
    """
    frame: pd.DataFrame = table.to_pandas()
    for name in set(table.column_names):
        if table.column_names.count(name) > 1 or name not in frame.columns:
            continue
        column = table.column(name)
        if pa.types.is_integer(column.type) and column.null_count:
            frame[name] = whole_numbers(_joined(column))
    return frame


def series_of(values: Any) -> "pd.Series[Any] | None":
    """One column of Arrow, polars and the like as a Series; None for other objects."""
    if isinstance(values, pd.Series | pd.Index | pd.DataFrame):
        return None
    if isinstance(values, pa.Array | pa.ChunkedArray) or (
        hasattr(values, "__arrow_c_stream__") and not hasattr(values, "columns")
    ):
        column = pa.chunked_array(values) if not isinstance(values, pa.Array) else values
        return frame_of_arrow(pa.table({"values": column}))["values"]
    return None


def plain_column(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """The same cells in a type of pandas that all later steps know.

    Columns of Arrow types, sparse ones and periods are converted, and arrays and tensors of no
    dimension become the value in them; a column that needs nothing comes back as it is.
    """
    dtype: Any = column.dtype
    cells: Any = None
    if isinstance(dtype, pd.ArrowDtype):
        values: Any = column.array
        cells = frame_of_arrow(pa.table({"values": pa.array(values)}))["values"].array
    elif isinstance(dtype, pd.SparseDtype):
        cells = np.asarray(column)
    elif isinstance(dtype, pd.PeriodDtype):
        cells = column.dt.to_timestamp().array
    elif pd.api.types.is_object_dtype(column) and any(
        getattr(cell, "shape", None) == () for cell in column
    ):
        cells = [scalar(cell) for cell in column]
    return column if cells is None else pd.Series(cells, index=column.index, name=column.name)


def _joined(column: pa.ChunkedArray) -> pa.Array:
    joined = column.combine_chunks()
    return joined if isinstance(joined, pa.Array) else pa.concat_arrays(column.chunks)
