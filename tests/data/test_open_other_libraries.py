"""Tables and arrays of other libraries, and cells that hold more than a number or a text."""

import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.sparse as sp
import torch
from PIL import Image

from chaffinch.core.errors import InputError
from chaffinch.data import ImageData, TableData, open_data

N = 8
BASE = {"a": list(range(N)), "label": ["x", "y"] * (N // 2)}


class Foreign:
    """A table that gives itself away by the Arrow C interface alone, as polars does."""

    def __init__(self, table):
        self.columns = table.column_names
        self.__arrow_c_stream__ = table.__arrow_c_stream__


class ForeignColumn:
    def __init__(self, array):
        self.__arrow_c_stream__ = array.__arrow_c_stream__


def test_tables_by_the_arrow_interface():
    table = pa.table(BASE)
    expected = open_data(pd.DataFrame(BASE))
    for data in (
        Foreign(table),
        table.to_batches()[0],
        (Foreign(table.select(["a"])), ForeignColumn(table["label"])),
        (table.select(["a"]), table["label"]),
        {"a": table["a"], "label": table["label"].combine_chunks()},
    ):
        assert open_data(data).fingerprint == expected.fingerprint


def test_polars():
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame(BASE)
    expected = open_data(pd.DataFrame(BASE)).fingerprint
    assert open_data(frame).fingerprint == expected
    assert open_data((frame.drop("label"), frame["label"])).fingerprint == expected


@pytest.mark.parametrize(
    "kind",
    ["Int64", "Float64", "boolean", "string", "category", "int64[pyarrow]", "string[pyarrow]"],
)
def test_types_of_pandas_are_all_one(kind):
    values = [None, *["0", "1", "1", "0", "1", "0", "1"]]
    cells = (
        values
        if kind in ("string", "category", "string[pyarrow]")
        else [None if value is None else int(value) for value in values]
    )
    column = pd.Series(cells, dtype=kind)
    data = open_data(pd.DataFrame({**BASE, "c": column}))
    twin = ["True" if one == "1" else "False" for one in values[1:]] if kind == "boolean" else None
    other = pd.Series([None, *twin] if twin else values, dtype=object)
    assert data.digests == open_data(pd.DataFrame({**BASE, "c": other})).digests
    assert data.show(0)["c"] is None


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (pd.Series([[1.0]] * N, dtype=pd.ArrowDtype(pa.list_(pa.float64()))), "got a list<"),
        (pd.Series([{"k": 1}] * N, dtype=pd.ArrowDtype(pa.struct([("k", pa.int64())]))), "struct<"),
        (pd.Series([{1, 2}] * N), "got a set"),
        (pd.Series([torch.ones(2)] * N), "got a Tensor"),
        (pd.Series(np.ones(N, complex)), "got complex numbers"),
        (pd.Series([np.ones(2)] * N), "got a ndarray"),
    ],
)
def test_cells_with_several_values_are_refused(column, words):
    with pytest.raises(InputError, match=rf"one value a cell in column 'c'.*{words}"):
        open_data(pd.DataFrame({**BASE, "c": column}))


@pytest.mark.parametrize("kind", [pa.date32(), pa.timestamp("us"), pa.timestamp("ns", tz="UTC")])
def test_days_of_arrow(kind):
    days = [datetime.date(2020, 1, 1 + n) for n in range(N)]
    column = pd.Series(
        pa.array(days).cast(pa.timestamp("us")).cast(kind), dtype=pd.ArrowDtype(kind)
    )
    data = open_data(pd.DataFrame({**BASE, "c": column}))
    assert str(data.show(1)["c"]).startswith("2020-01-02")


def test_values_without_a_dimension_sparse_columns_and_periods():
    expected = open_data(pd.DataFrame(BASE)).digests
    for column in (
        pd.Series([torch.tensor(n) for n in range(N)], dtype=object),
        pd.Series([np.array(n) for n in range(N)], dtype=object),
        pd.arrays.SparseArray(range(N)),
    ):
        assert open_data(pd.DataFrame({**BASE, "a": column})).digests == expected
    periods = pd.Series(pd.period_range("2020-01", periods=N, freq="M"))
    assert str(open_data(pd.DataFrame({**BASE, "c": periods})).show(1)["c"]).startswith(
        "2020-02-01"
    )
    labels = [torch.tensor(n % 2) for n in range(N)]
    assert open_data((np.ones((N, 1)), labels)).labels.values.tolist() == [0, 1] * (N // 2)
    numbered = pd.DataFrame({0: range(N), 2: BASE["label"]})
    assert open_data(numbered, label=2).labels.names == ["x", "y"]


def test_masks_are_empty_cells():
    values = np.arange(2.0 * N).reshape(N, 2)
    mask = np.zeros((N, 2), bool)
    mask[0, 1] = True
    masked = np.ma.masked_array(np.where(mask, -9999, values), mask)
    data = open_data((masked, BASE["label"]))
    assert data.show(0) == {"x0": 0.0, "x1": None}
    assert data.show(1) == {"x0": 2.0, "x1": 3.0}
    assert open_data({"X": masked, "y": np.array(BASE["label"])}).digests == data.digests
    column = {"a": masked[:, 1], "label": BASE["label"]}
    assert open_data(column).show(0) == {"a": None}
    large = np.ma.masked_array(np.full((N, 1), 2**60 + 1), mask[:, 1:])
    assert open_data((large, BASE["label"])).show(1) == {"x0": 2**60 + 1}
    with pytest.raises(InputError, match="1 unlabelled"):
        open_data((values, np.ma.masked_array([0, 1] * (N // 2), mask[:, 1])))
    pixels = np.arange(N)[:, None, None] < np.ones((1, 3, 3))
    images = np.ma.masked_array(np.zeros((N, 3, 3), np.uint8), pixels)
    with pytest.raises(InputError, match=r"images without masked pixels.* got 9 masked"):
        open_data((images, BASE["label"]))


def test_sparse_and_gradient_arrays():
    x = np.eye(N)[:, :3]
    expected = open_data((x, BASE["label"])).digests
    for form in (
        sp.csr_matrix(x),
        torch.tensor(x, requires_grad=True),
        torch.tensor(x).to_sparse(),
    ):
        assert open_data((form, BASE["label"])).digests == expected
    assert open_data((torch.ones(N, 2, dtype=torch.bfloat16), BASE["label"])).show(0)["x0"] == 1.0
    huge = sp.csr_matrix((N, 10**9))
    with pytest.raises(InputError, match=r"sparse matrix of at most.*TruncatedSVD"):
        open_data((huge, BASE["label"]))


def test_images_of_pillow_in_cells_and_lists():
    images = [Image.new("L", (4, 4), 20 * n) for n in range(N)]
    for data in (
        pd.DataFrame({"picture": images, "label": BASE["label"]}),
        (images, BASE["label"]),
    ):
        opened = open_data(data)
        assert isinstance(opened, ImageData)
        assert opened.pixels()[3].max() == 60
    broken = [*images[:-1], None]
    with pytest.raises(InputError, match="1 empty"):
        open_data(pd.DataFrame({"picture": broken, "label": BASE["label"]}))


def test_large_whole_numbers_beside_empty_cells(tmp_path):
    values = [None, *(2**60 + n for n in range(1, N))]
    table = pa.table({"c": pa.array(values, pa.int64()), "label": BASE["label"]})
    data = open_data(table)
    assert [data.show(row)["c"] for row in range(N)] == values
    assert len(set(data.digests)) == N
    assert isinstance(data, TableData)
