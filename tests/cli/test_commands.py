import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import typer

import chaffinch
from chaffinch.cli.app import app, main
from chaffinch.store.run import RunFolder


def run(monkeypatch, capsys, *words: str) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["chaffinch", *words])
    with pytest.raises(SystemExit) as stop:
        main()
    printed = capsys.readouterr()
    code = stop.value.code
    return (code if isinstance(code, int) else 0), printed.out, printed.err


@pytest.fixture
def csv(tmp_path):
    random = np.random.default_rng(0)
    truth = np.arange(120) % 2
    frame = pd.DataFrame({"a": truth * 6 + random.normal(size=120), "b": random.normal(size=120)})
    labels, _ = chaffinch.corruptions.uniform_flips(np.array(["no", "yes"])[truth], 0.1, seed=0)
    path = tmp_path / "data.csv"
    frame.assign(answer=labels, key=[f"k{n}" for n in range(120)]).to_csv(path, index=False)
    return path


QUICK = ("--epochs", "8", "--folds", "2", "--batch-size", "16")


def test_scan_takes_what_a_label_is(monkeypatch, capsys, csv, tmp_path):
    out = str(tmp_path / "run")
    words = ("scan", str(csv), "--label", "answer", "--id", "key", "--out", out, *QUICK)
    status, printed, _ = run(monkeypatch, capsys, *words, "--assume", "crisp")
    assert status == 0
    assert "of labels may be wrong" in printed.replace("\n", " ")
    record = RunFolder(out).record
    assert record.configuration["assume"] == record.judgement.details["assumed"] == "crisp"
    low, high = record.judgement.details["rate_range"]
    assert low <= record.judgement.estimated_errors / 120 <= high
    status, _, error = run(monkeypatch, capsys, *words, "--assume", "soft")
    assert status
    assert "'crisp' or 'graded'" in error


def test_scan_then_report(monkeypatch, capsys, csv, tmp_path):
    out = str(tmp_path / "run")
    words = ("scan", str(csv), "--label", "answer", "--id", "key", "--out", out, *QUICK)
    status, printed, _ = run(monkeypatch, capsys, *words)
    assert status == 0
    assert "of 120 samples look mislabelled" in printed
    assert "report.html" in printed
    findings = RunFolder(out).findings
    assert findings["id"].tolist() == [f"k{n}" for n in range(120)]
    report = tmp_path / "run" / "report.html"
    before = report.read_bytes()
    report.unlink()
    status, again, _ = run(monkeypatch, capsys, "report", out)
    assert status == 0
    assert again == printed
    assert report.read_bytes() == before


def test_the_help_lists_commands_in_the_order_of_the_work():
    first = list(typer.main.get_command(app).commands)[:9]
    looking = ["scan", "check", "report", "explain", "review", "calibrate"]
    assert first == [*looking, "propose", "apply", "verify"]


def test_the_default_run_folder_is_named_after_the_data(monkeypatch, capsys, csv, tmp_path):
    monkeypatch.chdir(tmp_path)
    status, _, _ = run(monkeypatch, capsys, "scan", "data.csv", "--label", "answer", *QUICK)
    assert status == 0
    assert (tmp_path / "data.chaffinch" / "run.json").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("scan", "nothing.csv"), "file or folder that exists"),
        (("scan", "data.csv", "--label", "anser"), "Did you mean 'answer'"),
        (("scan", "data.csv", "--label", "answer", "--scorers", "aun"), "Did you mean 'aum'"),
        (
            ("scan", "data.csv", "--label", "answer", "--model", "net.py:make"),
            "got 'net.py'",
        ),
        (("scan", "data.csv", "--label", "answer", "--model", "net"), "MODULE:FACTORY"),
        (("report", "nowhere"), "finished run in nowhere"),
        (("scan", "data.csv", "--no-such-option"), "No such option"),
        (("scan",), "Missing argument"),
        (("bench", "quick", "--full"), "In a checkout, type: python -m benchmarks SUITE"),
    ],
)
def test_bad_usage_is_status_2_on_standard_error(
    monkeypatch, capsys, csv, tmp_path, words, message
):
    monkeypatch.chdir(tmp_path)
    status, printed, error = run(monkeypatch, capsys, *words)
    assert status == 2
    assert message in " ".join(error.split())
    assert printed == ""
    assert [path.name for path in tmp_path.iterdir()] == ["data.csv"]


def test_scorers_are_listed(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "200")
    status, printed, _ = run(monkeypatch, capsys, "scorers")
    assert status == 0
    for name in chaffinch.scorers.SCORERS:
        assert name in printed


def test_estimators_are_listed(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "200")
    status, printed, _ = run(monkeypatch, capsys, "estimators")
    assert status == 0
    for name in chaffinch.influence.ESTIMATORS:
        assert name in printed


def test_version(monkeypatch, capsys):
    status, printed, _ = run(monkeypatch, capsys, "--version")
    assert status == 0
    assert printed == f"chaffinch {chaffinch.__version__}\n"


def test_importing_the_package_is_quick():
    code = "import sys, chaffinch; sys.exit('torch' in sys.modules or 'pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_public_name_can_be_imported():
    for name in chaffinch.__all__:
        assert getattr(chaffinch, name) is not None
    assert set(chaffinch.__all__) < set(dir(chaffinch))
    with pytest.raises(AttributeError, match="no attribute 'scann'"):
        _ = chaffinch.scann


def test_demo_finds_most_of_what_was_put_in(monkeypatch, capsys, tmp_path):
    out = tmp_path / "demo"
    status, printed, _ = run(monkeypatch, capsys, "demo", "--out", str(out))
    assert status == 0
    demo = RunFolder(out).record.demo
    assert demo is not None
    assert demo["injected"] == 90
    assert demo["precision"] > 0.9
    assert demo["recall"] > 0.9
    assert "Known truth" in printed
    assert app.info.help


def test_ctrl_c_says_that_nothing_is_lost(monkeypatch, capsys, csv, tmp_path):
    def stop(*_arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("chaffinch.pipeline.work.train", stop)
    words = ("scan", str(csv), "--label", "answer", "--out", str(tmp_path / "run"), *QUICK)
    status, _, error = run(monkeypatch, capsys, *words)
    assert status == 130
    assert "goes on where it was" in error
