import json

import pandas as pd
import pytest

from chaffinch.core.errors import RunError
from chaffinch.store.run import (
    FINDINGS,
    GALLERY,
    RECORD,
    DataRecord,
    Exhibit,
    JudgementRecord,
    ModelRecord,
    RunFolder,
    RunRecord,
    partial_folder,
    write_text,
)

ONE = RunRecord(
    chaffinch="0.1.0",
    created="2026-01-01T00:00:00Z",
    data=DataRecord(
        source="a.csv",
        fingerprint="f",
        modality="table",
        samples=2,
        classes=["a", "b"],
        class_counts=[1, 1],
    ),
    model=ModelRecord(name="MLP"),
    judgement=JudgementRecord(flagged=1, estimated_errors=1.5, scorers=["aum"], notes=[]),
    configuration={"epochs": 3},
    seed=0,
    device="cpu",
    versions={"torch": "2"},
    timings={"training": 1.0},
)


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "run"
    path.mkdir()
    write_text(path / RECORD, ONE.model_dump_json())
    exhibits = [Exhibit(id="x", content={"text": "ü"})]
    write_text(path / GALLERY, json.dumps([exhibit.model_dump() for exhibit in exhibits]))
    pd.DataFrame({"id": ["x", "y"], "suspicion": [0.9, 0.1]}).to_parquet(path / FINDINGS)
    return path


def test_a_run_comes_back_as_it_was(folder):
    run = RunFolder(str(folder))
    assert run.record == ONE
    assert run.findings["id"].tolist() == ["x", "y"]
    assert run.gallery == [Exhibit(id="x", content={"text": "ü"})]


def test_a_folder_without_a_run(tmp_path):
    with pytest.raises(
        RunError, match=r"a finished run in .*none; got none there. Run 'chaffinch s"
    ):
        RunFolder(tmp_path / "none")


def test_an_unfinished_run_is_named(tmp_path):
    path = tmp_path / "run"
    partial_folder(path).mkdir()
    assert partial_folder(path).name == "run.partial"
    with pytest.raises(RunError, match=r"got an unfinished one in .*run.partial. .*resumes"):
        RunFolder(path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text[:50], r"got Invalid JSON.* at the top. Scan again with --overwrite"),
        (lambda text: text.replace('"seed":0,', ""), "Field required at seed"),
        (lambda text: text.replace('"samples":2', '"samples":"two"'), "at data.samples"),
        (lambda text: text.replace('"seed":0,', '"seed":0,"mood":1,'), "not permitted at mood"),
    ],
    ids=["cut off", "field missing", "wrong type", "field unknown"],
)
def test_a_damaged_record_is_explained(folder, change, words):
    file = folder / RECORD
    file.write_text(change(file.read_text()))
    with pytest.raises(RunError, match=words):
        RunFolder(folder).record  # noqa: B018 (reading is what fails)


@pytest.mark.parametrize(
    ("name", "read", "words"),
    [
        ("findings.parquet", lambda run: run.findings, "findings in"),
        ("gallery.json", lambda run: run.gallery, "samples in"),
    ],
)
@pytest.mark.parametrize("content", [None, b"", b"\xff{"], ids=["gone", "empty", "other"])
def test_damaged_files_of_a_run_are_explained(folder, name, read, words, content):
    file = folder / name
    file.unlink(missing_ok=True)
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(RunError, match=f"{words} .*{name}.*Scan again with --overwrite"):
        read(RunFolder(folder))


def test_a_record_of_other_bytes_is_explained(folder):
    (folder / RECORD).write_bytes(b"\xff\xfe{")
    with pytest.raises(RunError, match="Invalid JSON"):
        RunFolder(folder).record  # noqa: B018 (reading is what fails)


def test_a_text_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    file = tmp_path / "a.json"
    write_text(file, "old")
    monkeypatch.setattr("os.replace", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_text(file, "new")
    assert file.read_text() == "old"


def test_texts_are_utf_8(tmp_path):
    write_text(tmp_path / "a.txt", "Grünfink")
    assert (tmp_path / "a.txt").read_bytes() == "Grünfink".encode()
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
