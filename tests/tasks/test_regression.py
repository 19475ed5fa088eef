import json

import numpy as np
import pandas as pd
import pytest

import chaffinch as cf
from chaffinch.core.errors import InputError
from chaffinch.tasks.regression.mixture import tell_apart
from chaffinch.tasks.regression.scale import Scale
from chaffinch.tasks.regression.slip import SLIPS


@pytest.fixture(scope="module")
def run(numbers, tmp_path_factory):
    folder = tmp_path_factory.mktemp("regression")
    frame = numbers[0].copy()
    frame.loc[50, "y"] = np.nan
    frame.to_csv(folder / "prices.csv", index=False)
    return cf.scan(folder / "prices.csv", folds=3, out=folder / "run", ledger="none")


def test_numbers_on_a_scale_are_a_regression_by_themselves(run):
    assert run.info.task.name == "regression"
    assert run.info.configuration["task"] == "regression"


def test_a_slip_of_unit_is_named_and_undone(run, numbers):
    _, what, right = numbers
    table = run.table
    slipped = what == "tenfold"
    assert (table.loc[slipped, "kind"] == "unit_slip").mean() > 0.7
    named = slipped & (table["kind"] == "unit_slip").to_numpy()
    assert np.allclose(table.loc[named, "suggested_label"].astype(float), right[named])
    assert table.loc[named, "why"].str.contains("ten times too large").all()


def test_wrong_targets_stand_out_and_right_ones_do_not(run, numbers):
    what = numbers[1]
    flagged = run.table["flagged"].to_numpy()
    assert flagged[what != "right"].mean() > 0.8
    assert flagged[what == "right"].mean() < 0.05


def test_the_interval_holds_the_suggestion(run):
    flagged = run.flagged
    wrong = flagged[flagged["kind"] == "wrong_target"].astype({"suggested_label": float})
    assert (wrong["suggested_low"] < wrong["suggested_label"]).all()
    assert (wrong["suggested_label"] < wrong["suggested_high"]).all()
    assert run.scorers == ["residual"]


def test_a_target_that_is_missing_is_not_judged(run):
    row = run.table.loc[50]
    assert row["kind"] == "unlabelled"
    assert not row["flagged"]
    assert row["source"] == "prices.csv:50"


def test_the_run_is_kept_with_its_records_and_words(run):
    opened = cf.Run.open(run.path)
    pd.testing.assert_frame_equal(opened.table, run.table)
    assert len(opened.records["held_out_center"]) == len(run) - 1
    page = (run.path / "report.html").read_text("utf-8")
    assert "Slip of unit" in page
    assert "Right targets" in page
    assert "with a slip of unit" in page


def test_a_run_on_numbers_is_no_run_on_classes(run):
    with pytest.raises(InputError, match="a run on classes"):
        _ = run.evidence


def test_the_order_of_the_rows_does_not_matter(numbers):
    frame = numbers[0]
    turned = frame.iloc[np.random.default_rng(1).permutation(len(frame))]
    one = cf.scan(frame, "y", folds=2).table.set_index("id")["suspicion"]
    other = cf.scan(turned, "y", folds=2).table.set_index("id")["suspicion"]
    assert np.corrcoef(one, other[one.index])[0, 1] > 0.99


def test_an_interrupted_scan_goes_on(numbers, tmp_path, monkeypatch):
    from chaffinch.tasks.regression.regression import Regression

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Regression, "judge", stop)
        with pytest.raises(KeyboardInterrupt):
            cf.scan(numbers[0], "y", folds=2, out=tmp_path / "run", ledger="none")
    assert (tmp_path / "run.partial").is_dir()
    monkeypatch.setattr(Regression, "fit", stop)  # every fold is there already
    assert len(cf.scan(numbers[0], "y", folds=2, out=tmp_path / "run", ledger="none")) == 300


def test_judge_takes_predictions_of_somebody_elses(numbers):
    frame, what, right = numbers
    labels = frame["y"].to_list()
    labels[40] = None
    noise = np.random.default_rng(0).normal(0, 0.1, len(right))
    records = {
        "held_out_center": np.log(right) + noise,
        "held_out_log_spread": np.full(len(right), np.log(0.1)),
    }
    run = cf.judge(labels, task="regression", records=records)
    assert run.table["flagged"].to_numpy()[what == "tenfold"].all()
    assert run.table.loc[40, "kind"] == "unlabelled"
    json.loads(run.info.model_dump_json())
    with pytest.raises(InputError, match="the record 'held_out_log_spread'"):
        cf.judge(labels, task="regression", records={"held_out_center": np.log(right)})
    with pytest.raises(InputError, match="got probabilities"):
        cf.judge(labels, [[1.0]], task="regression", records=records)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rounds": 2}, "got rounds"),
        ({"model": "net.py:make"}, "got model"),
        ({"folds": 1}, "at least 2 folds"),
        ({"label": "word"}, "numbers as labels"),
        ({"label": "same"}, "finite numbers that differ"),
    ],
)
def test_what_a_regression_cannot_do_is_refused(numbers, options, message):
    frame = numbers[0].assign(word="a", same=1.0)
    with pytest.raises(InputError, match=message):
        cf.scan(frame, **{"label": "y", "task": "regression", **options})


def test_right_targets_have_the_spread_that_they_have():
    rng = np.random.default_rng(0)
    expected = rng.uniform(0, 100, 2000)
    spread = rng.uniform(0.5, 2, 2000)
    targets = expected + spread * rng.normal(size=2000)
    targets[:40] = rng.uniform(0, 100, 40)
    shares = tell_apart(targets, expected, spread, Scale(log=False), SLIPS)
    assert abs(shares.wrong.sum() - 40) < 12
    assert shares.slipped.sum() < 4
    assert 0.9 < shares.width < 1.1
    assert np.allclose(shares.right + shares.wrong + shares.slipped.sum(axis=1), 1)


@pytest.mark.parametrize("slip", range(len(SLIPS)))
def test_every_slip_is_found(slip):
    rng = np.random.default_rng(slip)
    right = rng.uniform(10, 40, 1500)
    targets = right + rng.normal(0, 0.2, 1500)
    one = SLIPS[slip]
    targets[:30] = (targets[:30] - one.shift) / one.factor
    shares = tell_apart(targets, right, np.full(1500, 0.2), Scale(log=False), SLIPS)
    assert (shares.slipped[:30].argmax(axis=1) == slip).mean() > 0.8
    assert shares.slipped[30:].sum() < 8


def test_a_scale_is_logarithmic_where_that_takes_the_skew_away():
    rng = np.random.default_rng(0)
    assert Scale.of(np.exp(rng.normal(size=500))).log
    assert not Scale.of(rng.normal(size=500)).log
    assert not Scale.of(rng.uniform(50, 60, 500)).log
    prices = np.exp(rng.normal(size=500))
    prices[:3] *= -1
    scale = Scale.of(prices)
    assert scale.log
    assert (scale.of_targets(prices)[:3] < scale.of_targets(prices)[3:].min()).all()
    assert np.allclose(scale.to_targets(scale.of_targets(prices[3:])), prices[3:])
