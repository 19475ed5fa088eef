"""A scan of data from several sources, from the file to the repaired file."""

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import chaffinch as cf
from chaffinch.cli.app import app
from chaffinch.core.errors import InputError, RunError
from chaffinch.data import open_data
from chaffinch.pipeline import work
from chaffinch.pipeline.run_data import open_run_data
from chaffinch.store.run import RunFolder
from chaffinch.training.loop import StateFile
from chaffinch.training.recorder import Recorder

QUICK = {"epochs": 8, "canaries": False, "scorers": []}


@pytest.fixture
def sources():
    """A table of three classes from four sources, of which one is wrong at 40 %, and the errors."""
    random = np.random.default_rng(0)
    truth = np.repeat([0, 1, 2], 160)
    centres = np.array([[0, 0, 0, 0], [5, 0, 5, 0], [0, 5, 0, 5]])
    table = pd.DataFrame(centres[truth] + random.normal(size=(480, 4)), columns=list("abcd"))
    origin = random.integers(0, 4, 480)
    wrong = (origin == 3) & (random.random(480) < 0.4)
    labels = np.where(wrong, (truth + random.integers(1, 3, 480)) % 3, truth)
    names = np.array(["007", "archive", "field", "web"])
    return table.assign(label=np.array(["ant", "bee", "cow"])[labels], source=names[origin]), wrong


def test_the_bad_source_is_named_and_no_feature(sources):
    table, wrong = sources
    found = cf.scan(table, group="source", folds=2, **{**QUICK, "epochs": 4})
    flagged = found.table["flagged"].to_numpy()
    assert 2 * (flagged & wrong).sum() / (flagged.sum() + wrong.sum()) > 0.9
    rates = found.rates[found.rates["of"] == "group"].set_index("name")["rate"]
    assert set(rates.index) == set(table["source"])
    assert rates.idxmax() == "web"
    assert any(note.startswith("source web: about ") for note in found.notes)
    assert list(open_data(table, group="source").frame.columns) == list("abcd")


@pytest.mark.slow
def test_from_the_file_to_the_repaired_file(sources, tmp_path):
    table, wrong = sources
    file, run, clean = (tmp_path / name for name in ("data.csv", "run", "clean.csv"))
    table.to_csv(file, index=False)
    validation = tmp_path / "valid.csv"  # without the column
    table[~wrong].drop(columns="source").head(60).to_csv(validation, index=False)
    words = ["scan", str(file), "--group", "source", "--out", str(run), "--epochs", "4"]
    words += ["--validation", str(validation), "--no-canaries", "--folds", "2"]
    words += ["--scorers", "loss_mean", "--ledger", "none"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert "source web: about" in " ".join(done.output.split())
    assert json.loads((run / "run.json").read_text())["configuration"]["group"] == "source"
    assert open_run_data(RunFolder(run)).groups.names == ("007", "archive", "field", "web")
    report = (run / "report.html").read_text()
    assert "source web: about" in report
    assert "<h2>Where labels come from</h2>" in report
    assert report.count("<bdi>007</bdi>") == 1
    done = CliRunner().invoke(app, ["apply", str(run), "--out", str(clean), "--ledger", "none"])
    assert done.exit_code == 0, done.output
    repaired = pd.read_csv(clean, dtype={"source": str})
    assert set(repaired["source"]) == set(table["source"])


@pytest.mark.slow
def test_a_run_without_groups_has_no_section_of_them(sources, tmp_path):
    cf.scan(sources[0].drop(columns="source"), out=tmp_path / "run", ledger="none", **QUICK)
    assert "Where labels come from" not in (tmp_path / "run" / "report.html").read_text()


@pytest.mark.slow
def test_groups_decide_whether_a_run_is_the_same(sources, tmp_path):
    table, _ = sources
    first = cf.scan(table, group="source", out=tmp_path / "run", **QUICK)
    again = cf.scan(table, group="source", out=tmp_path / "run", **QUICK)
    pd.testing.assert_frame_equal(first.table, again.table)
    other = table.assign(source=table["source"].to_numpy()[::-1])
    for data, options in ((other, {"group": "source"}), (table.drop(columns="source"), {})):
        with pytest.raises(RunError):
            cf.scan(data, out=tmp_path / "run", **options, **QUICK)


@pytest.mark.slow
def test_a_killed_scan_goes_on_with_its_groups(sources, tmp_path, monkeypatch):
    table, _ = sources
    whole = cf.scan(table, group="source", **QUICK)
    monkeypatch.setattr(work, "StateFile", lambda path, _seconds: StateFile(path, 0.0))
    left, record = [5], Recorder.record

    def stopping(self, *arguments):
        if left[0] == 0:
            raise KeyboardInterrupt
        left[0] -= 1
        record(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "record", stopping)
        with pytest.raises(KeyboardInterrupt):
            cf.scan(table, group="source", out=tmp_path / "run", **QUICK)
    found = cf.scan(table, group="source", out=tmp_path / "run", **QUICK)
    pd.testing.assert_frame_equal(found.table, whole.table)
    pd.testing.assert_frame_equal(found.rates, whole.rates)
    assert found.basis.groups.names == ("007", "archive", "field", "web")


def test_columns_of_other_data(sources):
    table, _ = sources
    x, y = table.drop(columns="label"), table["label"]
    arrays = {"x": x[list("abcd")].to_numpy(), "y": y.to_numpy(), "who": x["source"].to_numpy()}
    texts = pd.DataFrame({"text": [f"some words on sample number {n}" for n in range(480)]})
    texts = texts.assign(label=y, source=x["source"])
    codes = open_data(table, group="source").groups.codes
    for data, name in (((x, y), "source"), (arrays, "who"), (texts, "source")):
        opened = open_data(data, group=name)
        assert opened.groups.column == name
        assert opened.groups.codes.tolist() == codes.tolist()
        assert opened.take(np.arange(3)).groups.codes.tolist() == opened.groups.codes[:3].tolist()
    assert open_data(table).groups is None


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ("sorce", "Did you mean 'source'"),
        ("label", "beside that of the labels"),
        ("a", "480 groups of 480 samples"),
    ],
)
def test_columns_that_are_no_groups_are_refused(sources, column, words):
    with pytest.raises(InputError, match=words):
        cf.scan(sources[0], group=column, **QUICK)


def test_data_without_columns_have_no_groups(blobs):
    X, y, _ = blobs
    for data in ((X, y), open_data((X, y))):
        with pytest.raises(InputError, match="columns for the group column"):
            cf.scan(data, group="source", **QUICK)


@pytest.mark.slow
def test_groups_of_samples_that_cannot_be_judged_are_left_out(sources):
    table = sources[0].copy()
    table.loc[[3, 7], "label"] = None
    table.loc[5, "source"] = None
    found = cf.scan(table, group="source", **QUICK)
    assert len(found) == len(table)
    assert "(missing)" in set(found.rates["name"])


def test_images_listed_in_a_table_have_groups(tmp_path):
    from PIL import Image

    random = np.random.default_rng(0)
    rows = []
    for number in range(12):
        name = f"{number}.png"
        Image.fromarray(random.integers(0, 255, (8, 8), dtype=np.uint8)).save(tmp_path / name)
        rows.append((name, number % 2, f"0{number % 3}"))
    columns = ["file", "label", "camera"]
    pd.DataFrame(rows, columns=columns).to_csv(tmp_path / "labels.csv", index=False)
    opened = open_data(tmp_path, group="camera")
    assert opened.groups.names == ("00", "01", "02")
    assert opened.take(np.arange(4)).groups.codes.tolist() == [0, 1, 2, 0]
