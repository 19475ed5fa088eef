"""Samples that cannot be judged: they stop nothing, and all that is done with a run bears them."""

import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn
from torch.utils.data import TensorDataset
from typer.testing import CliRunner

import chaffinch as cf
from chaffinch.cli.app import app
from chaffinch.core.errors import InputError
from chaffinch.core.kinds import PROBABILITY_COLUMNS
from chaffinch.pipeline.ledger import ledger_for, run_id
from chaffinch.review.session import Session
from chaffinch.store.decision import Decision
from chaffinch.store.run import RunFolder

FAST = {"epochs": 2, "folds": 2, "canaries": False, "scorers": ["loss_last", "aum"]}
UNLABELLED, EMPTY, RARE, INFINITE = 3, 7, 11, 15
ASIDE = {UNLABELLED: "unlabelled", EMPTY: "empty", RARE: "too_rare", INFINITE: "unreadable"}


def spoilt(table):
    made = table.astype({"label": object, "a": np.float64})
    made.loc[UNLABELLED, "label"] = None
    made.loc[EMPTY, list("abcd")] = np.nan
    made.loc[RARE, "label"] = "dodo"
    made.loc[INFINITE, "a"] = np.inf
    return made


@pytest.fixture(scope="module")
def table():
    """60 samples of three separable classes, three labels wrong."""
    random = np.random.default_rng(7)
    truth = np.arange(60) % 3
    X = 4 * np.eye(4)[truth] + random.normal(size=(60, 4))
    labels = np.array(["ant", "bee", "cow"])[truth]
    labels[20:23] = labels[[21, 22, 20]]
    return pd.DataFrame(X, columns=list("abcd")).assign(label=labels)


@pytest.fixture(scope="module")
def whole_run(table, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    spoilt(table).to_csv(folder / "insects.csv", index=False)
    return cf.scan(folder / "insects.csv", out=folder / "run", **FAST), folder


@pytest.fixture
def run(whole_run, tmp_path):
    """Findings, data and run, with a ledger of their own."""
    shutil.copytree(whole_run[1], tmp_path, dirs_exist_ok=True)
    return whole_run[0], whole_run[1] / "insects.csv", tmp_path / "run"


def test_they_are_named_in_place_and_the_others_judged_without_them(table, whole_run, tmp_path):
    found = whole_run[0]
    assert len(found) == len(table)
    assert found.table.loc[list(ASIDE), "kind"].tolist() == list(ASIDE.values())
    rest = tmp_path / "rest.csv"
    table.drop(index=list(ASIDE)).to_csv(rest, index=False)
    alone = cf.scan(rest, **FAST).table
    judged, places = found.judged.table, ["row", "source"]
    assert judged["row"].tolist() == [row for row in range(60) if row not in ASIDE]
    kinds = alone.dtypes.drop(places)
    same = judged.drop(columns=places).astype(kinds)
    pd.testing.assert_frame_equal(same, alone.drop(columns=places))
    assert found.estimated_errors > 0
    assert found.classes.tolist() == ["ant", "bee", "cow"]
    assert "4 not judged" in repr(found)
    assert found.details["set_aside"] == dict.fromkeys(
        ("unreadable", "empty", "unlabelled", "too_rare"), 1
    )
    assert any("4 of 60 samples could not be judged" in note for note in found.notes)


def test_their_columns_hold_what_the_documents_say(whole_run):
    found = whole_run[0]
    rows = found.table.loc[list(ASIDE)]
    assert rows["suspicion"].tolist() == [0, 1, 0, 1]
    assert rows["flagged"].tolist() == [False, True, False, True]
    assert rows["q_value"].tolist() == [1, 0, 1, 0]
    assert rows["given_label"].isna().tolist() == [True, False, False, False]
    assert rows["given_label"].tolist()[2] == "dodo"
    assert (rows["kind_probability"] == 1).all()
    assert (rows[list(PROBABILITY_COLUMNS)] == 0).all(axis=None)
    assert rows["why"].str.startswith("It could not be judged: ").all()
    lowest = found.judged.table[found.scorers].min()
    assert (rows[found.scorers] == lowest).all(axis=None)
    assert np.isfinite(found.table[["suspicion", *found.scorers]]).all(axis=None)
    # The model has seen samples like it.
    assert rows["suggested_label"].tolist()[0] == "ant"
    assert rows["suggestion_confidence"].iloc[0] > 0.5
    assert rows["suggested_label"].isna().tolist() == [False, True, True, True]


@pytest.mark.parametrize("names", [[1, 2, 3], [True, False, True], [1.5, 2.5, 3.5]])
def test_labels_of_any_type_may_be_missing(table, names):
    made = table.assign(
        label=table["label"].map(dict(zip(["ant", "bee", "cow"], names, strict=True)))
    )
    made = made.astype({"label": object})
    made.loc[UNLABELLED, "label"] = None
    found = cf.scan(made, **FAST).table
    assert found["given_label"].isna().sum() == 1
    known = found["given_label"].drop(index=UNLABELLED)
    assert known.tolist() == made["label"].drop(index=UNLABELLED).tolist()


def test_strict_makes_them_one_error(table, tmp_path):
    with pytest.raises(InputError) as error:
        cf.scan(spoilt(table), strict=True, out=tmp_path / "run", **FAST)
    told = str(error.value)
    assert "4 of 60 that cannot (1 unreadable, 1 empty, 1 unlabelled, 1 too_rare" in told
    assert "row 3 (no label); row 7 (no value in any column)" in told
    assert not list(tmp_path.iterdir())


def test_nothing_left_to_judge_is_an_error(table):
    made = table.assign(label=["ant", "ant", *[None] * 58]).drop(index=0)
    with pytest.raises(InputError, match=r"at least two classes in .* only 'ant'"):
        cf.scan(made, **FAST)
    made = table.assign(label=[*["ant"] * 5, "bee", "bee", *[None] * 53])
    made.loc[5, list("abcd")] = np.nan
    with pytest.raises(InputError, match="two classes with two usable samples each"):
        cf.scan(made, **FAST)


def test_texts_without_content(table):
    words = {"ant": "red apple", "bee": "green pear", "cow": "blue plum"}
    texts = [f"{words[k]} {row % 7} of the tree" for row, k in enumerate(table["label"])]
    texts[5], texts[6] = None, "  "
    frame = pd.DataFrame({"t": texts, "label": table["label"]})
    found = cf.scan(frame, text_column="t", **FAST)
    assert found.table.loc[~found.is_judged, "kind"].to_dict() == {5: "empty", 6: "empty"}


def test_tensors_that_are_not_finite(table):
    x = torch.tensor(table[list("abcd")].to_numpy(np.float32))
    x[5, 0] = torch.nan
    y = torch.tensor(pd.factorize(table["label"])[0])
    found = cf.scan(TensorDataset(x, y), **FAST)
    assert found.table.loc[~found.is_judged, "kind"].to_dict() == {5: "unreadable"}


def test_prompts_that_are_missing(tmp_path):
    rows = [(f"what is {row} and {row}?", f"it is {2 * row}") for row in range(30)]
    table = pd.DataFrame(rows, columns=["prompt", "response"])
    table.loc[4, "prompt"], table.loc[5, "response"] = None, None
    table.to_csv(tmp_path / "asked.csv", index=False)
    found = cf.scan(tmp_path / "asked.csv", out=tmp_path / "run")
    assert len(found) == 30
    assert found.table.loc[4, ["kind", "suspicion", "flagged"]].tolist() == ["empty", 1, True]
    rest = cf.scan(table.drop(index=4))
    places = ["id", "row", "source"]
    same = found.judged.table.drop(columns=places)
    pd.testing.assert_frame_equal(same, rest.table.drop(columns=places))
    assert "Empty" in (tmp_path / "run" / "report.html").read_text()
    with pytest.raises(InputError, match=r"1 of 30 that cannot \(1 empty: row 4 \(no prompt\)\)"):
        cf.scan(tmp_path / "asked.csv", strict=True)


@pytest.fixture
def images(tmp_path):
    random = np.random.default_rng(0)
    for number in range(30):
        name = tmp_path / "pets" / "ab"[number % 2] / f"{number:02}.png"
        name.parent.mkdir(parents=True, exist_ok=True)
        shade = random.integers(0, 100, (8, 8)) + 150 * (number % 2)
        Image.fromarray(shade.astype(np.uint8)).save(name)
    for name in ("a/00.png", "b/01.png"):
        content = (tmp_path / "pets" / name).read_bytes()
        (tmp_path / "pets" / name).write_bytes(content[: len(content) // 2])
    (tmp_path / "pets" / "a" / "02.png").write_bytes(b"")
    return tmp_path / "pets"


def test_broken_images_are_named_and_left_out_by_the_repair(images, tmp_path):
    found = cf.scan(images, out=tmp_path / "run", id_column="file", **FAST)
    bad = dict(zip(found.table["id"], found.table["kind"], strict=True))
    assert (bad["a/00.png"], bad["b/01.png"], bad["a/02.png"]) == (
        *("unreadable", "unreadable"),
        "empty",
    )
    assert "truncated" in found.table.set_index("id").loc["a/00.png", "why"]
    plan = cf.propose(found)
    out = plan.apply(images, id_column="file", out=tmp_path / "clean")
    assert len(cf.open_data(out)) == 27
    with pytest.raises(InputError, match=r"3 of 30 .*a/00\.png \(image file is truncated"):
        cf.scan(images, strict=True, **FAST)


def test_large_images_are_read_where_it_is_allowed(images, tmp_path):
    Image.fromarray(np.zeros((90, 90), np.uint8)).save(images / "a" / "99.png")
    found = cf.scan(images, max_pixels=1000, out=tmp_path / "run", **FAST)
    assert found.details["set_aside"]["unreadable"] == 3
    assert found.table["why"].str.contains("--max-pixels").sum() == 1
    assert cf.scan(images, **FAST).details["set_aside"]["unreadable"] == 2


def test_validation_data_may_hold_some_too(table):
    validation = pd.concat([spoilt(table).iloc[:20], table.iloc[30:]])
    training = table.copy()
    training.loc[RARE, "label"] = "dodo"
    found = cf.scan(training, validation=validation, **FAST)
    assert any("4 of 50 validation samples could not be used" in note for note in found.notes)


def test_a_model_of_ones_own_keeps_its_outputs(table):
    training = table.copy()
    training.loc[RARE, "label"] = "dodo"
    found = cf.scan(training, model=nn.Sequential(nn.Linear(4, 4)), **FAST)
    assert len(found.classes) == 4 or found.classes.tolist() == ["ant", "bee", "cow"]
    assert found.table["kind"].iloc[RARE] == "too_rare"


def test_a_finished_run_is_read_back(run, monkeypatch):
    found, path, folder = run
    monkeypatch.setattr("chaffinch.pipeline.scan._collect_and_judge", None)
    again = cf.scan(path, out=folder, **FAST)
    pd.testing.assert_frame_equal(again.table, found.table, check_dtype=False)
    assert again.classes.tolist() == found.classes.tolist()
    record = RunFolder(folder).record
    assert record.data.samples == 60
    assert sum(record.data.class_counts) == 56
    assert record.data.fingerprint == cf.open_data(path, trainable=False).fingerprint


def test_an_interrupted_scan_goes_on(table, whole_run, tmp_path, monkeypatch):
    path = tmp_path / "insects.csv"
    spoilt(table).to_csv(path, index=False)

    def stop(*_args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("chaffinch.pipeline.keeping.write_result", stop)
        with pytest.raises(KeyboardInterrupt):
            cf.scan(path, out=tmp_path / "run", **FAST)
    found = cf.scan(path, out=tmp_path / "run", **FAST)
    pd.testing.assert_frame_equal(found.table, whole_run[0].table)


def test_the_plan_drops_what_is_unusable_and_asks_about_the_rest(run):
    found, path, _ = run
    plan = cf.propose(found)
    edits = {edit.id: edit for edit in plan.edits}
    of = {row: edits[found.table["id"][row]] for row in ASIDE}
    assert {row: edit.action for row, edit in of.items()} == {
        UNLABELLED: "review",
        EMPTY: "trim",
        RARE: "review",
        INFINITE: "trim",
    }
    assert of[UNLABELLED].old_label is None
    assert "The model would say 'ant'." in of[UNLABELLED].reason
    order = [found.table["id"].tolist().index(edit.id) for edit in plan.edits]
    assert order == sorted(order)
    repaired = plan.only(kind=("empty", "unreadable", "unlabelled")).apply(path)
    assert len(repaired) == 58
    assert repaired["label"].isna().sum() == 1


def test_a_reviewers_label_reaches_the_data(run, tmp_path):
    _, _, folder = run
    ledger = ledger_for(folder)
    session = Session(RunFolder(folder), ledger, "ann")
    assert session.given[UNLABELLED] == ""
    section = session.queue._sections["flagged"]
    assert section[-4:] == sorted(ASIDE)
    session.decide(UNLABELLED, "relabel", "ant")
    ledger.decide(run_id(folder), [Decision(session.ids[RARE], "relabel", "ann", label="cow")])
    runner = CliRunner()
    for command in (["propose"], ["apply", "--out", str(tmp_path / "clean.csv")]):
        done = runner.invoke(app, [command[0], str(folder), *command[1:]])
        assert done.exit_code == 0, done.output
    repaired = cf.open_data(tmp_path / "clean.csv", trainable=False).labels
    assert repaired.known.all()
    assert "dodo" not in repaired.names


def test_all_commands_bear_them(run, tmp_path):
    found, path, folder = run
    runner = CliRunner()
    commands = [
        ["report", folder],
        ["propose", folder],
        ["apply", folder, "--out", tmp_path / "clean.csv"],
        ["verify", folder, "--seeds", "2"],
        ["diff", path, tmp_path / "clean.csv", "--ledger", tmp_path / ".chaffinch" / "ledger.db"],
        ["history", path, "--ledger", tmp_path / ".chaffinch" / "ledger.db"],
        ["datasheet", folder, "--out", tmp_path / "sheet"],
        ["explain", folder],
        *(
            ["export", folder, "--to", to, "--out", tmp_path / f"out.{to}.{end}", "--rows", "all"]
            for to, end in (
                *(("csv", "csv"), ("parquet", "parquet"), ("json", "json"), ("cleanlab", "csv")),
                *(("label-studio", "json"), ("argilla", "json")),
            )
        ),
    ]
    for command in commands:
        done = runner.invoke(app, [str(part) for part in command])
        assert done.exit_code == 0, (command, done.output, done.exception)
        if command[0] == "report":
            assert "Not judged" in done.output
            assert "1 unreadable, 1 empty, 1 without a label" in " ".join(done.output.split())
    page = (folder / "report.html").read_text()
    assert "Not judged" in page
    assert "Without a label" in page
    done = runner.invoke(app, ["explain", str(folder), found.table["id"][EMPTY]])
    assert "which is empty" in str(done.exception)


def test_verify_does_not_train_on_them(run):
    found, path, _ = run
    plan = cf.propose(found)
    outcome = cf.verify(plan, path, seeds=2, epochs=1, ablate=False, control=False)
    ids = {edit.id for edit in outcome.plan.edits}
    assert found.table["id"][EMPTY] in ids
