"""Scans of sounds and of time series, from the folder or table to what people see."""

import numpy as np
import pandas as pd
import pytest
from sounds import tone, write, write_folder
from typer.testing import CliRunner

import chaffinch as cf
from chaffinch.cli.app import app
from chaffinch.core.errors import InputError
from chaffinch.pipeline.ledger import ledger_for
from chaffinch.review.exhibition import Exhibition
from chaffinch.store.run import RunFolder

FAST = {"epochs": 4, "folds": 2, "scorers": ["loss_last", "aum"]}
WRONG = (4, 9)


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """A run on 40 tones in two folders: two in the wrong one, one silent, one broken."""
    place = tmp_path_factory.mktemp("sounds")
    root = write_folder(place / "tones", each=20, wrong=WRONG, seconds=0.1)
    write(root / "low" / "silent.wav", np.zeros(800))
    (root / "high" / "broken.wav").write_bytes(b"no sound")
    cf.scan(root, out=place / "run", seed=1, folds=2, scorers=FAST["scorers"])
    return place


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    """A run on 40 series in a long table, of which two have a wrong label."""
    place, random = tmp_path_factory.mktemp("series"), np.random.default_rng(0)
    rows = []
    for one in range(40):
        label = ["slow", "fast"][(one + (one in WRONG)) % 2]
        for step in range(24 + one % 3):
            wave = np.sin(step * (0.3, 1.2)[one % 2] + one) + random.normal(0, 0.1)
            rows.append((f"m{one}", step, wave, label))
    table = pd.DataFrame(rows, columns=["machine", "time", "speed", "label"])
    table.to_csv(place / "long.csv", index=False)
    cf.scan(place / "long.csv", series="machine", out=place / "run", seed=1, **FAST)
    return place


def test_wrong_sounds_are_found_and_named_by_their_file(sounds):
    table = cf.Run.open(sounds / "run").table
    judged = table[~table.kind.isin(["unreadable", "empty"])]
    found = judged.sort_values("suspicion").source.iloc[-2:]
    assert set(found) == {"high/004.wav", "low/009.wav"}
    aside = table.set_index("source").kind
    assert aside["low/silent.wav"] == "empty"
    assert aside["high/broken.wav"] == "unreadable"


def test_files_are_named_wherever_people_look(sounds):
    report = (sounds / "run" / "report.html").read_text("utf-8")
    assert "42 sounds" in report
    assert "high/004.wav" in report
    assert "data:image/png" in report
    assert "data:audio" not in report
    shown = CliRunner().invoke(app, ["explain", str(sounds / "run"), "high/004.wav"])
    assert shown.exit_code == 0, shown.output
    assert "high/004.wav" in shown.output
    words = ["export", str(sounds / "run"), "--to", "label-studio"]
    words += ["--out", str(sounds / "tasks.json")]
    told = CliRunner().invoke(app, words)
    assert told.exit_code == 0, told.output
    assert "/data/local-files/?d=tones/high/004.wav" in (sounds / "tasks.json").read_text()


def test_the_review_shows_a_spectrogram_and_plays_the_sound(sounds):
    folder = RunFolder(sounds / "run")
    exhibition = Exhibition(folder)
    name = folder.findings.set_index("source").id["high/004.wav"]
    content = exhibition.show(str(name)).content
    assert content["image"].startswith("data:image/png;base64,")
    assert content["audio"].startswith("data:audio/wav;base64,")
    assert content["sampling_rate"] == 8000
    assert exhibition.words(str(name)) == ""


def test_the_page_of_the_review_has_a_player(sounds):
    pytest.importorskip("fastapi")
    pytest.importorskip("httpx2")
    from fastapi.testclient import TestClient

    from chaffinch.review.app import make_app
    from chaffinch.review.session import Session

    run = RunFolder(sounds / "run")
    session = Session(run, ledger_for(run.path), "Ann", checks=0)
    page = TestClient(make_app(session, 8765), base_url="http://127.0.0.1:8765")
    answer = page.get("/", params={"key": session.key})
    assert "media-src data:" in answer.headers["content-security-policy"]
    assert '<audio controls src="data:audio/wav;base64,' in answer.text


def test_a_plan_moves_the_sounds(sounds):
    run = cf.Run.open(sounds / "run")
    plan = run.propose()
    run.apply(plan, out=sounds / "clean")
    assert (sounds / "clean" / "low" / "004.wav").is_file()
    assert not (sounds / "clean" / "high" / "004.wav").exists()
    assert not list((sounds / "clean").rglob("broken.wav"))


def test_wrong_series_are_found_and_lead_back_to_their_rows(series):
    run = cf.Run.open(series / "run")
    found = run.table.sort_values("suspicion").iloc[-2:]
    assert set(found["id"]) == {"m4", "m9"}
    lines = (series / "long.csv").read_text().splitlines()
    for name, source in zip(found["id"], found["source"], strict=True):
        file, _, row = source.partition(":")
        assert file == "long.csv"
        assert lines[int(row) + 1].startswith(f"{name},0,")
    assert "data:image/png" in (series / "run" / "report.html").read_text("utf-8")
    run.apply(run.propose(), out=series / "clean.csv")
    clean = pd.read_csv(series / "clean.csv").groupby("machine")["label"].agg(["first", "nunique"])
    assert clean.loc["m4", "first"] == "slow"
    assert (clean["nunique"] == 1).all()


@pytest.mark.slow
def test_the_shell_takes_a_column_of_series(series):
    out = series / "again"
    words = ["scan", str(series / "long.csv"), "--series", "machine", "--out", str(out)]
    shown = CliRunner().invoke(app, [*words, "--epochs", "1", "--folds", "0", "--json"])
    assert shown.exit_code == 0, shown.output
    assert len(cf.Run.open(out).table) == 40


def test_a_column_of_series_is_refused_where_there_are_no_columns(sounds):
    with pytest.raises(InputError, match="data with columns for the series column"):
        cf.scan(sounds / "tones", series="machine")


@pytest.mark.slow
def test_validation_sounds_of_another_rate_and_length_are_used():
    waves = [tone((300, 1500)[n % 2], seed=n) for n in range(20)]
    held = [tone((300, 1500)[n % 2], rate=16000, seconds=0.3, seed=n) for n in range(4)]
    data = {"audio": waves, "label": [0, 1] * 10, "rate": 8000}
    validation = {"audio": held, "label": [0, 1] * 2, "rate": 16000}
    run = cf.scan(data, validation=validation, **FAST)
    assert len(run.table) == 20


@pytest.mark.slow
def test_runs_on_waveforms_are_kept_in_the_ledger(tmp_path):
    waves = [tone((300, 1500)[n % 2], seconds=0.1, seed=n) for n in range(20)]
    data = {"audio": waves, "label": [0, 1] * 10, "rate": 8000}
    cf.scan(data, out=tmp_path / "run", **FAST)
    series = [np.random.default_rng(n).normal(size=12) + n % 2 for n in range(20)]
    cf.scan((series, [0, 1] * 10), series=True, out=tmp_path / "other", **FAST)
    shown = CliRunner().invoke(app, ["history", "--ledger", str(tmp_path / ".chaffinch/ledger.db")])
    assert shown.exit_code == 0, shown.output
