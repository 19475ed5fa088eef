"""Answers from files, reviewers and earlier runs recalibrate a run."""

import shutil

import numpy as np
import pandas as pd
import pytest
from insects import insects

import chaffinch as cf
from chaffinch.core.errors import InputError, RunError
from chaffinch.pipeline.answers import answers_of
from chaffinch.pipeline.calibrate import samples_to_check
from chaffinch.pipeline.history import history_of
from chaffinch.pipeline.ledger import ledger_for, run_id
from chaffinch.pipeline.outcome import findings_of
from chaffinch.pipeline.repairing import propose_run
from chaffinch.repair.plan import Plan
from chaffinch.store.decision import Decision
from chaffinch.store.run import RunFolder

CLASSES = ("ant", "bee", "wasp")


@pytest.fixture(scope="module")
def scanned(tmp_path_factory):
    place = tmp_path_factory.mktemp("calibrate")
    insects(CLASSES, 0.15, seed=5).to_csv(place / "insects.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("CHAFFINCH_LEDGER", raising=False)
        cf.scan(place / "insects.csv", out=place / "run", label="label", epochs=6, folds=2)
    return place


@pytest.fixture
def place(scanned, tmp_path, monkeypatch):
    monkeypatch.delenv("CHAFFINCH_LEDGER", raising=False)
    monkeypatch.setenv("CHAFFINCH_USER", "Ann")
    shutil.copytree(scanned, tmp_path / "place")
    return tmp_path / "place"


@pytest.fixture
def right(place):
    """By id, what a person would say: the suggestion of flagged samples, else the given label."""
    table = RunFolder(place / "run").findings
    return dict(
        zip(table["id"], table["suggested_label"].fillna(table["given_label"]), strict=True)
    )


def ask(place, right, count=20):
    rows = samples_to_check(RunFolder(place / "run"), ledger_for(place / "run"), count)
    ids = RunFolder(place / "run").findings["id"].to_numpy()[rows]
    return {name: right[name] for name in ids}


def test_answers_recalibrate_and_are_kept_beside_the_findings(place, right):
    run = RunFolder(place / "run")
    before, name = (run.path / "findings.parquet").read_bytes(), run_id(run.path)
    answers = ask(place, right)
    made = cf.calibrate(run.path, answers)
    assert made.details["calibration"]["answers"] == 20
    assert (run.path / "findings.parquet").read_bytes() == before
    assert run_id(run.path) == name
    record, table = run.latest
    pd.testing.assert_frame_equal(table, made.table)
    assert record.judgement.details["calibration"]["answers"] == 20
    assert record.judgement.flagged == int(made.table["flagged"].sum())
    page = (run.path / "report.html").read_text()
    assert "What 20 answers changed" in page
    for one, label in answers.items():
        told = table.set_index("id").loc[one]
        assert told["suspicion"] == float(label != told["given_label"])
        if label != told["given_label"]:
            assert told["suggested_label"] == label


def test_they_are_decisions_in_the_ledger_with_what_they_changed(place, right):
    answers = ask(place, right)
    made = cf.calibrate(place / "run", answers)
    book = ledger_for(place / "run")
    found = book.decisions(run_id(place / "run")).set_index("sample")
    given = RunFolder(place / "run").findings.set_index("id")["given_label"]
    assert set(found.index) == set(answers)
    assert set(found["source"]) == {"check"}
    assert set(found["reviewer"]) == {"Ann"}
    for one, label in answers.items():
        assert found["action"][one] == ("keep" if label == given[one] else "relabel")
    kept = book.table("calibration")
    assert kept["answers"].tolist() == [20]
    assert kept["rate"][0] == made.details["calibration"]["rate"]
    cf.calibrate(place / "run")
    assert len(book.table("calibration")) == 1  # nothing new
    assert "20 answers" in history_of(book, place / "run")["detail"].str.cat(sep="\n")
    assert book.check().fault is None


def test_decisions_of_reviewers_count_and_can_be_taken_back(place, right):
    run, book = RunFolder(place / "run"), ledger_for(place / "run")
    first, second, third = list(right)[:3]
    decisions = [
        Decision(first, "keep", "Bob"),
        Decision(second, "relabel", "Bob", label="wasp"),
        Decision(third, "unsure", "Bob"),
    ]
    book.decide(run_id(run.path), decisions)
    made = cf.calibrate(run.path)
    assert made.details["calibration"]["answers"] == 2
    assert made.details["calibration"]["undecided"] == 1
    book.decide(run_id(run.path), [Decision(second, "withdraw", "Bob")])
    assert cf.calibrate(run.path).details["calibration"]["answers"] == 1


def test_wrong_without_the_right_label_and_cannot_tell(place, right):
    run = RunFolder(place / "run")
    one, two, three, *_ = right
    made = cf.calibrate(run.path, {one: True, two: False, three: None})
    found = made.details["calibration"]
    assert (found["answers"], found["wrong"], found["undecided"]) == (2, 1, 1)
    decided = ledger_for(run.path).decisions(run_id(run.path)).set_index("sample")["action"]
    assert decided.to_dict() == {one: "unsure", two: "keep", three: "unsure"}
    assert cf.calibrate(run.path).details["calibration"] == found
    # A later decision says more, and counts instead.
    other = next(c for c in CLASSES if c != run.findings["given_label"][0])
    told = [Decision(one, "relabel", "Ann", label=other)]
    ledger_for(run.path).decide(run_id(run.path), told)
    table = answers_of(run, findings_of(run), ledger_for(run.path)).set_index("id")
    assert table["label"][one] == other


def test_no_ledger_keeps_answers_in_the_run(place, right):
    answers = dict([*right.items()][:12])
    first = cf.calibrate(place / "run", answers, ledger="none")
    again = cf.calibrate(place / "run", ledger="none")
    pd.testing.assert_frame_equal(first.table, again.table)
    assert not len(ledger_for(place / "run").decisions(run_id(place / "run")))


def test_reviewers_who_contradict_each_other_are_weighed(place, right):
    names = [*right][:10]
    rows = [
        {"id": name, "label": right[name] if who != "Eve" or n else CLASSES[0], "reviewer": who}
        for who in ("Ann", "Bob", "Eve")
        for n, name in enumerate(names)
    ]
    made = cf.calibrate(place / "run", pd.DataFrame(rows))
    agreement = made.details["calibration"]["agreement"]
    assert agreement["samples"] == 10
    assert "Reviewers agree" in (place / "run" / "report.html").read_text()


def test_answers_to_earlier_versions_of_the_data_count(place, right):
    run, book = RunFolder(place / "run"), ledger_for(place / "run")
    kept, moved, changed = [*right][:3]
    given = run.findings.set_index("id")["given_label"]
    other = next(c for c in CLASSES if c != given[moved])
    book.decide(
        run_id(run.path),
        [Decision(kept, "keep", "Bob"), Decision(moved, "relabel", "Bob", label=other)],
    )
    data = pd.read_csv(place / "insects.csv")
    data.loc[1, "label"] = other  # what Bob said
    data.drop(index=2).to_csv(place / "insects.csv", index=False)
    cf.scan(place / "insects.csv", out=place / "run2", label="label", epochs=3, folds=2)
    second = RunFolder(place / "run2")
    told = answers_of(second, findings_of(second), book).set_index("id")
    assert told["label"].to_dict() == {kept: given[kept], moved: other}
    made = cf.calibrate(second.path)
    assert made.details["calibration"]["answers"] == 2
    assert made.details["calibration"]["wrong"] == 0
    assert changed not in told.index


def test_a_key_that_now_names_another_sample_brings_no_answer(place):
    data = pd.read_csv(place / "insects.csv").assign(key=np.arange(120))
    data.to_csv(place / "keyed.csv", index=False)
    options = {"label": "label", "id_column": "key", "epochs": 2, "folds": 2}
    cf.scan(place / "keyed.csv", out=place / "one", **options)
    book = ledger_for(place / "one")
    book.decide(run_id(place / "one"), [Decision("0", "keep", "Bob"), Decision("1", "keep", "Bob")])
    data.loc[0, "a"] += 5
    data.to_csv(place / "keyed.csv", index=False)
    cf.scan(place / "keyed.csv", out=place / "two", **options)
    second = RunFolder(place / "two")
    assert answers_of(second, findings_of(second), book)["id"].tolist() == ["1"]


def test_a_plan_goes_by_what_was_learned(place, right):
    run = RunFolder(place / "run")
    before = propose_run(run, ledger="none")
    flagged = [edit.id for edit in before.edits if edit.action == "relabel"][:1]
    given = run.findings.set_index("id")["given_label"]
    cf.calibrate(run.path, {**right, flagged[0]: given[flagged[0]]}, ledger="none")
    after = propose_run(run, ledger="none")
    assert flagged[0] not in {edit.id for edit in after.edits}
    assert Plan.from_json(run.path / "repair.json") == after


def test_what_cannot_be_is_refused_and_nothing_is_kept(place, right):
    one = next(iter(right))
    for answers, message in (
        ({"nobody": "ant"}, "answers for samples of these findings"),
        ({one: "ant", "nobody": "ant"}, "other ids"),
        ({one: "moth"}, "answers that name one of the classes"),
        ({}, "at least one answer"),
        (None, "answers about the labels of this run"),
    ):
        with pytest.raises(InputError, match=message):
            cf.calibrate(place / "run", answers)
    assert not len(ledger_for(place / "run").decisions(run_id(place / "run")))
    assert not (place / "run" / "calibration.json").is_file()


def test_findings_in_memory_are_calibrated_too(place, right):
    findings = findings_of(RunFolder(place / "run"))
    answers = dict([*right.items()][:10])
    pd.testing.assert_frame_equal(
        cf.calibrate(findings, answers).table, findings.calibrate(answers).table
    )
    with pytest.raises(InputError, match="to_check"):
        cf.calibrate(findings)


def test_everybody_is_asked_about_the_same_samples_until_they_are_checked(place, right):
    run, book = RunFolder(place / "run"), ledger_for(place / "run")
    first = samples_to_check(run, book, 10)
    assert samples_to_check(run, book, 25) == first
    ids = run.findings["id"].to_numpy()
    cf.calibrate(run.path, {ids[row]: right[ids[row]] for row in first[:6]})
    assert samples_to_check(run, book, 10) == first[6:]
    weights = answers_of(run, findings_of(run), book).set_index("id")["weight"]
    assert weights.notna().all()
    cf.calibrate(run.path, {ids[row]: right[ids[row]] for row in first[6:]})
    assert samples_to_check(run, book, 10) == []
    more = samples_to_check(run, book, 10, more=True)
    assert len(more) == 10
    assert not set(more) & set(first)


def test_a_damaged_calibration_says_what_to_do(place):
    (place / "run" / "calibration.json").write_text("{")
    with pytest.raises(RunError, match="Delete it"):
        cf.calibrate(place / "run")
