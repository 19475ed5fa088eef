"""propose, apply and verify on a run folder."""

import sys

import numpy as np
import pandas as pd
import pytest

from chaffinch.cli.app import main
from chaffinch.corruptions import uniform_flips
from chaffinch.repair.plan import Plan


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run on 120 rows with 24 wrong labels, and clean rows beside it."""
    import chaffinch as cf

    place = tmp_path_factory.mktemp("repair")
    random = np.random.default_rng(7)
    for name, count, rate in (("data", 120, 0.2), ("clean", 300, 0.0)):
        truth = np.arange(count) % 2
        x = random.normal(size=(count, 2)) * 1.3 + 3 * truth[:, None]
        labels = uniform_flips(truth, rate, seed=3)[0] if rate else truth
        frame = pd.DataFrame(x, columns=["height", "width"])
        frame.assign(label=np.array(["lark", "wren"])[labels]).to_csv(
            place / f"{name}.csv", index=False
        )
    cf.scan(
        str(place / "data.csv"),
        validation=str(place / "clean.csv"),
        epochs=6,
        folds=3,
        out=place / "run",
    )
    return place


def type_in(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["chaffinch", *map(str, words)])
    try:
        main()
    except SystemExit as end:
        return end.code or 0
    return 0


def test_from_a_run_to_repaired_and_verified_data(run, monkeypatch, capsys):
    before = (run / "data.csv").read_bytes()
    assert type_in(monkeypatch, "propose", run / "run", "--out", run / "plan.csv") == 0
    assert "repair.json" in capsys.readouterr().out
    plan = Plan.from_json(run / "run" / "repair.json")
    assert Plan.read(run / "plan.csv").edits == plan.edits
    assert plan.fingerprint
    assert len(plan.changing) > 5
    assert type_in(monkeypatch, "apply", run / "run", "--out", run / "repaired.csv") == 0
    assert (run / "data.csv").read_bytes() == before
    assert len(pd.read_csv(run / "repaired.csv")) == 120 - sum(e.leaves_out for e in plan.edits)
    status = type_in(monkeypatch, "verify", run / "run", "--seeds", 2, "--no-ablation")
    told = capsys.readouterr().out
    assert status in (0, 1)
    assert (status == 0) == any(word in told for word in ("The repair helps", "No repair needed"))
    assert (run / "run" / "verification.json").is_file()
    assert "clean validation samples" in (run / "run" / "verification.html").read_text()


def test_a_changed_plan_is_taken(run, monkeypatch, capsys):
    assert type_in(monkeypatch, "propose", run / "run", "--policy", "strict") == 0
    plan = Plan.from_json(run / "run" / "repair.json")
    plan.only(ids=[plan.edits[0].id]).to_csv(run / "short.csv")
    words = ("apply", run / "run", "--plan", run / "short.csv", "--out", run / "short-clean.csv")
    assert type_in(monkeypatch, *words) == 0
    assert "1 samples changed" in capsys.readouterr().out
    assert type_in(monkeypatch, *words) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert type_in(monkeypatch, *words, "--overwrite", "--ledger", "none") == 0


def test_a_harmful_plan_ends_with_status_one(run, monkeypatch, capsys):
    import chaffinch as cf

    data = cf.open_data(run / "data.csv")
    names = data.labels.names
    edits = [
        cf.Edit(name, "relabel", new_label=names[1 - code])
        for name, code in zip(data.ids, data.labels.codes, strict=True)
    ]
    Plan(tuple(edits)).to_json(run / "bad.json")
    words = ("verify", run / "run", "--plan", run / "bad.json", "--seeds", 3, "--no-ablation")
    assert type_in(monkeypatch, *words) == 1
    assert "does harm" in capsys.readouterr().out


def test_bad_words_are_refused(run, monkeypatch, capsys):
    assert type_in(monkeypatch, "propose", run / "run", "--policy", "mild") == 2
    assert "gentle, balanced, strict" in capsys.readouterr().err
    assert type_in(monkeypatch, "propose", run / "run", "--out", run / "plan.xml") == 2
    assert type_in(monkeypatch, "apply", run / "absent", "--out", run / "x.csv") == 2
    for place in (run / "run", run):
        words = ("apply", run / "run", "--out", place, "--overwrite")
        assert type_in(monkeypatch, *words) == 2
        assert "does not hold the run" in capsys.readouterr().err
    capsys.readouterr()
    for words in (("apply", "--out", "x.csv"), ("propose", "--out", "plan.csv")):
        # A file where a folder should be, as any other reason not to write.
        place = run / "data.csv" / words[2]
        if words[0] == "apply":
            place = run / "clean.csv" / words[2]
        assert type_in(monkeypatch, words[0], run / "run", words[1], place) == 2
        assert "write" in capsys.readouterr().err
