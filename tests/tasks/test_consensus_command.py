import json
import sys

import pandas as pd
import pytest

from chaffinch.cli import app


def typed(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["chaffinch", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        app.main()
    return ended.value.code


@pytest.fixture
def answers(tmp_path):
    path = tmp_path / "answers.csv"
    rows = [(s, w, "yes" if s % 2 or w == "z" else "no") for s in range(9) for w in "xyz"]
    pd.DataFrame(rows, columns=["item", "worker", "answer"]).to_csv(path, index=False)
    return path


def test_consensus_writes_all_tables(answers, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    assert typed(monkeypatch, "consensus", answers, "--out", out, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["method"] == "dawid-skene"
    assert len(told["samples"]) == 9
    assert pd.read_csv(out / "consensus.csv")["label"].tolist() == ["no", "yes"] * 4 + ["no"]
    assert pd.read_csv(out / "soft_labels.csv", index_col="id").shape == (9, 2)
    assert len(pd.read_csv(out / "annotators.csv")) == 3
    assert (out / "next.csv").is_file()


def test_consensus_by_features_and_one_file(answers, tmp_path, monkeypatch, capsys):
    features, out = tmp_path / "features.csv", tmp_path / "labels.csv"
    pd.DataFrame({"item": range(9), "x": [n % 2 for n in range(9)]}).to_csv(features, index=False)
    words = ["consensus", answers, "--features", features, "-o", out]
    assert typed(monkeypatch, *words) == 0
    assert "consensus by features" in capsys.readouterr().out
    assert len(pd.read_csv(out)) == 9
    assert typed(monkeypatch, *words) == 2


def test_a_missing_file_is_told(tmp_path, monkeypatch, capsys):
    assert typed(monkeypatch, "consensus", tmp_path / "absent.csv") == 2
    assert "absent.csv" in capsys.readouterr().err
