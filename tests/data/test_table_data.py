import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaffinch.core.dataset import Dataset
from chaffinch.core.errors import InputError
from chaffinch.core.labels import Labels
from chaffinch.data import TableData

FRAME = pd.DataFrame(
    {
        "age": [31.0, np.nan, 58.0, 31.0],
        "town": ["Bern", "Ulm", None, "Bern"],
        "n": [1, 2, 3, 1],
        "member": [True, False, True, True],
    }
)
LABELS = Labels.of(["yes", "no", "yes", "no"])

TABLES = st.integers(1, 12).flatmap(
    lambda n: st.fixed_dictionaries(
        {
            "a": st.lists(st.integers(-3, 3), min_size=n, max_size=n),
            "b": st.lists(st.sampled_from(["x", "y", None]), min_size=n, max_size=n),
            "c": st.lists(st.sampled_from([0.5, -1.25, None]), min_size=n, max_size=n),
        }
    )
)


def of(frame, **options):
    return TableData.of(frame, Labels.of(["x"] * len(frame)), **options)


def test_it_is_a_dataset_and_shows_its_cells():
    data = TableData.of(FRAME, LABELS, source="a.csv")
    assert isinstance(data, Dataset)
    assert (data.modality, data.source, len(data)) == ("table", "a.csv", 4)
    assert data.show(1) == {"age": None, "town": "Ulm", "n": 2, "member": False}
    assert data.show(2)["town"] is None
    assert type(data.show(0)["n"]) is int


def test_ids_come_from_the_content_and_number_copies():
    data = TableData.of(FRAME, LABELS)
    assert data.ids[3] == f"{data.ids[0]}-2"
    assert data.digests[3] == data.digests[0]
    assert len(set(data.ids)) == 4


def test_ids_do_not_depend_on_the_label():
    other = TableData.of(FRAME, Labels.of([0, 1, 2, 3]))
    assert TableData.of(FRAME, LABELS).ids.tolist() == other.ids.tolist()
    assert TableData.of(FRAME, LABELS).fingerprint != other.fingerprint


@given(TABLES, st.randoms())
def test_digests_do_not_depend_on_the_order_of_rows_or_columns(table, random):
    frame = pd.DataFrame(table)
    rows, columns = list(range(len(frame))), list(frame.columns)
    random.shuffle(rows)
    random.shuffle(columns)
    moved = of(frame.iloc[rows][columns])
    assert list(moved.digests) == [of(frame).digests[row] for row in rows]
    assert sorted(moved.ids) == sorted(of(frame).ids)
    assert moved.fingerprint == of(frame).fingerprint


@given(TABLES)
def test_digests_do_not_depend_on_added_rows(table):
    frame = pd.DataFrame(table)
    more = pd.concat([frame.astype(object), pd.DataFrame([{"a": "unknown", "b": 7, "c": "?"}])])
    assert of(more).digests[:-1] == of(frame).digests


@given(TABLES, st.data())
def test_take_gives_the_rows_asked_for(table, draw):
    data = of(pd.DataFrame(table))
    rows = np.array(draw.draw(st.lists(st.integers(0, len(data) - 1), unique=True)), dtype=int)
    part = data.take(rows)
    assert part.ids.tolist() == data.ids[rows].tolist()
    assert part.digests == tuple(data.digests[row] for row in rows)
    assert [part.show(k) for k in range(len(part))] == [data.show(row) for row in rows]
    assert len(part.labels) == len(part.frame) == len(rows)


def test_take_keeps_all_classes_and_takes_masks():
    part = TableData.of(FRAME, LABELS).take(np.array([True, False, False, False]))
    assert part.labels.names == ["no", "yes"]
    assert part.labels.values.tolist() == ["yes"]


def test_the_frame_of_the_user_is_not_shared():
    frame = FRAME.copy()
    data = TableData.of(frame, LABELS)
    frame.loc[0, "n"] = 99
    assert data.frame.loc[0, "n"] == 1


@pytest.mark.parametrize("dtype", ["float64", "float32", "Float64", "object", "category"])
def test_infinite_numbers_are_faults_in_any_type(dtype):
    frame = FRAME.assign(age=pd.Series([1.0, 2.0, np.inf, 0.5]).astype(dtype))
    data = TableData.of(frame, LABELS, source="t.csv")
    assert {name: fault.kind for name, fault in data.faults.items()} == {data.ids[2]: "unreadable"}
    with pytest.raises(InputError, match=r"finite numbers or empty cells in t\.csv; got .* every"):
        TableData.of(pd.DataFrame({"a": [np.inf] * 4}).astype(dtype), LABELS, source="t.csv")


def test_rows_without_any_value_are_faults_where_there_are_several_columns():
    frame = pd.DataFrame({"a": [1.0, np.nan, np.nan, 2.0], "b": ["x", None, "y", None]})
    data = TableData.of(frame, LABELS)
    assert {name: fault.kind for name, fault in data.faults.items()} == {data.ids[1]: "empty"}
    assert not TableData.of(frame[["a"]], LABELS).faults  # missing may be what tells classes apart


def test_cells_that_must_not_lack_make_rows_unreadable():
    frame = pd.DataFrame({"a": [1.0, np.nan, 3.0, 4.0], "b": [1.0, 2.0, -np.inf, 4.0]})
    data = TableData.of(frame, LABELS, may_lack_cells=False)
    assert list(data.faults) == data.ids[1:3].tolist()
    assert {fault.kind for fault in data.faults.values()} == {"unreadable"}


def test_other_unusable_features_are_refused():
    with pytest.raises(InputError, match=r"different name for every column .* 'a' more than once"):
        of(pd.DataFrame([[1, 2]], columns=["a", "a"]))
    with pytest.raises(InputError, match=r"one value a cell in column 'a' .* got a list"):
        of(pd.DataFrame({"a": [[1, 2]]}))
    with pytest.raises(InputError, match="at least one column of features"):
        of(pd.DataFrame(index=[0]))
    with pytest.raises(InputError, match=r"as many rows as labels \(4\) .* got 3 rows"):
        TableData.of(FRAME[:3], LABELS)


def test_a_large_table_is_named_fast():
    frame = pd.DataFrame(np.random.default_rng(0).integers(0, 3000, (20_000, 54)))
    start = time.perf_counter()
    of(frame)
    assert time.perf_counter() - start < 2  # 0.1 s alone; the bound is for a busy machine
