"""Text files of other programs: encodings, separators, lists; and that a repair keeps them."""

import gzip

import pytest

import chaffinch as cf
from chaffinch.core.errors import InputError
from chaffinch.data import open_data
from chaffinch.data.written import Written, decode, find_separator
from chaffinch.repair.csv_rows import CsvRows
from chaffinch.repair.plan import Plan

ROWS = [("Zürich", "1,5", "a"), ("Köln", "-2,25", "b"), ("Łódź", "3", "a"), ("Bern", "4,5", "b")]
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32")


def content(sep, encoding, rows=ROWS):
    text = f"town{sep}n{sep}label\r\n" + "".join(sep.join(row) + "\r\n" for row in rows)
    return text.encode(encoding)


@pytest.mark.parametrize("sep", [";", "|", "\t"])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_encodings_and_separators_are_found_out(tmp_path, sep, encoding):
    path = tmp_path / "t.csv"
    path.write_bytes(content(sep, encoding))
    data = open_data(path)
    assert data.frame["town"].tolist() == [row[0] for row in ROWS]
    assert data.frame["n"].tolist() == [1.5, -2.25, 3, 4.5]
    assert any("between its cells (--sep)" in note for note in data.notes)
    assert any("decimal signs" in note for note in data.notes)
    assert any("UTF" in note for note in data.notes) == encoding.startswith(("utf-16", "utf-32"))


def test_western_text_is_read_with_a_note_and_other_text_is_asked_for(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes("town,label\nZürich €,a\nKöln,b\nBern,a\nUlm,b\n".encode("cp1252"))
    data = open_data(path)
    assert data.frame["town"].tolist()[:2] == ["Zürich €", "Köln"]
    assert "not UTF-8: it was read as Windows-1252" in data.notes[0]
    path.write_bytes(
        "\u0433\u043e\u0440\u043e\u0434,label\n\u041f\u0435\u0440\u043c\u044c,a\n\u0427\u0438\u0442\u0430,b\n\u042f\u043b\u0442\u0430,a\n\u0416\u0443\u043a\u043e\u0432,b\n".encode(
            "cp1251"
        )
    )
    with pytest.raises(InputError, match=r"UTF-8 in t\.csv.*--encoding cp1252, cp1251"):
        open_data(path)
    assert (
        open_data(path, encoding="cp1251").frame["\u0433\u043e\u0440\u043e\u0434"].tolist()[3]
        == "\u0416\u0443\u043a\u043e\u0432"
    )
    with pytest.raises(InputError, match="bytes that are not utf-8"):
        open_data(path, encoding="utf-8")


def test_what_was_said_goes_before_what_is_found_out(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b;label\n1,2;x\n3,4;y\n1,1;x\n2,2;y\n")
    assert list(open_data(path, sep=";").frame.columns) == ["a,b"]
    assert open_data(path, sep=";", decimal=".").frame["a,b"].tolist() == [
        "1,2",
        "3,4",
        "1,1",
        "2,2",
    ]
    assert not open_data(path, sep=";", decimal=",").notes


def test_a_usual_separator_needs_no_note_and_is_not_outvoted():
    assert find_separator("a,b\n1;2,x\n3;4,y\n", ",") == ","
    assert find_separator('a;b\n"1,5";x\n', ",") == ";"
    assert find_separator("a,label\n1,x\n1,x,2\n", ",") == ","
    assert find_separator("name\nx\n", ",") == ","


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"sep": "::"}, "one character that separates cells"),
        ({"sep": ",", "decimal": ","}, "different signs"),
        ({"decimal": ";"}, "a decimal sign"),
        ({"encoding": "latin-99"}, "encoding that Python knows"),
    ],
)
def test_what_cannot_be_is_refused(said, words):
    with pytest.raises(InputError, match=words):
        Written.of(**said)


def test_words_for_separators():
    assert Written.of(sep="tab").sep == "\t"
    with pytest.raises(InputError, match="a text file for --sep; got data in memory"):
        open_data({"a": [1, 2], "label": ["x", "y"]}, sep=";")


@pytest.mark.parametrize("encoding", [*ENCODINGS, "cp1252"])
def test_a_repair_keeps_encoding_separator_and_decimal_sign(tmp_path, encoding):
    rows = [row for row in ROWS if encoding != "cp1252" or row[0] != "Łódź"]
    rows = [(f"{row[0]}{n}", row[1], row[2]) for n in range(4) for row in rows]
    raw = content(";", encoding, rows)
    path, out = tmp_path / "t.csv", tmp_path / "out.csv"
    path.write_bytes(raw)
    data = open_data(path)
    edit = cf.Edit(str(data.ids[0]), "relabel", old_label="a", new_label="b")
    plan = Plan((edit,))
    plan.apply(path, out=out)
    text, code, _ = decode(raw, None, "t.csv")
    expected = text.replace(f"{rows[0][0]};{rows[0][1]};a", f"{rows[0][0]};{rows[0][1]};b", 1)
    assert out.read_bytes() == expected.encode(code)


def test_the_rows_of_a_repair_are_cut_as_they_were_read():
    rows = CsvRows.parse("\ufeffa|label\n1|x\n", ",")
    assert (rows.mark, rows.separator, rows.cell(0, "label")) == ("\ufeff", "|", "x")
    assert CsvRows.parse("a,b;label\n1;x\n", ",", ";").names == ["a,b", "label"]


def test_json_in_its_usual_forms(tmp_path):
    path = tmp_path / "t.json"
    for text in (
        '[{"n": 1152921504606846977, "label": "a"}, {"n": null, "label": "b"}]',
        '{"n": [1152921504606846977, null], "label": ["a", "b"]}',
        '{"n": {"0": 1152921504606846977, "1": null}, "label": {"0": "a", "1": "b"}}',
        '{"data": [{"n": 1152921504606846977, "label": "a"}, {"n": null, "label": "b"}]}',
    ):
        path.write_text(text)
        data = open_data(path, trainable=False)
        assert data.show(0)["n"] == 2**60 + 1
        assert data.labels.values.tolist() == ["a", "b"]
    path.with_suffix(".json.gz").write_bytes(gzip.compress(path.read_bytes()))
    assert (
        open_data(path.with_suffix(".json.gz"), trainable=False).ids.tolist() == data.ids.tolist()
    )
    for text in ('{"a": 1}\n{"a": 2}', '"x"', '{"a": [1], "b": [1, 2]}', "{}"):
        path.write_text(text)
        with pytest.raises(InputError, match=r'\[\{"column": value'):
            open_data(path)


def test_lists_of_texts(tmp_path):
    path = tmp_path / "t.txt"
    path.write_text("".join(f"__label__{'ab'[n % 2]} number {n} of many words\n" for n in range(4)))
    data = open_data(path)
    assert data.texts[1] == "number 1 of many words"
    assert data.labels.names == ["a", "b"]
    path.write_text("just a text\nand another\n")
    with pytest.raises(InputError, match=r"2 lines without labels.*\.csv or \.tsv"):
        open_data(path)
    path.write_text("n\tlabel\n1\ta\n2\tb\n3\ta\n4\tb\n")
    assert open_data(path).frame["n"].tolist() == [1, 2, 3, 4]


def test_labels_that_are_one_number_are_told(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("x,label\n1,1\n2,1.0\n3,2\n4,1\n5,2\n")
    data = open_data(path)
    assert data.labels.names == ["1.0", "2.0"]
    assert data.notes[0].endswith("taken for one class: '1' (2), '1.0' (1).")
    path.write_text("x,label\n1,01\n2,1.0\n3,01\n4,1.0\n")
    assert open_data(path).labels.names == ["01", "1.0"]


def test_lines_without_names_and_other_separators_are_told(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("5.1,3.5,a\n4.9,3.0,b\n5.2,3.1,a\n")
    with pytest.raises(InputError, match=r"first line with the names .* looks like data: '5\.1'"):
        open_data(path)
    path.write_text("a b label\n1 2 x\n2 3 y\n3 4 x\n4 4 y\n")
    with pytest.raises(InputError, match=r"several columns .* --sep space"):
        open_data(path)
    assert open_data(path, sep="space").frame["b"].tolist() == [2, 3, 4, 4]
