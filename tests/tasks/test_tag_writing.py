"""Changed tags are written back in the form in which they came; all else stays."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from chaffinch.core.errors import InputError
from chaffinch.tasks.multilabel import write_tags
from chaffinch.tasks.multilabel.reading import find_format, read_texts

ROWS = [["a", "b"], ["b"], ["c", "a"], [], ["a"], ["c"], ["b", "c"]] * 3
CHANGES = {0: "b; c", 3: "a", 4: "(none)"}


def read_back(frame, label=None):
    return read_texts(frame, find_format(frame, label))


def test_joined_texts_of_a_csv_change_in_their_rows_alone(tmp_path):
    lines = ["x,label", *(f"{n}.50,{'|'.join(row) or '(none)'}" for n, row in enumerate(ROWS))]
    file = tmp_path / "in.csv"
    file.write_bytes("\r\n".join(lines).encode() + b"\r\n")
    out = write_tags(file, {0: "b|c", 3: "a"}, out=tmp_path / "out.csv")
    made = out.read_bytes().decode().split("\r\n")
    assert made[1] == "0.50,b|c"
    assert made[4] == "3.50,a"
    assert [line for row, line in enumerate(made) if row not in (1, 4)] == [
        line for row, line in enumerate([*lines, ""]) if row not in (1, 4)
    ]


def test_columns_keep_their_words(tmp_path):
    frame = pd.DataFrame({name: [name in row for row in ROWS] for name in "abc"})
    for words in ({True: "yes", False: "no"}, {True: 1, False: 0}, {True: 1.0, False: 0.0}):
        told = frame.map(words.get)
        made = write_tags(told, CHANGES, label="a,b,c")
        assert (made.dtypes == told.dtypes).all()
        assert read_back(made, "a,b,c")[:5] == ["b; c", "b", "a; c", "a", "(none)"]
        pd.testing.assert_frame_equal(made.iloc[5:], told.iloc[5:])
    told = frame.assign(c=False).map({True: "Yes", False: "No"}.get)
    assert write_tags(told, {1: "c"}, label="a,b,c").iloc[1].tolist() == ["No", "No", "Yes"]


def test_unknown_tags_stay_unknown():
    frame = pd.DataFrame({"a": [1.0, np.nan], "b": [0.0, 1.0]})
    made = write_tags(frame, {1: "?a"}, label="a,b")
    assert np.isnan(made["a"].iloc[1])
    assert made["b"].iloc[1] == 0


def test_lists_of_a_parquet_file_keep_their_schema(tmp_path):
    told = pa.list_(pa.field("element", pa.string()))  # as the format names it
    schema = pa.schema([("x", pa.float32()), ("y", told)], {"k": "v"})
    cells = {"x": [0.5] * len(ROWS), "y": [*ROWS[:-1], None]}
    parquet.write_table(pa.table(cells, schema=schema), tmp_path / "in.parquet")
    out = write_tags(tmp_path / "in.parquet", CHANGES, out=tmp_path / "out.parquet")
    made = parquet.read_table(out)
    assert made.schema.equals(schema, check_metadata=True)
    assert made["y"].to_pylist() == [["b", "c"], ["b"], ["c", "a"], ["a"], [], *cells["y"][5:]]


def test_json_lines(tmp_path):
    lines = [json.dumps({"x": n, "label": row}) for n, row in enumerate(ROWS)]
    (tmp_path / "in.jsonl").write_text("\n".join(lines) + "\n")
    out = write_tags(tmp_path / "in.jsonl", CHANGES, out=tmp_path / "out.jsonl")
    made = out.read_text().splitlines()
    assert json.loads(made[0])["label"] == ["b", "c"]
    assert json.loads(made[4])["label"] == []
    assert made[5:] == lines[5:]


def test_texts_of_lists_stay_texts():
    frame = pd.DataFrame({"label": [json.dumps(row) for row in ROWS]})
    made = write_tags(frame, CHANGES)
    assert made["label"].iloc[0] == '["b", "c"]'


def test_nothing_is_overwritten(tmp_path):
    file = tmp_path / "in.csv"
    pd.DataFrame({"label": ["|".join(row) for row in ROWS], "x": 1}).to_csv(file, index=False)
    (tmp_path / "out.csv").write_text("mine")
    with pytest.raises(InputError, match="no file at"):
        write_tags(file, {0: "a"}, label="label", out=tmp_path / "out.csv")
    with pytest.raises(InputError, match="wrote"):
        write_tags(file, {0: "a"}, label="label", out=tmp_path / "out.csv", overwrite=True)
    with pytest.raises(InputError, match="another file"):
        write_tags(file, {0: "a"}, label="label", out=file)
    with pytest.raises(InputError, match="positions in 0"):
        write_tags(file, {99: "a"}, label="label")
    with pytest.raises(InputError, match="a table with tags"):
        write_tags(pd.DataFrame({"x": [1]}), {0: "a"})
    assert (tmp_path / "out.csv").read_text() == "mine"
