"""Tags from data to findings, report and command line."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from typer.testing import CliRunner

import chaffinch as cf
from chaffinch.cli.app import app
from chaffinch.core.errors import InputError
from chaffinch.pipeline.scan_input import ScanInput
from chaffinch.tasks.multilabel.texts import NO_TAG
from chaffinch.tasks.registry import find_task

NAMES = ["sport", "news", "music", "live"]


def tagged(count=400, seed=1, lost=40, added=20):
    """Features, right tags and given ones, of which some are missing and some invented."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(count, 5)).round(4)
    both = (x[:, 0] > 0) & (x[:, 3] > 0)
    right = np.column_stack([x[:, 0] > 0, x[:, 1] > 0.2, x[:, 2] > 0.5, both])
    given = right.copy()
    given.flat[random.choice(np.flatnonzero(right), lost, replace=False)] = False
    given.flat[random.choice(np.flatnonzero(~right), added, replace=False)] = True
    return x, right, given


@pytest.fixture(scope="module")
def numbers():
    return tagged()


def features(x):
    return pd.DataFrame(x, columns=list("abcde"))


def lists(given):
    return [[name for name, has in zip(NAMES, row, strict=True) if has] for row in given]


@pytest.fixture(scope="module")
def columns_run(numbers, tmp_path_factory):
    x, _, given = numbers
    folder = tmp_path_factory.mktemp("tags")
    table = features(x).assign(**{f"tag_{name}": given[:, k] * 1 for k, name in enumerate(NAMES)})
    table.to_csv(folder / "tags.csv", index=False)
    told = ["scan", str(folder / "tags.csv"), "--out", str(folder / "run"), "--ledger", "none"]
    result = CliRunner().invoke(app, told)
    assert result.exit_code == 0, result.output
    return cf.Run.open(folder / "run")


def test_wrong_tags_in_a_file_are_found_without_naming_the_task(columns_run, numbers):
    _, right, given = numbers
    assert columns_run.info.task.name == "multilabel"
    table = columns_run.table
    wrong = (right != given).any(axis=1)
    flagged = table["flagged"].to_numpy()
    assert (flagged & wrong).sum() > 0.4 * wrong.sum()
    assert (flagged & wrong).sum() > 0.6 * flagged.sum()
    kinds = table[["p_missing_tag", "p_invented_tag", "p_both", "p_clean"]].to_numpy()
    np.testing.assert_allclose(kinds.sum(axis=1), 1)
    assert set(table.loc[flagged, "kind"]) <= {"missing_tag", "invented_tag", "both"}


def test_kinds_and_suggestions_tell_the_direction(columns_run, numbers):
    right = numbers[1]
    told = columns_run.flagged
    exact = 0
    for _, row in told.iterrows():
        wanted = {name for name, has in zip(NAMES, right[row["row"]], strict=True) if has}
        suggested = row["suggested_label"]
        found = set() if suggested == NO_TAG else set(suggested.split("; "))
        exact += found == {f"tag_{name}" for name in wanted}
        if row["kind"] == "missing_tag":
            assert "add '" in row["why"]
        if row["kind"] == "invented_tag":
            assert "remove '" in row["why"]
    assert exact > 0.6 * len(told)


def test_the_report_shows_the_tags(columns_run):
    page = (columns_run.path / "report.html").read_text("utf-8")
    assert "Missing tag" in page
    assert "tag_music" in page


def test_rates_are_told_by_tag_and_direction(columns_run):
    rates = pd.DataFrame(columns_run.findings.details["tag_rates"])
    assert set(rates["kind"]) == {"missing_tag", "invented_tag"}
    assert (rates["low"] <= rates["high"]).all()
    assert len(rates) == 2 * (1 + len(NAMES))


def opened(data, label=None, task="auto"):
    """The task that takes the data, and their tags in numbers."""
    given = ScanInput.of(data, label, task=task)
    task = find_task(task, given)
    return task, task.targets(task.open(given))


def test_every_form_of_the_same_tags_is_the_same(numbers):
    x, _, given = numbers
    names = sorted(NAMES)
    order = [NAMES.index(name) for name in names]
    wanted = given[:, order].astype(np.int8)
    told = lists(given)
    wide = features(x).assign(**{n: given[:, k] for n, k in zip(names, order, strict=True)})
    joined = ["; ".join(row) or NO_TAG for row in told]
    forms = [
        (features(x).assign(y=told), None),
        (features(x).assign(y=joined), None),
        (pa.Table.from_pandas(features(x).assign(y=told)), "y"),
        ((x, told), None),
        ((x, wanted), None),
        ({"X": x, "y": wanted}, None),
        (wide, ",".join(names)),
    ]
    for data, label in forms:
        task, values = opened(data, label)
        assert task.name == "multilabel"
        np.testing.assert_array_equal(values, wanted)


def test_features_of_hugging_face_name_the_tags(numbers):
    datasets = pytest.importorskip("datasets")
    x, _, given = numbers
    kind = datasets.Features(
        {
            "a": datasets.Value("float64"),
            "tags": datasets.Sequence(datasets.ClassLabel(names=NAMES)),
        }
    )
    codes = [np.flatnonzero(row).tolist() for row in given]
    data = datasets.Dataset.from_dict({"a": x[:, 0], "tags": codes}, features=kind)
    task, values = opened(data, "tags")
    assert task.name == "multilabel"
    np.testing.assert_array_equal(values, given[:, np.argsort(NAMES)])


def test_texts_that_hold_one_tag_each_are_taken_when_asked():
    frame = pd.DataFrame({"x": range(6), "y": ["a", "b", "a", "b", "a", "b"]})
    assert find_task("auto", ScanInput.of(frame, "y")).name == "classification"
    assert opened(frame, "y", "multilabel")[1].tolist() == [[1, 0], [0, 1]] * 3


def test_rows_without_a_label_are_set_aside(numbers):
    x, _, given = numbers
    rows = lists(given)
    rows[3], rows[4] = None, []
    table = cf.scan(features(x).assign(label=rows)).table
    assert table["kind"].iloc[3] == "unlabelled"
    assert table["given_label"].iloc[4] == NO_TAG


def test_evidence_that_is_there_is_judged(numbers):
    _, right, given = numbers
    logits = np.where(right, 3.0, -3.0) + np.random.default_rng(0).normal(size=given.shape)
    records = {"held_out_logits": logits}
    run = cf.judge(given.astype(int), task="multilabel", records=records)
    assert run.table["given_label"].str.contains("tag0").any()
    named = pd.DataFrame(given, columns=NAMES)  # not in sorted order
    again = cf.judge(named, task="multilabel", records=records)
    np.testing.assert_allclose(again.table["suspicion"], run.table["suspicion"], atol=0.02)
    odds = {"held_out_probabilities": 1 / (1 + np.exp(-logits))}
    chances = cf.judge(named, task="multilabel", records=odds)
    np.testing.assert_allclose(chances.table["suspicion"], again.table["suspicion"], atol=1e-6)
    wrong = (right != given).any(axis=1)
    flagged = run.table["flagged"].to_numpy()
    assert (flagged & wrong).sum() >= 0.8 * wrong.sum()


def test_predictions_of_other_tags_are_refused(numbers):
    _, _, given = numbers
    with pytest.raises(InputError, match=r"predictions \(400, 4\)"):
        cf.judge(given, task="multilabel", records={"held_out_logits": np.zeros((400, 3))})
    with pytest.raises(InputError, match="held_out_logits"):
        cf.judge(given, task="multilabel", records={})


def test_a_plan_puts_tags_back_into_their_columns(columns_run, numbers, tmp_path):
    _, right, given = numbers
    plan = columns_run.propose()
    assert {"relabel"} <= {edit.action for edit in plan.edits}
    out = columns_run.apply(plan, out=tmp_path / "mended.csv")
    made = pd.read_csv(out)
    columns = [f"tag_{name}" for name in NAMES]
    assert made.columns[: 5 + len(NAMES)].tolist() == [*"abcde", *columns]
    mended = made[columns].to_numpy() == 1
    assert (mended != right).sum() < 0.8 * (given != right).sum()
    changed = {edit.row for edit in plan.edits if edit.action == "relabel"}
    assert set(np.flatnonzero((mended != given).any(axis=1))) == changed


def test_a_plan_of_tags_is_verified(columns_run):
    outcome = columns_run.verify(columns_run.propose(), seeds=2, control=False)
    assert outcome.difference.mean > 0


@pytest.mark.slow  # a process of its own
def test_the_task_of_a_kept_run_is_found_without_a_scan():
    code = "import chaffinch.runs.run, chaffinch.pipeline.task_steps as s; assert s._found_by"
    subprocess.run([sys.executable, "-c", code], check=True)
