"""A run shows its findings, opens and closes, and says what it needs."""

import inspect
import os
from dataclasses import fields

import numpy as np
import pandas as pd
import pytest

import chaffinch as cf
from chaffinch.core.errors import InputError, RunError
from chaffinch.core.findings import COLUMNS, Findings
from chaffinch.store.run import RunRecord

PUBLIC = sorted(
    {name for name in dir(Findings) if not name.startswith("_")}
    | {field.name for field in fields(Findings)}
)


def test_everything_public_of_findings_is_there(judge):
    run = judge(None)
    assert len(run) == len(run.findings)
    for name in PUBLIC:
        here, there = getattr(run, name), getattr(run.findings, name)
        if isinstance(there, pd.DataFrame):
            pd.testing.assert_frame_equal(here, there)
        elif not callable(there):
            assert here is there or np.array_equal(here, there), name
        elif name != "calibrate":  # which gives a run in place of findings
            mine, own = (list(inspect.signature(one).parameters) for one in (here, there))
            assert mine == own, name


def test_a_run_is_kept_and_opened(judge, tmp_path):
    made = judge()
    again = cf.Run.open(tmp_path / "run")
    pd.testing.assert_frame_equal(again.table, made.table)
    assert isinstance(again.info, RunRecord)
    assert again.info.model_dump_json() == made.info.model_dump_json()
    assert again.path == made.path == tmp_path / "run"
    assert os.fspath(again) == str(tmp_path / "run")
    assert list(again.evidence.ids) == list(made.evidence.ids)
    assert tuple(again.table.columns[: len(COLUMNS)]) == COLUMNS
    assert again.report() == tmp_path / "run" / "report.html"
    assert repr(again).startswith(f"Run({tmp_path / 'run'}: Findings(120 samples")


def test_the_same_judgement_is_not_made_twice_and_another_is_refused(judge, tmp_path):
    first = judge()
    assert judge().info.id == first.info.id
    with pytest.raises(RunError, match="other options"):
        judge(seed=1)
    assert judge(seed=1, overwrite=True).info.id != first.info.id


def test_whatever_is_no_finished_run_is_one_input_error(judge, tmp_path):
    judge()
    (tmp_path / "empty").mkdir()
    (tmp_path / "half.partial").mkdir()
    wrong = [
        (tmp_path / "runn", "Did you mean"),
        (tmp_path / "empty", "got none there"),
        (tmp_path / "half", "an unfinished one"),
        (tmp_path / "run" / "report.html", "a file in one"),
        ("nul\0l", "none there"),
        ("x" * 5000, "a finished run in xxx"),
        (None, "the folder of a run"),
        (7, "the folder of a run"),
    ]
    for path, words in wrong:
        with pytest.raises(InputError, match=words):
            cf.Run.open(path)


def test_a_damaged_run_is_told_when_it_is_opened(judge, tmp_path):
    judge()
    (tmp_path / "run" / "findings.parquet").write_bytes(b"PAR1")
    with pytest.raises(RunError, match=r"findings\.parquet"):
        cf.Run.open(tmp_path / "run")


@pytest.mark.parametrize("what", ["path", "export", "history", "review", "report", "ask"])
def test_a_run_in_memory_says_what_needs_a_folder(judge, what):
    run = judge(None)
    with pytest.raises(InputError, match=r"got a run in memory.*out='run'"):
        _ = run.path if what == "path" else getattr(run, what)(*["csv"] * (what == "export"))


def test_a_run_in_memory_is_explained_proposed_calibrated_and_applied(judge, judged):
    table, truth, _ = judged
    run = judge(None)
    worst = run.ranked["id"].iloc[0]
    assert run.explain(worst)[0].id == worst
    plan = run.propose()
    assert cf.propose(run).edits == plan.edits
    assert len(plan.changing) >= 8
    with pytest.raises(InputError, match=r"run\.attach"):
        run.apply(plan)
    clean = run.attach(table, label="label").apply(plan)
    right = np.asarray(["lark", "wren"])[truth]
    relabelled = [edit.row for edit in plan.edits if edit.action == "relabel"]
    assert (clean["label"].iloc[relabelled] == right[relabelled]).mean() > 0.9
    asked = run.to_check(20)
    assert list(asked.columns[:4]) == ["id", "row", "source", "weight"]
    answers = dict(zip(asked["id"], right[asked["row"]], strict=True))
    after = run.calibrate(answers)
    assert isinstance(after, cf.Run)
    assert after.details["calibration"]["answers"] == 20
    assert "calibration" not in run.details


def test_in_memory_answers_and_in_a_folder_teach_the_same(judge, judged, tmp_path):
    truth = np.asarray(["lark", "wren"])[judged[1]]
    kept, memory = judge(), judge(None)
    asked = memory.to_check(20)
    answers = dict(zip(asked["id"], truth[asked["row"]], strict=True))
    here, there = memory.calibrate(answers), kept.calibrate(answers, ledger="none")
    assert np.allclose(here.table["suspicion"], there.table["suspicion"])
    assert cf.Run.open(kept).table["suspicion"].equals(there.table["suspicion"])


def test_a_judged_run_goes_all_the_way(judge, judged, csv, tmp_path):
    run = cf.Run.open(judge())
    plan = run.propose(out=tmp_path / "plan.csv")
    assert cf.Plan.read(tmp_path / "plan.csv").edits == plan.edits
    with pytest.raises(InputError, match=r"the data of the run.*run\.attach"):
        run.apply(out=tmp_path / "clean.csv")
    with pytest.raises(InputError, match="another label"):
        run.attach(judged[0].iloc[::-1])
    run.attach(csv)
    assert run.apply(out=tmp_path / "clean.csv", ledger="none") == tmp_path / "clean.csv"
    left = sum(edit.leaves_out for edit in plan.edits)
    clean = pd.read_csv(tmp_path / "clean.csv")
    assert len(clean) == 120 - left
    outcome = run.verify(plan, seeds=2, ablate=False, control=False, ledger="none")
    assert outcome.plan.edits == plan.edits  # by the ids of the run
    assert (run.path / "verification.json").is_file()
    tasks = run.export("label-studio", tmp_path / "tasks.json")
    assert '"height: ' in tasks.read_text() or "height: " in tasks.read_text()
    table = pd.read_csv(run.export("csv", tmp_path / "findings.csv"))
    assert list(table.columns[:3]) == ["id", "row", "source"]


def test_data_given_at_once_name_the_samples_and_fill_the_report(judge, csv):
    run = judge(data=str(csv))
    opened = cf.open_data(csv)
    assert run.table["id"].tolist() == opened.ids.tolist()
    assert run.table["row"].tolist() == list(range(120))
    assert run.table["source"].iloc[7] == "birds.csv:7"
    assert "birds.csv:" in (run.path / "report.html").read_text()
    clean = run.apply(ledger="none")
    assert len(clean) <= 120


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"data": lambda t: t.iloc[:50]}, "data of the 120 samples"),
        ({"data": lambda t: t.iloc[::-1]}, "another label"),
        ({"data": lambda t: t, "ids": lambda t: range(120)}, "ids or data"),
    ],
)
def test_other_data_than_what_was_judged_are_refused(judge, judged, change, words, tmp_path):
    options = {name: make(judged[0]) for name, make in change.items()}
    with pytest.raises(InputError, match=words):
        judge(**options)
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "run.partial").exists()


def test_samples_are_named_by_id_row_and_file(judge, csv):
    run = judge(data=str(csv))
    seventh = run.table["id"].iloc[7]
    for name in (seventh, 7, "7", "birds.csv:7"):
        (one,) = run.explain(name)
        assert (one.id, one.row, one.source) == (seventh, 7, "birds.csv:7")
    with pytest.raises(InputError, match="a row from 0 to 119"):
        run.explain(120)
    edits = run.propose().edits
    assert all(edit.location == f"birds.csv:{edit.row}" for edit in edits)


def test_an_old_run_gets_rows_by_its_order(judge, tmp_path):
    run = judge()
    file = run.path / "findings.parquet"
    pd.read_parquet(file).drop(columns=["row", "source"]).to_parquet(file, index=False)
    old = cf.Run.open(run.path)
    assert old.table["row"].tolist() == list(range(120))
    assert set(old.table["source"]) == {""}
    assert old.explain(3)[0].id == "3"
