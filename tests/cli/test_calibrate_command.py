"""`chaffinch calibrate`: a file of samples to check, and what the answers changed."""

import shutil
import sys

import pandas as pd
import pytest
from insects import insects

import chaffinch as cf
from chaffinch.cli.app import main
from chaffinch.store.run import RunFolder


@pytest.fixture(scope="module")
def scanned(tmp_path_factory):
    place = tmp_path_factory.mktemp("calibrate")
    insects(("ant", "bee", "wasp"), 0.15, seed=5).to_csv(place / "insects.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("CHAFFINCH_LEDGER", raising=False)
        cf.scan(place / "insects.csv", out=place / "run", label="label", epochs=6, folds=2)
    return place


@pytest.fixture
def place(scanned, tmp_path, monkeypatch):
    monkeypatch.delenv("CHAFFINCH_LEDGER", raising=False)
    shutil.copytree(scanned, tmp_path / "place")
    monkeypatch.chdir(tmp_path / "place")
    return tmp_path / "place"


@pytest.fixture
def type_in(monkeypatch, capsys):
    def typed(*words):
        monkeypatch.setattr(sys, "argv", ["chaffinch", *map(str, words)])
        try:
            main()
            status = 0
        except SystemExit as end:
            status = end.code or 0
        told = capsys.readouterr()
        return status, told.out, told.err

    return typed


def fill(file, answers):
    """Answer the first samples of the file, the others not."""
    table = pd.read_csv(file, dtype=str, keep_default_na=False)
    table["right_label"] = [*answers, *[""] * (len(table) - len(answers))]
    table.to_csv(file, index=False)
    return table


def test_from_a_list_to_what_answers_changed(place, type_in):
    status, out, _ = type_in("calibrate", "run", "--count", 12)
    assert status == 0
    assert "12 samples to check are in run/to_check.csv" in out
    assert "chaffinch calibrate run --answers run/to_check.csv" in out
    table = pd.read_csv("run/to_check.csv", dtype=str, keep_default_na=False)
    assert table.columns.tolist() == ["id", "row", "source", *"abcd", "given_label", "right_label"]
    assert (table["right_label"] == "").all()
    findings = RunFolder("run").findings
    assert findings["id"].to_numpy()[table["row"].astype(int)].tolist() == table["id"].tolist()
    given = table["given_label"]
    fill("run/to_check.csv", ["wasp" if given[0] != "wasp" else "ant", "?", *given[2:9]])
    status, out, _ = type_in("calibrate", "run", "--answers", "run/to_check.csv")
    assert status == 0
    assert "8 samples checked, 1 of them wrong; of 1 more nobody could tell" in out
    for words in ("90% interval", "flagged: ", "more answers the interval would be"):
        assert words in out
    status, out, _ = type_in("calibrate", "run")
    assert "8 samples checked" in out
    assert "3 samples to check are in run/to_check.csv" in out
    rest = pd.read_csv("run/to_check.csv", dtype=str, keep_default_na=False)
    assert rest["id"].tolist() == table["id"].tolist()[9:]
    fill("run/to_check.csv", rest["given_label"])
    assert type_in("calibrate", "run", "--answers", "run/to_check.csv")[0] == 0
    assert "All samples drawn are checked" in type_in("calibrate", "run")[1]
    assert "20 samples to check" in type_in("calibrate", "run", "--count", 20)[1]
    assert "1 of 120" not in type_in("report", "run")[1]
    assert "What 11 answers changed" in (place / "run" / "report.html").read_text()


def test_answers_not_read_yet_are_not_overwritten(place, type_in):
    type_in("calibrate", "run", "--count", 5)
    fill("run/to_check.csv", ["ant"])
    before = (place / "run" / "to_check.csv").read_bytes()
    status, _, error = type_in("calibrate", "run")
    assert status == 2
    assert "no new answers in run/to_check.csv" in error
    assert "--answers run/to_check.csv" in error
    assert (place / "run" / "to_check.csv").read_bytes() == before


def test_answers_that_only_say_wrong(place, type_in):
    ids = RunFolder("run").findings["id"][:4]
    pd.DataFrame({"id": ids, "wrong": ["yes", "no", "", "?"]}).to_csv("said.csv", index=False)
    status, out, _ = type_in("calibrate", "run", "--answers", "said.csv", "--reviewer", "Bob")
    assert status == 0
    assert "2 samples checked, 1 of them wrong; of 1 more" in out


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id,answer\n1,ant\n", "the columns id and right_label or wrong"),
        ("", "no columns"),
        ("id,right_label\nnobody,ant\n", "answers for samples of these findings"),
        ("id,right_label\n", "at least one answer"),
    ],
)
def test_files_that_cannot_be_used(place, type_in, content, message):
    (place / "said.csv").write_text(content)
    status, _, error = type_in("calibrate", "run", "--answers", "said.csv")
    assert status == 2
    assert message in error
    assert not (place / "run" / "calibrated.parquet").exists()


def test_no_run_and_no_file(place, type_in):
    assert "a finished run in absent" in type_in("calibrate", "absent")[2]
    assert "absent.csv" in type_in("calibrate", "run", "--answers", "absent.csv")[2]
