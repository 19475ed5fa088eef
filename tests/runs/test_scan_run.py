"""The run of a scan: evidence in memory, data that it knows, and data that moved."""

import shutil

import pandas as pd
import pytest

import chaffinch as cf
from chaffinch.core.errors import InputError

QUICK = {"epochs": 3, "folds": 2, "canaries": False}
"""A scan that is to run, not to find anything."""


@pytest.fixture(scope="module")
def kept(csv, tmp_path_factory):
    place = tmp_path_factory.mktemp("kept")
    shutil.copy(csv, place / "birds.csv")
    return cf.scan(place / "birds.csv", out=place / "run", ledger="none", **QUICK)


def test_a_scan_in_memory_keeps_evidence_data_and_model(judged):
    table = judged[0]
    run = cf.scan(table, "label", **QUICK)
    assert run.evidence.need("held_out_logits").shape[1:] == (120, 2)
    assert run.explain(0)[0].row == 0
    plan = run.propose("strict")
    assert run.plan() is plan
    clean = run.apply()
    assert isinstance(clean, pd.DataFrame)
    assert len(clean) == 120 - sum(edit.leaves_out for edit in plan.edits)
    assert run.info.configuration["epochs"] == 3
    assert not set(run.table["source"]) - {""}


def test_findings_in_memory_and_in_a_folder_are_the_same(kept, csv):
    again = cf.Run.open(kept.path)
    pd.testing.assert_frame_equal(again.table, kept.table)
    assert again.propose(ledger="none") == kept.propose(ledger="none")
    assert (
        cf.calibrate(kept, {again.table["id"].iloc[0]: "wren"}, ledger="none").answers is not None
    )
    assert cf.Run.open(kept.path).info.id == kept.info.id


def test_data_that_moved_are_attached(kept, tmp_path):
    moved = tmp_path / "moved.csv"
    origin = kept.path.parent / "birds.csv"
    shutil.copy(origin, moved)
    run = cf.Run.open(kept.path)
    origin.rename(tmp_path / "hidden.csv")
    try:
        with pytest.raises(InputError, match=r"birds\.csv"):
            run.apply(out=tmp_path / "clean.csv")
        assert run.attach(moved).apply(out=tmp_path / "clean.csv", ledger="none").exists()
        assert run.apply(data=moved, out=tmp_path / "more.csv", ledger="none").exists()
    finally:
        (tmp_path / "hidden.csv").rename(origin)


def test_a_wrong_option_is_named():
    with pytest.raises(InputError, match="a known option; got 'epoch'"):
        cf.scan(([[0.0], [1.0]], [0, 1]), epoch=3)


def test_a_finished_scan_is_a_run_again(kept):
    again = cf.scan(kept.path.parent / "birds.csv", out=kept.path, ledger="none", **QUICK)
    assert again.info.id == kept.info.id
    assert again.evidence.has("logits")
