"""How many fold models there are, and how long they are trained."""

import numpy as np
import pytest

import chaffinch as cf
from chaffinch.core.errors import InputError
from chaffinch.pipeline.options import ScanOptions
from chaffinch.store.run import RunFolder
from chaffinch.training.schedule import Schedule


def whole(epochs):
    return Schedule(epochs, 64, 3e-3)


@pytest.mark.parametrize(("epochs", "few"), [(1, 1), (2, 2), (12, 2), (30, 4), (40, 5)])
def test_fold_models_of_tables_make_a_small_share_of_the_epochs_at_a_higher_rate(epochs, few):
    schedule = ScanOptions().fold_schedule(whole(epochs), "table", 100_000)
    assert schedule.epochs == few
    assert schedule.learning_rate == pytest.approx(3e-3 if few == epochs else 9e-3)


@pytest.mark.parametrize(("kind", "epochs", "few"), [("text", 6, 2), ("image", 12, 3)])
def test_those_of_images_and_texts_make_a_quarter_at_twice_the_rate(kind, epochs, few):
    schedule = ScanOptions().fold_schedule(whole(epochs), kind, 100_000)
    assert (schedule.epochs, schedule.learning_rate) == (few, pytest.approx(6e-3))


def test_few_samples_are_passed_over_more_often():
    # 100 of 150 samples are two steps of at most 64.
    assert ScanOptions().fold_schedule(whole(30), "table", 150).epochs == 30
    assert ScanOptions().fold_schedule(whole(100), "table", 150).epochs == 40


def test_given_epochs_are_at_most_those_of_the_whole_and_a_given_rate_is_kept():
    def chosen(**options):
        return ScanOptions(**options).fold_schedule(whole(30), "table", 100_000)

    assert chosen(fold_epochs=1000) == whole(30)
    assert chosen(fold_epochs=7).epochs == 7
    given = chosen(learning_rate=3e-3)
    assert (given.epochs, given.learning_rate) == (4, 3e-3)


def test_a_pre_trained_model_is_held_back_for_all_epochs_at_its_own_rate():
    assert ScanOptions().fold_schedule(whole(4), "tuned", 1000) == whole(4)
    asked = ScanOptions(fold_epochs=2).fold_schedule(whole(4), "tuned", 1000)
    assert (asked.epochs, asked.learning_rate) == (2, 3e-3)


def test_there_are_at_most_as_many_folds_as_samples():
    counts = np.array([3, 0, 4])
    assert ScanOptions().num_folds(counts, "table") == 3
    assert ScanOptions().num_folds(counts, "image") == 2
    assert ScanOptions(folds=7).num_folds(counts, "table") == 7
    assert ScanOptions(folds=5).num_folds(np.array([1, 9]), "table") == 0
    with pytest.raises(InputError, match=r"at most as many folds as samples, 7; got 8"):
        ScanOptions(folds=8).num_folds(counts, "table")


def test_a_run_tells_how_long_its_fold_models_were_trained(csv, tmp_path):
    options = {"epochs": 5, "fold_epochs": 2, "batch_size": 16, "ledger": "none"}
    cf.scan(csv, out=tmp_path / "run", **options)
    run = RunFolder(tmp_path / "run")
    assert (run.record.configuration["folds"], run.record.configuration["fold_epochs"]) == (3, 2)
    assert np.load(tmp_path / "run" / "evidence" / "held_out_logits.npy").shape[0] == 2
