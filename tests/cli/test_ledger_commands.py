"""The commands around the ledger, as a user types them."""

import json
import re
import shutil
import sqlite3
import sys

import numpy as np
import pandas as pd
import pytest

import chaffinch as cf
from chaffinch.cli.app import main
from chaffinch.pipeline.ledger import record_run, run_id
from chaffinch.repair.plan import Plan
from chaffinch.store.decision import Decision


@pytest.fixture
def type_in(monkeypatch, capsys):
    def typed(line):
        monkeypatch.setattr(sys, "argv", ["chaffinch", *line.split()])
        with pytest.raises(SystemExit) as stop:
            main()
        printed = capsys.readouterr()
        code = stop.value.code
        return (code if isinstance(code, int) else 0), printed.out, printed.err

    return typed


@pytest.fixture(scope="module")
def scanned(tmp_path_factory):
    """One run with its ledger for all tests; each gets a copy."""
    place = tmp_path_factory.mktemp("scanned")
    random = np.random.default_rng(0)
    truth = np.arange(80) % 2
    frame = pd.DataFrame({"a": truth * 6 + random.normal(size=80), "b": random.normal(size=80)})
    labels = np.array(["no", "yes"])[truth]
    labels[:4] = ["yes", "no", "yes", "no"]
    frame.assign(label=labels).to_csv(place / "data.csv", index=False)
    ledger = str(place / ".chaffinch" / "ledger.db")
    options = {"epochs": 8, "folds": 2, "batch_size": 16, "ledger": ledger}
    cf.scan(place / "data.csv", out=place / "run", **options)
    return place


@pytest.fixture
def workplace(scanned, tmp_path, monkeypatch):
    shutil.copytree(scanned, tmp_path / "here")
    (tmp_path / "here" / "clean.csv").write_text("a,label\n1,no\n2,yes\n")
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.delenv("CHAFFINCH_LEDGER", raising=False)
    return tmp_path / "here"


def test_keep_diff_restore(workplace, type_in):
    status, printed, _ = type_in("ledger keep data.csv")
    version = printed.strip()
    assert (status, len(version)) == (0, 32)
    original = (workplace / "data.csv").read_bytes()
    frame = pd.read_csv("data.csv")
    frame["label"] = frame["label"].where(frame.index != 5, "no")
    frame.drop(index=9).to_csv("data.csv", index=False)
    status, _, error = type_in(f"diff {version} data.csv")
    assert (status, "ledger keep data.csv" in error) == (2, True)
    assert type_in("ledger keep data.csv")[0] == 0
    status, printed, _ = type_in(f"diff {version[:8]} data.csv --out changes.csv")
    assert status == 0
    assert "1 removed, 1 relabelled" in printed
    assert pd.read_csv("changes.csv")["change"].tolist() == ["removed", "relabelled"]
    status, printed, _ = type_in(f"diff {version} data.csv")
    row = next(line for line in printed.splitlines() if "relabelled  " in line)
    assert re.search(r"relabelled +yes +no", row)
    assert "no sample differs" in type_in("diff data.csv data.csv")[1]
    assert type_in(f"restore {version} --out back.csv")[0] == 0
    assert (workplace / "back.csv").read_bytes() == original
    status, _, error = type_in(f"restore {version} --out back.csv")
    assert (status, "Choose another --out" in error) == (2, True)
    for subject in ("data.csv", "run", ""):
        status, printed, _ = type_in(f"history {subject}")
        assert status == 0
        assert version[:12] in printed


def test_check_ends_with_1_when_an_entry_was_changed(workplace, type_in):
    status, printed, _ = type_in("ledger check")
    assert status == 0
    head = printed.split()[-1]
    assert head in type_in("ledger log")[1]
    assert type_in(f"ledger check --head {head}")[0] == 0
    with sqlite3.connect(workplace / ".chaffinch" / "ledger.db") as connection:
        connection.execute("DROP TRIGGER finding_no_update")
        connection.execute("UPDATE finding SET suspicion = 0 WHERE position = 0")
    connection.close()
    status, printed, error = type_in("ledger check")
    assert (status, printed) == (1, "")
    assert "entry 2 is not as it was written" in error


def test_decisions_come_back_and_disagreements_are_shown(workplace, type_in):
    assert type_in("export run --to label-studio --rows all")[1] == "run-label-studio.json\n"
    tasks = json.loads((workplace / "run-label-studio.json").read_text())

    def made(who, word):
        return {
            "completed_by": who,
            "result": [{"from_name": "label", "value": {"choices": [word]}}],
        }

    tasks[0]["annotations"] = [made(1, "no"), made(2, "yes")]
    (workplace / "done.json").write_text(json.dumps(tasks))
    (workplace / "names.json").write_text('{"user 1": "Ann"}')
    line = "import run done.json --from label-studio --names names.json"
    status, printed, _ = type_in(line)
    assert status == 0
    assert "2 decisions read, 2 of them new" in printed
    assert "reviewers disagree on 1 samples" in printed
    assert "Ann: " in printed
    assert "0 of them new" in type_in(line)[1]
    status, printed, _ = type_in("ledger disagreements run")
    assert (status, tasks[0]["data"]["chaffinch_id"] in printed) == (0, True)
    status, printed, _ = type_in("ledger decisions run")
    assert "1 samples decided, 1 by several reviewers, of which 0 alike" in printed
    status, printed, _ = type_in("datasheet run")
    assert printed.split() == ["datasheet.md", "datasheet.json"]
    assert "| reviewers | 2 |" in (workplace / "datasheet.md").read_text()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("history elsewhere/data.csv --ledger no.db", "Scan with --out first"),
        ("history clean.csv", "of which nothing was recorded"),
        ("restore VERSION --out data.csv/back.csv", "to write data.csv/back.csv; got Not a"),
        ("ledger burn", "one of check, log"),
        ("ledger decisions", "a run or data after"),
        ("ledger decisions nowhere", "finished run in nowhere"),
        ("ledger decisions run --ledger none", "Expected a ledger"),
        ("ledger keep gone.csv", "file or folder that exists"),
        ("diff data.csv nothing", "id of a version"),
        ("import run data.csv --from csv --ledger none", "a ledger for the decisions"),
        ("import run data.csv --from csv --names data.csv", "a JSON file such as"),
        ("export run --to word", "a format among"),
        ("datasheet run --about gone.toml", "file or folder that exists; got 'gone.toml'"),
        ("scan data.csv --out other --ledger mysql://x/y", "postgresql://USER@HOST/DATABASE"),
    ],
)
def test_bad_usage_is_status_2(workplace, type_in, line, message):
    if "VERSION" in line:
        line = line.replace("VERSION", type_in("ledger keep data.csv")[1].strip())
    status, printed, error = type_in(line)
    assert (status, printed) == (2, "")
    assert message in " ".join(error.split())


def test_a_mistake_leaves_no_empty_ledger_that_hides_the_other(workplace, type_in, monkeypatch):
    (workplace / "below").mkdir()
    monkeypatch.chdir(workplace / "below")
    assert type_in("ledger keep gone.csv")[0] == 2
    assert not list((workplace / "below").iterdir())
    assert type_in("history ../data.csv")[0] == 0


def test_a_damaged_run_is_status_2(workplace, type_in):
    (workplace / "run" / "findings.parquet").write_bytes(b"PAR1")
    for line in ("propose run", "export run --to csv", "history run"):
        status, printed, error = type_in(line)
        assert (status, printed) == (2, "")
        assert error.startswith("chaffinch: Expected")
    (workplace / "run" / "findings.parquet").unlink()
    assert "Scan again" in type_in("history run")[2]


def test_a_table_of_images_is_known_by_its_path(workplace, type_in):
    from PIL import Image

    folder = workplace / "pictures"
    folder.mkdir()
    for number in range(4):
        Image.new("L", (4, 4), 60 * number).save(folder / f"{number}.png")
    rows = [f"{number}.png,{'ab'[number % 2]}" for number in range(4)]
    (folder / "labels.csv").write_text("\n".join(["file,label", *rows]) + "\n")
    assert type_in("ledger keep pictures/labels.csv")[0] == 0
    status, printed, _ = type_in("diff pictures/labels.csv pictures/labels.csv")
    assert (status, "no sample differs" in printed) == (0, True)


def test_a_run_remembers_what_an_emptied_ledger_does_not(workplace, type_in):
    assert type_in("ledger check run")[0] == 0
    book = workplace / ".chaffinch" / "ledger.db"
    book.write_bytes(b"")
    status, _, error = type_in("ledger check")
    assert (status, "ledger.db.head remembers" in error, "No entry is whole" in error) == (
        1,
        True,
        True,
    )
    for command in ("propose run", "apply run --out clean2.csv", "scan data.csv --out new"):
        status, _, error = type_in(command)
        assert (status, "Bring the ledger back from a copy" in error) == (2, True)
    assert not (workplace / "clean2.csv").exists()
    book.with_name("ledger.db.head").unlink()
    status, printed, _ = type_in("ledger check")
    assert (status, "nothing was ever written, or all is lost" in printed) == (0, True)
    status, _, error = type_in("ledger check run")
    assert (status, "a ledger that does not know it" in error) == (1, True)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("ledger check gone", "a file or folder that exists; got 'gone'"),
        ("ledger log gone", "a file or folder that exists; got 'gone'"),
        ("ledger check --head abc", "a hash of 64 digits"),
        ("ledger keep run", "Name the data that were scanned"),
        ("ledger keep clean.csv --ledger none", "got 'none'"),
        ("history --ledger none", "got 'none'"),
        ("diff data.csv gone.csv", "existing data, or the id of a version; got 'gone.csv'"),
        ("diff data.csv abc", "too short"),
        ("restore abcdef --out data.csv/x", "0 that begin like this"),
        ("diff data.csv data.csv --out data.csv", "--overwrite"),
        ("diff data.csv data.csv --out run", "a folder"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_recorded(workplace, type_in, command, message):
    before = type_in("ledger log")[1]
    status, printed, error = type_in(command)
    assert (status, printed) == (2, "")
    assert message in error
    assert type_in("ledger log")[1] == before


def test_no_ledger_is_taken_from_the_folder_above(workplace, type_in, monkeypatch):
    (workplace / "deeper").mkdir()
    monkeypatch.chdir(workplace / "deeper")
    for command in ("history", "ledger check", "ledger log"):
        status, printed, error = type_in(command)
        assert (status, printed, "here; got none" in error) == (2, "", True)
    # Of a run, the ledger beside it is the one, whatever lies here.
    monkeypatch.setenv("CHAFFINCH_LEDGER", "")
    shutil.copy(workplace / "clean.csv", "here.csv")
    assert type_in("ledger keep here.csv")[0] == 0
    assert type_in("history ../run")[0] == 0
    assert "1 entry, all as written" in type_in("ledger check")[1]


def test_runs_stand_for_the_data_that_were_scanned(workplace, type_in):
    frame = pd.read_csv("data.csv")
    frame.assign(label=frame["label"].where(frame.index != 5, "no")).to_csv("new.csv", index=False)
    assert type_in("ledger keep new.csv")[0] == 0
    status, printed, _ = type_in("diff run new.csv --out changes.csv")
    assert (status, "1 relabelled" in printed) == (0, True)
    old = (workplace / "changes.csv").read_bytes()
    assert type_in("diff new.csv run --out changes.csv")[0] == 2
    assert (workplace / "changes.csv").read_bytes() == old
    assert type_in("diff new.csv run --out changes.csv --overwrite")[0] == 0
    assert pd.read_csv("changes.csv")["new_label"].tolist() == [frame["label"][5]]


def test_a_sheet_is_not_silent_about_a_ledger_that_cannot_be_read(workplace, type_in):
    (workplace / ".chaffinch" / "ledger.db").write_bytes(b"no database at all" * 100)
    for subject in ("run", "data.csv"):
        status, _, error = type_in(f"datasheet {subject} --out sheet")
        assert (status, "a ledger that can be opened" in error) == (2, True)
    assert not (workplace / "sheet.md").exists()
    assert type_in("datasheet data.csv --ledger none --out sheet")[0] == 0


def test_a_repair_that_cannot_be_recorded_is_whole_and_says_so(workplace, type_in, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("chaffinch.pipeline.repairing.record_repair", full)
    status, _, error = type_in("apply run --out repaired.csv")
    assert status == 2
    assert "No space left on device. The repaired data in repaired.csv are whole" in error
    assert len(pd.read_csv("repaired.csv")) > 0


@pytest.mark.parametrize("name", ["run.json", "findings.parquet"])
def test_decisions_outlive_a_change_of_the_runs_files_and_that_is_said(workplace, type_in, name):
    findings = pd.read_parquet("run/findings.parquet")
    book = cf.Ledger(".chaffinch/ledger.db")
    sample = findings["id"][0]
    book.decide(run_id("run"), [Decision(sample, "quarantine", "ann")])
    assert type_in("propose run")[2] == ""
    if name == "run.json":
        text = (workplace / "run" / name).read_text()
        (workplace / "run" / name).write_text(text.replace('"seed": 0', '"seed": 1'))
    else:
        findings.assign(q_value=0.5).to_parquet("run/findings.parquet")
    assert type_in("ledger decisions run")[1].startswith("sample")
    lines = [
        "propose run",
        "export run --to csv",
        "apply run --out clean2.csv",
        "export run --to json",
    ]
    for line in lines:
        status, _, error = type_in(line)
        assert (status, error.count("note on")) == (0, 1)
        assert f"{name} of this run changed since it was recorded" in error
    edits = {edit.id: edit for edit in Plan.read(workplace / "run" / "repair.json").edits}
    assert edits[sample].action == "quarantine"
    status, _, error = type_in("ledger check run")
    assert (status, f"{name} of this run changed" in error) == (1, True)


def test_a_ledger_that_does_not_know_the_run_is_named(workplace, type_in, monkeypatch, capsys):
    shutil.rmtree(workplace / ".chaffinch")
    monkeypatch.setattr("chaffinch.review.server.serve", lambda *_, **__: None)
    monkeypatch.setattr("chaffinch.runs.repairs.verify_run", lambda *_, **__: 1 / 0)
    assert "does not exist yet" in type_in("propose run")[2]
    for line in ("propose run", "review run", "apply run --out c.csv", "export run --to csv"):
        error = type_in(line)[2]
        assert error.count("it does not know this run") == 1, line
    assert type_in("propose run --ledger none")[2] == ""
    with pytest.raises(ZeroDivisionError):
        type_in("verify run")
    assert capsys.readouterr().err.count("it does not know this run") == 1


def test_a_run_of_an_older_version_goes_by_its_content(workplace, type_in):
    record = json.loads((workplace / "run" / "run.json").read_text())
    assert re.fullmatch("[0-9a-f]{32}", record.pop("id"))
    (workplace / "run" / "run.json").write_text(json.dumps(record))
    assert re.fullmatch("[0-9a-f]{16}", run_id("run"))
    record_run("run", cf.open_data("data.csv"), cf.Ledger(".chaffinch/ledger.db"))
    assert type_in("ledger check run")[0] == 0
    assert type_in("propose run")[::2] == (0, "")


def test_what_reviewers_wrote_gives_the_terminal_no_orders(workplace, type_in):
    sample = pd.read_parquet("run/findings.parquet")["id"][0]
    evil = "\x1b]0;gotcha\x07\x1b[2J\x9b31m\u202egnp.exe"
    ledger = cf.Ledger(".chaffinch/ledger.db")
    ledger.decide(run_id("run"), [Decision(sample, "remove", f"eve{evil}", reason=evil)])
    ledger.decide(run_id("run"), [Decision(sample, "keep", "ann")])
    for line in ("decisions run", "disagreements run"):
        printed = type_in(f"ledger {line}")[1]
        assert "gotcha" in printed
        assert not re.search("[\x1b\x07\x9b\u202e]", printed)
    for line in ("history", f"history {evil.replace(' ', '')}", f"explain run {evil}"):
        assert not re.search("[\x1b\x07\x9b\u202e]", "".join(map(str, type_in(line)[1:])))
