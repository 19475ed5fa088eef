import json
import sys

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import chaffinch as cf
from chaffinch.checks import CHECKS
from chaffinch.checks.registry import SEVERITIES
from chaffinch.cli.app import main
from chaffinch.core.errors import InputError


@pytest.fixture
def frame():
    random = np.random.default_rng(0)
    made = pd.DataFrame(random.normal(size=(300, 4)), columns=list("abcd"))
    made["label"] = random.integers(0, 2, 300)
    made.loc[299] = made.loc[0]
    made["label"] = made["label"].astype(int)
    return made


@pytest.fixture
def run(monkeypatch, capsys):
    def call(*words):
        monkeypatch.setattr(sys, "argv", ["chaffinch", "check", *map(str, words)])
        monkeypatch.setenv("COLUMNS", "80")
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        return end.value.code or 0, said.out, said.err

    return call


def test_the_result_tells_issues_and_samples(frame):
    found = cf.check(frame)
    assert found.issues["issue"].tolist() == ["exact_duplicates"]
    assert found.issues.loc[0, "count"] == 2
    assert found.issues.loc[0, "share"] == pytest.approx(2 / 300)
    assert found.issues.loc[0, "examples"] == ["DataFrame in memory:0", "DataFrame in memory:299"]
    assert found.table[["id", "row", "source"]].notna().all().all()
    assert found.flagged["row"].tolist() == [0, 299]
    assert not found.worst()
    assert found.worst("low")
    assert str(found).startswith("300 samples, ")
    assert "exact_duplicates: 2 samples." in found.summary()
    assert "exact_duplicates" in found._repr_html_()


def test_every_flag_has_a_score_between_0_and_1(frame):
    table = cf.check(frame).table
    flags = [name for name in table if name.startswith("check_") and table[name].dtype == bool]
    assert len(flags) >= 8
    for name in flags:
        scores = table[f"{name}_score"]
        assert scores.between(0, 1).all()
        if table[name].any():
            assert scores[table[name]].min() >= scores[~table[name]].max()


def test_what_it_is_called_with_is_not_changed_and_the_seed_decides(frame):
    before = frame.copy()
    one, other = cf.check(frame, seed=3), cf.check(frame, seed=3)
    pd.testing.assert_frame_equal(frame, before)
    pd.testing.assert_frame_equal(one.table, other.table)


def test_an_unknown_issue_is_refused(frame):
    with pytest.raises(InputError, match=r"Known: .*exact_duplicates"):
        cf.check(frame).samples("exact_duplicate")


def test_json_and_csv_hold_what_was_found(frame, tmp_path):
    found = cf.check(frame)
    told = json.loads(found.to_json(tmp_path / "issues.json"))
    assert told["samples"] == 300
    assert told["issues"][0]["rows"] == [0, 299]
    assert json.loads((tmp_path / "issues.json").read_text("utf-8")) == told
    found.to_csv(tmp_path / "samples.csv")
    again = pd.read_csv(tmp_path / "samples.csv")
    assert np.flatnonzero(again["check_exact_duplicates"]).tolist() == [0, 299]


def test_every_check_says_what_it_is_and_what_to_do():
    for name, check in CHECKS.items():
        assert check.name == name
        assert check.summary
        assert not check.remedy.endswith(".")
        assert check.basis
        assert set("|".join(check.needs).split("|")) <= {
            *("samples", "labels", "images", "sounds", "series", "lengths", "texts", "frame"),
            *("split", "vectors", "order"),
        }
    assert SEVERITIES == ("low", "medium", "high")


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_a_few_samples_are_enough_to_run(frame, rows):
    found = cf.check(frame.iloc[:rows])
    assert len(found.table) == rows


@pytest.mark.parametrize(
    "data",
    [
        np.random.default_rng(0).normal(size=(80, 3)),
        {"x": np.random.default_rng(0).normal(size=(80, 3))},
        [f"a text, number {number}, of some length" for number in range(80)],
        np.random.default_rng(0).integers(0, 255, (80, 20, 20, 3)).astype(np.uint8),
    ],
    ids=["array", "mapping", "texts", "images"],
)
def test_data_in_memory_need_no_labels(data):
    assert len(cf.check(data).table) == 80


def test_strange_tables_are_checked_without_a_warning():
    frame = pd.DataFrame(
        {
            "empty": [None] * 60,
            "same": [1.5] * 60,
            "mixed": [1, "a", None, 2.5] * 15,
            "flag": [True, False, None] * 20,
            "day": pd.date_range("2020-01-01", periods=60),
            "kind": pd.Categorical(["x", "y", None] * 20),
            "huge": [1e300, -1e300, np.nan] * 20,
        }
    )
    found = cf.check(frame)
    assert {"constant_columns", "missing_values"} <= set(found.issues["issue"])


def test_numbers_to_be_predicted_are_no_classes():
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(size=(200, 5)), columns=list("abcde"))
    found = cf.check(frame, label="e")
    assert found.issues.empty, found.summary()
    assert "rare_classes" not in found.checked


def test_one_column_has_no_outliers_for_its_ends():
    assert cf.check(pd.DataFrame({"a": np.random.default_rng(0).normal(size=200)})).issues.empty


def test_other_libraries_data_are_checked():
    import datasets
    import torch

    random = np.random.default_rng(0)
    words = [f"this is text number {random.integers(9**9)} of some" for _ in range(80)]
    own = datasets.Dataset.from_dict({"text": words, "label": random.integers(0, 2, 80).tolist()})
    assert len(cf.check(own).table) == 80
    assert len(cf.check(own.remove_columns("label")).table) == 80
    both = cf.check(datasets.DatasetDict(train=own, test=own.select(range(9))))
    assert len(both.samples("split_leakage")) == 18
    tensors = torch.utils.data.TensorDataset(torch.randn(80, 5), torch.arange(80) % 2)
    assert len(cf.check(tensors).table) == 80


def test_columns_beside_listed_images_are_checked(tmp_path):
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, 80)
    for number in range(80):
        pixels = random.integers(0, 255, (16, 16, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    pd.DataFrame(
        {
            "file": [f"{number}.png" for number in range(80)],
            "label": labels,
            "camera": np.where(labels, "A", "B"),
        }
    ).to_csv(tmp_path / "labels.csv", index=False)
    issues = cf.check(tmp_path).issues.set_index("issue")
    assert issues.loc["label_leakage", "names"] == ["camera (100%)"]


def test_a_column_names_the_splits(frame):
    split = np.where(np.arange(300) < 150, "train", "test")
    for found in (
        cf.check(frame.assign(split=split)),
        cf.check(frame.assign(part=split), splits="part"),
        cf.check({"train": frame[:150], "test": frame[150:]}),
        cf.check(frame[:150], splits={"test": frame[150:]}),
    ):
        leaks = found.samples("split_leakage")
        assert leaks["split"].tolist() == ["train", "test"]


def test_splits_that_are_not_there_are_refused(frame, tmp_path):
    with pytest.raises(InputError, match="split column named 'part'"):
        cf.check(frame, splits="part")
    frame.to_csv(tmp_path / "train.csv", index=False)
    with pytest.raises(InputError, match="a split 'test'"):
        cf.check(tmp_path / "train.csv", splits=["test"])
    with pytest.raises(InputError, match="splits of one kind"):
        cf.check(frame, splits={"test": np.zeros((80, 20, 20), np.uint8)})
    with pytest.raises(InputError, match="split column 'part'"):
        cf.check((frame[list("abcd")].to_numpy(), frame["label"]), splits="part")


def test_splits_by_path(frame, tmp_path, run):
    frame[:150].to_csv(tmp_path / "train.csv", index=False)
    frame[150:].to_csv(tmp_path / "test.csv", index=False)
    for words in (
        (tmp_path, "--splits", "train,test"),
        (tmp_path / "train.csv", "--splits", tmp_path / "test.csv"),
        (tmp_path / "train.csv", "--splits", f"test={tmp_path / 'test.csv'}"),
    ):
        status, out, _ = run(*words, "--json")
        assert status == 0
        found = {one["issue"]: one for one in json.loads(out)["issues"]}
        assert found["split_leakage"]["rows"] == [0, 299]
        assert found["split_leakage"]["examples"] == ["train.csv:0", "test.csv:149"]


def test_the_command_prints_a_table_of_80_columns(frame, tmp_path, run):
    frame.to_csv(tmp_path / "data.csv", index=False)
    status, out, err = run(tmp_path / "data.csv")
    assert (status, err) == (0, "")
    assert all(len(line.rstrip()) <= 80 for line in out.splitlines())
    assert "exact_duplicates  low" in out
    assert "Keep one of each group" in out


def test_the_command_says_where_nothing_is_found(frame, tmp_path, run):
    frame[:-1].to_csv(tmp_path / "data.csv", index=False)
    assert run(tmp_path / "data.csv")[1].endswith("no issue found.\n")


def test_strict_ends_with_1_on_medium_issues_alone(frame, tmp_path, run):
    frame.to_csv(tmp_path / "low.csv", index=False)
    assert run(tmp_path / "low.csv", "--strict")[0] == 0
    frame.assign(told=frame["label"] * 2.5).to_csv(tmp_path / "high.csv", index=False)
    assert run(tmp_path / "high.csv")[0] == 0
    assert run(tmp_path / "high.csv", "--strict")[0] == 1


def test_what_is_there_is_not_overwritten(frame, tmp_path, run):
    frame.to_csv(tmp_path / "data.csv", index=False)
    out = tmp_path / "checked"
    assert run(tmp_path / "data.csv", "-o", out)[0] == 0
    assert {path.name for path in out.iterdir()} == {"samples.csv", "issues.json"}
    status, _, err = run(tmp_path / "data.csv", "-o", out)
    assert status == 2
    assert "use --overwrite" in err
    assert run(tmp_path / "data.csv", "-o", out, "--overwrite")[0] == 0
    assert run(tmp_path / "data.csv", "-o", tmp_path / "found.csv")[0] == 0
    assert run(tmp_path / "data.csv", "-o", tmp_path / "found.txt")[0] == 2


def test_overwrite_never_replaces_what_somebody_else_wrote(frame, tmp_path, run):
    data = tmp_path / "data.csv"
    frame.to_csv(data, index=False)
    before = data.read_bytes()
    assert run(data, "-o", data, "--overwrite")[0] == 2
    assert data.read_bytes() == before
    out = tmp_path / "checked"
    out.mkdir()
    (out / "issues.json").write_text("my own")
    assert run(data, "-o", out, "--overwrite")[0] == 2
    assert (out / "issues.json").read_text() == "my own"
    assert not (out / "samples.csv").exists()


def test_names_in_the_data_give_the_terminal_no_orders(frame, tmp_path, run):
    frame.assign(**{"\x1b[31mred[/b]": 1}).to_csv(tmp_path / "data.csv", index=False)
    status, out, _ = run(tmp_path / "data.csv")
    assert status == 0
    assert "\x1b" not in out
    assert "red[/b]" in out
