import gzip
import json

import fsspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import feather

from chaffinch.core.errors import InputError
from chaffinch.data import TableData, TextData, open_data

FRAME = pd.DataFrame(
    {
        "age": [31.5, None, 0.1 + 0.2, 1e-7, 1234567.891, 2.0],
        "count": [1, 2, 3, 4, 5, 2**60],
        "town": ["Bern", 'say "Ulm", or\nnot', None, "Zürich", "007", "None"],
        "member": [True, False, True, False, True, False],
        "label": ["good", "bad", "good", "bad", "good", "bad"],
    }
)

CUT_OFF = gzip.compress(b"a,label\n", mtime=0)[:15]


@pytest.fixture
def written(tmp_path):
    """The same table in every format."""
    table = pa.Table.from_pandas(FRAME)
    FRAME.to_csv(tmp_path / "a.csv", index=False)
    FRAME.to_csv(tmp_path / "b.csv.gz", index=False)
    FRAME.to_csv(tmp_path / "c.tsv", index=False, sep="\t")
    FRAME.to_csv(tmp_path / "d.csv", index=False, sep=";", encoding="utf-8-sig")
    FRAME.to_csv(tmp_path / "e.csv")  # with the row number as a column without a name
    FRAME.to_parquet(tmp_path / "f.parquet")
    feather.write_feather(table, str(tmp_path / "g.feather"))
    with pa.ipc.new_stream(tmp_path / "h.arrow", table.schema) as stream:
        stream.write_table(table)
    with pa.ipc.new_file(tmp_path / "i.arrow", table.schema) as file:
        file.write_table(table)
    records = FRAME.astype(object).where(FRAME.notna(), None).to_dict("records")
    lines = "".join(json.dumps(record) + "\n" for record in records)
    (tmp_path / "j.jsonl").write_text(lines, encoding="utf-8")
    return tmp_path


def test_the_same_table_has_the_same_ids_and_labels_in_every_format(written):
    expected = open_data(FRAME)
    paths = sorted(written.iterdir())
    opened = [open_data(path) for path in paths]
    opened += [open_data(str(paths[0])), open_data(pa.Table.from_pandas(FRAME))]
    opened += [open_data((FRAME.drop(columns="label"), FRAME["label"]))]
    opened += [open_data({name: FRAME[name].to_numpy() for name in FRAME})]
    assert len(opened) == 14
    for data in opened:
        assert isinstance(data, TableData), data.source
        assert data.ids.tolist() == expected.ids.tolist(), data.source
        assert data.labels.values.tolist() == expected.labels.values.tolist()
        assert data.fingerprint == expected.fingerprint
        assert data.show(1) == expected.show(1)
    assert [data.source for data in opened[:2]] == ["a.csv", "b.csv.gz"]


def test_labels_keep_their_type(tmp_path):
    for values in ([0, 1, 0, 1], ["a", "b", "a", "b"], [True, False, True, False]):
        FRAME[:4].assign(label=values).to_csv(tmp_path / "t.csv", index=False)
        assert open_data(tmp_path / "t.csv").labels.values.tolist() == values


def test_a_url_goes_through_fsspec(written):
    for name in ("a.csv", "b.csv.gz", "f.parquet", "h.arrow", "j.jsonl"):
        with fsspec.open(f"memory://x/{name}", "wb") as stream:
            stream.write((written / name).read_bytes())
        data = open_data(f"memory://x/{name}")
        assert data.fingerprint == open_data(FRAME).fingerprint
        assert data.source == name
    with pytest.raises(InputError, match=r"file that exists; got 'memory://x/z\.csv'"):
        open_data("memory://x/z.csv")


def test_ids_come_from_the_id_column(tmp_path):
    keyed = FRAME.assign(key=["001", "002", "003", "004", "005", "006"])
    keyed.to_csv(tmp_path / "t.csv", index=False)
    keyed.set_index("key").to_parquet(tmp_path / "t.parquet")
    for name in ("t.csv", "t.parquet"):
        data = open_data(tmp_path / name, id_column="key")
        assert data.ids.tolist() == keyed["key"].tolist()
        assert list(data.frame.columns) == ["age", "count", "town", "member"]
        assert data.digests == open_data(FRAME).digests
    with pytest.raises(InputError, match=r"a key in every row of the id column 'town'.*1 empty"):
        open_data(keyed, id_column="town")
    with pytest.raises(
        InputError, match=r"unique keys in the id column 'member'.*2 that come more"
    ):
        open_data(keyed, id_column="member")
    with pytest.raises(InputError, match=r"an id column named 'kee' .* Did you mean 'key'"):
        open_data(keyed, id_column="kee")


@pytest.mark.parametrize("name", ["Label", "labels", "y", "target", "class"])
def test_usual_label_columns_are_found(name):
    assert open_data(FRAME.rename(columns={"label": name})).labels.names == ["bad", "good"]


def test_the_label_column_must_be_clear():
    with pytest.raises(InputError, match=r"a label column named 'lable' in DataFrame .*'age'.*'la"):
        open_data(FRAME, label="lable")
    with pytest.raises(InputError, match=r"Did you mean 'label'\?"):
        open_data(FRAME, label="lable")
    with pytest.raises(InputError, match=r"several that may be it: 'label', 'y'\. Name .* --label"):
        open_data(FRAME.assign(y=1))
    assert open_data(FRAME.assign(y=1), label="label").labels.names == ["bad", "good"]
    with pytest.raises(InputError, match=r"a label column .* got the columns 'age', .* --label"):
        open_data(FRAME.drop(columns="label"))


def test_labels_that_cannot_be_trained_on_are_refused_unless_asked_for():
    one = FRAME.assign(label="good")
    with pytest.raises(InputError, match="at least two classes in the labels of DataFrame"):
        open_data(one)
    assert len(open_data(one, trainable=False)) == 6
    with pytest.raises(InputError, match="at least two samples of every class"):
        open_data(FRAME[:3])
    lacking = FRAME.assign(label=["a", None, "b", "b", "a", "a"])
    with pytest.raises(InputError, match=r"1 of 6 that cannot \(1 unlabelled: row 1"):
        open_data(lacking)
    assert open_data(lacking, trainable=False).labels.texts == ["a", "", "b", "b", "a", "a"]
    whole = FRAME.assign(label=[1.0, np.nan, 2.0, 2.0, 1.0, 1.0])
    assert open_data(whole, trainable=False).labels.classes.tolist() == [1, 2]
    with pytest.raises(
        InputError, match="one value a cell in the label column 'label'; got a list"
    ):
        open_data(FRAME.assign(label=[[1]] * 6))


def test_words_for_empty_cells_count_only_among_numbers(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("n,word,label\n1,NA,None\n?,None,None\nnan,x,b\n2.5,,b\n")
    data = open_data(path)
    assert data.frame["n"].tolist()[::3] == [1.0, 2.5]
    assert data.frame["n"].isna().tolist() == [False, True, True, False]
    assert [data.show(row)["word"] for row in range(4)] == ["NA", "None", "x", None]
    assert data.labels.names == ["None", "b"]


def test_whole_numbers_with_empty_cells_keep_their_ids(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("n,k,label\n1,1,a\n2,1,a\n3,1,b\n4,1,b\n")
    whole = open_data(path)
    path.write_text("n,k,label\n1,1,a\n2,1,a\n3,1,b\n4,1,b\n,1,a\n")
    assert open_data(path).ids.tolist()[:4] == whole.ids.tolist()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("t.csv", b"", r"a header and rows in t\.csv; got an empty file"),
        ("t.csv", b"a,label\n", r"at least one row in t\.csv; got none"),
        ("t.jsonl", b"", r"at least one row in t\.jsonl; got none"),
        ("t.csv", b"a,a,label\n1,2,3\n", "different name for every column .* 'a' more than once"),
        ("t.csv", b"a,label\n1,x,2\n", r"as many cells as the header \(2\) in t\.csv"),
        ("t.csv", b"a,label\n1,x\n1,x,2\n", r"as many cells .* in 1 row \(line 3 has 3 cells\)"),
        (
            "t.csv",
            b'a,label\n1,"x\n"\n\n1,x,\n' + b"1,x,2,3\n" * 4,
            r"in 5 rows \(line 5 has 3 cells, line 6 has 4 cells, line 7 has 4 cells, \.\.\.\)",
        ),
        ("t.csv", b'a,label\n1,"x\n', r"rows of cells in t\.csv; .* close all quotes"),
        ("t.csv", b"label\nx\ny\n", "at least one column of features .* got none beside the label"),
        ("t.csv", b"a,label\n\x83e\x83L\x83X\x83g,x\n", r"text in UTF-8 in t\.csv.*--encoding"),
        ("t.csv", b"a,label\ninf,x\n-inf,x\n", r"finite numbers .* in t\.csv; .* every row"),
        ("t.csv.gz", b"a,label\n", r"a \.csv file that can be read; got t\.csv\.gz \(Not a gz"),
        ("t.csv.gz", CUT_OFF, r"t\.csv\.gz \(Compressed file ended"),
        ("t.parquet", b"PAR", r"a \.parquet file that can be read; got t\.parquet \("),
        ("t.arrow", b"ARROW", r"a \.arrow file that can be read; got t\.arrow \("),
        ("t.jsonl", b'{"a": 1}\n{"a"', r"one JSON object a line in t\.jsonl; got line 2: "),
        ("t.jsonl", b"[1]", r"one JSON object a line in t\.jsonl; got a list in line 1"),
        ("t.xlsx", b"", r"file of type \.csv, .*\.npz; got 't\.xlsx'\. Convert it"),
    ],
)
def test_unusable_files_are_refused(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=words):
        open_data(tmp_path / name)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_rows_shorter_than_the_header_are_named(tmp_path, encoding):
    text = "label,a,b\n" + "x,1,2\ny,2,1\n" * 5 + "x\n\n   \ny,2\n" + 'x,"1\n",\n' + "y,1\n"
    (tmp_path / "t.csv").write_bytes(text.encode(encoding))
    data = open_data(tmp_path / "t.csv", trainable=False)
    assert len(data) == 14
    (note,) = [note for note in data.notes if "fewer cells" in note]
    assert "header (3) in 3 rows (line 12 has 1 cell, line 15 has 2 cells, line 18 has" in note


def test_empty_cells_at_the_end_of_rows_are_no_short_rows(tmp_path):
    (tmp_path / "t.csv").write_text("label,a,b\n" + "x,1,2\ny,2,\n" * 5)
    assert not [note for note in open_data(tmp_path / "t.csv").notes if "fewer" in note]


def test_a_missing_path_and_other_objects_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"a file or folder that exists; got '.*none\.csv'"):
        open_data(tmp_path / "none.csv")
    with pytest.raises(InputError, match=r"a path, a DataFrame, .* got a int\. "):
        open_data(7)
    with pytest.raises(InputError, match="got a tuple of 3"):
        open_data(([[1]], [1], [1]))


def test_the_nearest_path_is_named(tmp_path):
    (tmp_path / "train.csv").write_text("a,label\n1,x\n2,y\n")
    for wrong in (tmp_path / "trian.csv", tmp_path / "Train.CSV"):
        with pytest.raises(InputError, match=r"Did you mean '.*/train\.csv'\? Check the path"):
            open_data(wrong)


def test_a_missing_label_names_the_likeliest_columns():
    frame = pd.DataFrame(
        {"a": np.arange(30) / 7, "species": list("abc") * 10, "b": range(30), "c": list("xy") * 15}
    )
    with pytest.raises(
        InputError, match=r"'species' \(3 values\) or 'c' \(the last column, 2 values\) may be it"
    ):
        open_data(frame)
    with pytest.raises(InputError, match=r"'b' \(the last column, 30 values"):
        open_data(frame[["a", "b"]])


def test_text_beside_other_columns_is_told(tmp_path):
    beside = TEXTS.assign(price=[1.5, 2.5] * 3)
    assert "'price' left out: name --text review" in open_data(beside).notes[0]
    assert not open_data(beside, text_column="review").notes
    table = open_data(beside, text_column="none")
    assert isinstance(table, TableData)
    assert list(table.frame.columns) == ["review", "price"]


def test_a_dataset_comes_back_as_it_is():
    data = open_data(FRAME)
    assert open_data(data) is data


TEXTS = pd.DataFrame(
    {
        "review": [f"Number {k}: good, they said,\nand cheap." for k in range(6)],
        "label": [0, 1] * 3,
    }
)


def test_a_column_that_reads_like_text_makes_the_data_text(tmp_path):
    TEXTS.to_csv(tmp_path / "t.csv", index=False)
    data = open_data(tmp_path / "t.csv")
    assert isinstance(data, TextData)
    assert data.texts == tuple(TEXTS["review"])
    assert data.source == "t.csv (text column 'review')"
    assert data.fingerprint == open_data(TEXTS).fingerprint
    beside = TEXTS.assign(index=range(6), label_text=["no", "yes"] * 3)
    assert open_data(beside).ids.tolist() == data.ids.tolist()


@pytest.mark.parametrize(
    "frame",
    [
        TEXTS.assign(review=["short"] * 6),
        TEXTS.assign(review=["the same long answer of many"] * 6),
        TEXTS.assign(review=range(6)),
        TEXTS.assign(other=TEXTS["review"]),
        TEXTS.assign(a=1, b=2, c=3),
        TEXTS.assign(review=TEXTS["review"].astype("category")),
    ],
)
def test_other_columns_are_a_table(frame):
    assert isinstance(open_data(frame), TableData)


def test_the_split_is_no_feature():
    split = ["train", "test", "train", "test", "train", "Validation"]
    assert open_data(FRAME.assign(split=split)).fingerprint == open_data(FRAME).fingerprint
    assert open_data(TEXTS.assign(a=1, b=2, split=split)).modality == "text"
    assert "split" in open_data(FRAME.assign(split=range(6))).frame


def test_text_columns_can_be_named_and_joined(tmp_path):
    pairs = pd.DataFrame(
        {"a": ["1.0", "x", "y", "z"], "b": ["p", "q", "r", "s"], "y": [0, 0, 1, 1]}
    )
    pairs.to_csv(tmp_path / "t.csv", index=False)
    assert open_data(pairs, text_column="a").texts == ("1.0", "x", "y", "z")
    assert open_data(tmp_path / "t.csv", text_column="b, a").texts[0] == "p [SEP] 1.0"
    pairs[["a", "y"]][:1].to_csv(tmp_path / "n.csv", index=False)
    numbers = open_data(tmp_path / "n.csv", text_column="a", trainable=False)
    assert numbers.texts == ("1.0",)
    with pytest.raises(InputError, match=r"a text column named 'c' in .* got the columns 'a', 'b'"):
        open_data(pairs, text_column="a,c")


def test_missing_texts_are_refused():
    with pytest.raises(InputError, match=r"2 of 6 that cannot \(2 empty: row 0 \(no text\)"):
        open_data(TEXTS.assign(review=TEXTS["review"].where(np.arange(6) > 1)))
    with pytest.raises(InputError, match=r"1 of 6 that cannot \(1 empty: row 0 \(no text\)"):
        open_data(TEXTS.assign(b=[None, *"abcde"]), text_column="review,b")


def test_json_lines_keep_their_line_ends_and_signs(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_bytes(b'{"t": "a\xe2\x80\xa8b\\n", "y": 1}\n\n')
    data = open_data(path, text_column="t", trainable=False)
    assert data.texts == ("a\u2028b\n",)
