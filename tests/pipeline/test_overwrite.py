"""`--overwrite` replaces what Chaffinch wrote, and nothing else."""

import shutil
import sys

import pytest

import chaffinch as cf
from chaffinch.cli.app import main
from chaffinch.core.errors import InputError, RunError
from chaffinch.pipeline.repairing import propose_run
from chaffinch.pipeline.resume import publish
from chaffinch.pipeline.verification.outcome import Outcome, Part
from chaffinch.pipeline.verification.statistic import Interval
from chaffinch.repair.plan import Plan
from chaffinch.store.run import RunFolder, partial_folder

QUICK = {"epochs": 1, "folds": 2, "fold_epochs": 1, "scorers": ["aum"], "canaries": False}


def content(root):
    return {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def run(csv, tmp_path):
    cf.scan(csv, out=tmp_path / "run", **QUICK)
    return tmp_path / "run"


def test_a_run_is_replaced_and_what_is_beside_it_left(run, csv, tmp_path):
    for name in ("run.replaced", "run.old", "run.draft"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine").write_text("mine")
    propose_run(RunFolder(run))
    (run / "run.json").write_text((run / "run.json").read_text()[:50])  # damaged
    cf.scan(csv, out=run, overwrite=True, **QUICK)
    assert RunFolder(run).record.id
    assert not (run / "repair.json").exists()
    assert all((tmp_path / name / "mine").exists() for name in ("run.replaced", "run.old"))


@pytest.mark.parametrize("name", ["notes.txt", "evidence/notes.txt", ".chaffinch/ledger.db"])
def test_a_run_with_files_of_others_is_not(run, csv, name):
    (run / name).parent.mkdir(exist_ok=True)
    (run / name).write_text("mine")
    before = content(run)
    with pytest.raises(RunError, match=r"no scan wrote.*Move it away"):
        cf.scan(csv, out=run, overwrite=True, **QUICK)
    assert content(run) == before


@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize("files", [("run.json",), ("a.csv", "plan.json"), ("report.html",)])
def test_a_folder_of_somebody_else_is_not(csv, tmp_path, files, partial):
    out = tmp_path / "run"
    place = partial_folder(out) if partial else out
    place.mkdir()
    for name in files:
        (place / name).write_text('{"mine": 1}')
    before = content(place)
    with pytest.raises(RunError, match="something that is not a run"):
        cf.scan(csv, out=out, overwrite=True, **QUICK)
    assert content(place) == before


def test_runs_of_version_0_1_are_replaced(run, csv):
    (run / "files.json").unlink()
    forget(run / "report.html")
    cf.scan(csv, out=run, overwrite=True, **QUICK)


def test_a_run_that_cannot_be_put_in_place_leaves_the_old_one(run, tmp_path, monkeypatch):
    shutil.copytree(run, tmp_path / "new")
    before = content(run)
    monkeypatch.setattr("os.replace", failing(tmp_path / "new"))
    with pytest.raises(OSError, match="full"):
        publish(tmp_path / "new", run)
    assert content(run) == before


def failing(draft):
    import os

    real = os.replace

    def replace(source, target):
        if source == draft:
            raise OSError(28, "full")
        real(source, target)

    return replace


def test_a_scan_killed_while_it_wrote_its_plan_is_begun_again(csv, tmp_path):
    partial = partial_folder(tmp_path / "run")
    partial.mkdir()
    (partial / ".plan.json.0123456789ab.draft").write_text("{")
    cf.scan(csv, out=tmp_path / "run", **QUICK)


@pytest.mark.parametrize("url", ["memory://run", "s3://bucket/run"])
def test_a_run_is_kept_on_this_computer(csv, url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="of this computer"):
        cf.scan(csv, out=url, **QUICK)
    with pytest.raises(InputError, match="of this computer"):
        Plan().apply(csv, out=url)
    assert [path.name for path in tmp_path.iterdir()] == ["insects.csv"]


def test_repaired_data_are_replaced_if_chaffinch_wrote_them(csv, tmp_path):
    out = tmp_path / "clean.csv"
    out.write_text("mine")
    with pytest.raises(InputError, match="that it did not write"):
        Plan().apply(csv, out=out, overwrite=True)
    assert out.read_text() == "mine"
    out.unlink()
    for beside in ("clean.csv.draft", "clean.csv.old"):
        (tmp_path / beside).write_text("mine")
    Plan().apply(csv, out=out)
    Plan().apply(csv, out=out, overwrite=True)
    assert out.read_bytes() == csv.read_bytes()
    out.write_text(out.read_text() + "\n")
    with pytest.raises(InputError, match="changed since"):
        Plan().apply(csv, out=out, overwrite=True)
    assert (tmp_path / "clean.csv.draft").read_text() == "mine"
    names = {path.name for path in tmp_path.iterdir()} - {".chaffinch"}
    assert names == {"insects.csv", "clean.csv", "clean.csv.draft", "clean.csv.old"}


def forget(place):
    """Take away what is noted of a file."""
    shutil.rmtree(place.parent / ".chaffinch", ignore_errors=True)
    text = place.read_bytes()
    place.unlink()
    place.write_bytes(text)


def test_a_report_that_somebody_changed_is_left(run, monkeypatch, capsys):
    for change in (lambda _: None, forget):  # as in runs of 0.1
        change(run / "report.html")
        assert command(monkeypatch, "report", run) == 0
    report = run / "report.html"
    report.write_text(report.read_text() + "<p>mine</p>")
    assert command(monkeypatch, "report", run) == 2
    assert "move away the file" in capsys.readouterr().err
    assert report.read_text().endswith("<p>mine</p>")


def test_a_plan_changed_by_hand_is_kept(run, tmp_path, caplog):
    first = propose_run(RunFolder(run), out=tmp_path / "plan.csv")
    propose_run(RunFolder(run), "strict", out=tmp_path / "plan.csv")
    assert not list(run.glob("repair-changed-*"))
    first.without(kind="outlier", ids=[]).to_json(run / "repair.json")
    mine = (run / "repair.json").read_bytes()
    propose_run(RunFolder(run), "gentle")
    assert (run / "repair-changed-1.json").read_bytes() == mine
    assert "changed by hand" in caplog.text
    (tmp_path / "plan.csv").write_text("mine")
    with pytest.raises(InputError, match="changed since"):
        propose_run(RunFolder(run), out=tmp_path / "plan.csv")
    assert (tmp_path / "plan.csv").read_text() == "mine"


def test_a_verification_of_another_plan_leaves_that_of_the_run(run, monkeypatch):
    plan = propose_run(RunFolder(run))
    plan.to_json(run.parent / "other.json")
    before = (run / "repair.json").read_bytes()
    reduced = Plan(policy="reduced")

    gain = Interval(0.01, 0.005, 0.015)
    parts = (Part("outlier", 1, gain, None, withheld=True),)
    found = Outcome("helps", gain, None, {}, parts, reduced, 2, 2, "clean samples")
    monkeypatch.setattr("chaffinch.pipeline.verifying.verify_for", lambda *_, **__: found)
    assert command(monkeypatch, "verify", run, "--plan", run.parent / "other.json") == 0
    assert (run / "repair.json").read_bytes() == before
    assert Plan.read(run / "repair-reduced.json") == reduced
    assert not (run / "repair-proposed.json").exists()
    assert command(monkeypatch, "verify", run) == 0
    assert Plan.read(run / "repair.json") == reduced


def command(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["chaffinch", *map(str, words)])
    try:
        main()
    except SystemExit as end:
        return end.code or 0
    return 0
