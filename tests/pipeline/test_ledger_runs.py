"""From a scan through a plan to versions that can be compared and restored."""

import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import chaffinch as cf
from chaffinch.core.edit import Edit
from chaffinch.core.errors import InputError
from chaffinch.data import open_data
from chaffinch.pipeline.history import history_of
from chaffinch.pipeline.ledger import (
    ledger_for,
    record_plan,
    record_repair,
    record_run,
    record_verification,
    run_id,
)
from chaffinch.pipeline.snapshot import location_of, snapshot
from chaffinch.pipeline.version import version_at, versions_between
from chaffinch.repair.plan import Plan
from chaffinch.store.ledger import Ledger
from chaffinch.store.nearby import ledger_near
from chaffinch.store.version import difference, find, record, restore_version, rows_at, with_reasons

QUICK = {"epochs": 2, "folds": 2}


@pytest.fixture
def run(csv, tmp_path, monkeypatch):
    monkeypatch.delenv("CHAFFINCH_LEDGER", raising=False)
    cf.scan(csv, out=tmp_path / "run", **QUICK)
    return tmp_path / "run"


def made_plan(findings, fingerprint="", weights=True):
    """One edit of every kind that leaves a trace in a table."""
    rows = findings.sort_values("suspicion", ascending=False).head(6).to_dict("records")
    classes = sorted(set(findings["given_label"]))

    def other(row):
        return next(name for name in classes if name != row["given_label"])

    edits = [
        Edit(rows[0]["id"], "trim", "mislabelled", reason="gone"),
        Edit(rows[1]["id"], "quarantine", "outlier", reason="apart"),
        Edit(rows[2]["id"], "relabel", "mislabelled", rows[2]["given_label"], other(rows[2])),
        Edit(rows[3]["id"], "review", "hard"),
    ]
    if weights:
        shares = ((rows[5]["given_label"], 0.75), (other(rows[5]), 0.25))
        edits.append(Edit(rows[4]["id"], "reweight", "ambiguous", weight=0.25))
        edits.append(Edit(rows[5]["id"], "soften", "ambiguous", soft_label=shares))
    return Plan(tuple(edits), fingerprint, "by hand")


CHANGES = {
    "trim": "removed",
    "quarantine": "removed",
    "relabel": "relabelled",
    "reweight": "reweighted",
    "soften": "softened",
}


def check_difference(ledger, before, after, plan):
    """Apply, then diff, gives the plan back."""
    changes = difference(rows_at(ledger, before), rows_at(ledger, after))
    told = with_reasons(ledger, changes, find(ledger, after)["plan"]).set_index("id")
    wanted = {edit.id: edit for edit in plan.changing}
    assert set(told.index) == set(wanted)
    for name, row in told.iterrows():
        edit = wanted[name]
        assert row["change"] == CHANGES[edit.action]
        assert (row["action"], row["kind"], row["reason"]) == (edit.action, edit.kind, edit.reason)
        if edit.action == "relabel":
            assert (row["old_label"], row["new_label"]) == (edit.old_label, edit.new_label)
        if edit.action == "reweight":
            assert row["new_weight"] == edit.weight


def test_a_scan_is_recorded_once_with_its_findings_and_data(run, csv):
    ledger = ledger_for(run)
    assert ledger.database.place == str(run.parent / ".chaffinch" / "ledger.db")
    [row] = ledger.table("run").to_dict("records")
    assert (row["id"], row["folder"], row["samples"]) == (run_id(run), str(run), 240)
    found = pd.read_parquet(run / "findings.parquet").set_index("id")
    told = ledger.table("finding").set_index("sample")
    flagged = set(found[found["flagged"]].index)
    assert flagged <= set(told.index)
    assert found.loc[told.index, "suspicion"].tolist() == told["suspicion"].tolist()
    assert rows_at(ledger, row["version"])["id"].tolist() == found.index.tolist()
    before = ledger.head()
    cf.scan(csv, out=run, **QUICK)  # finished: comes back at once
    record_run(run, open_data(csv), ledger, str(csv))
    assert ledger.head() == before


def test_no_ledger_where_none_is_wanted(csv, tmp_path, monkeypatch):
    cf.scan(csv, out=tmp_path / "a", ledger="none", **QUICK)
    monkeypatch.setenv("CHAFFINCH_LEDGER", "none")
    cf.scan(csv, out=tmp_path / "b", **QUICK)
    cf.scan(csv, **QUICK)
    assert not (tmp_path / ".chaffinch").exists()
    assert ledger_for(tmp_path / "a") is None
    assert record_plan(tmp_path / "a", Plan(), None) == Plan().digest
    record_verification(tmp_path / "a", {}, None)
    assert record_repair(tmp_path / "a", Plan(), tmp_path / "x.csv", None) is None
    monkeypatch.setenv("CHAFFINCH_LEDGER", str(tmp_path / "own.db"))
    cf.scan(csv, out=tmp_path / "a", **QUICK)
    assert len(ledger_for(tmp_path / "a").table("run")) == 1


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_apply_then_diff_gives_the_plan_back_and_versions_are_restored(
    table, tmp_path, form, monkeypatch
):
    data, out = tmp_path / f"data.{form}", tmp_path / f"clean.{form}"
    write = {"csv": table.to_csv, "parquet": table.to_parquet}[form]
    write(data, index=False)
    findings = cf.scan(data, out=tmp_path / "run", **QUICK)
    plan = made_plan(findings.table)
    plan.apply(str(data), out=str(out))
    ledger = ledger_for(tmp_path / "run")
    before, after = record_repair(tmp_path / "run", plan, out, ledger)
    check_difference(ledger, before, after, plan)
    assert (version_at(ledger, str(data)), version_at(ledger, str(out))) == (before, after)
    originals = data.read_bytes(), out.read_bytes()
    data.unlink()
    restored = (
        restore_version(ledger, before, tmp_path / "first").read_bytes(),
        restore_version(ledger, after[:8], tmp_path / "second").read_bytes(),
    )
    assert restored == originals
    assert ledger.check().fault is None
    entries = ledger.check().entries
    record_plan(tmp_path / "run", plan, ledger)
    assert ledger.check().entries == entries


def test_image_folders_come_back_file_by_file(tmp_path):
    random = np.random.default_rng(0)
    for number in range(24):
        place = tmp_path / "images" / "ab"[number % 2] / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 255, (6, 6), np.uint8)).save(place)
    findings = cf.scan(tmp_path / "images", out=tmp_path / "run", **QUICK)
    plan = made_plan(findings.table, weights=False)
    plan.apply(str(tmp_path / "images"), out=str(tmp_path / "clean"))
    ledger = ledger_for(tmp_path / "run")
    before, after = record_repair(tmp_path / "run", plan, tmp_path / "clean", ledger)
    check_difference(ledger, before, after, plan)
    for version, name in ((before, "images"), (after, "clean")):
        back = restore_version(ledger, version, tmp_path / f"back-{name}")
        assert content(back) == content(tmp_path / name)


def content(root):
    return {p.relative_to(root): p.read_bytes() for p in root.rglob("*") if p.is_file()}


@pytest.mark.parametrize("form", ["array", "images", "texts", "frame"])
def test_data_in_memory_are_kept_with_their_types(tmp_path, form):
    random = np.random.default_rng(0)
    y = np.arange(12) % 2
    x = {
        "array": random.normal(size=(12, 3)).astype(np.float32),
        "images": random.integers(0, 255, (12, 5, 5, 1), np.uint8),
        "texts": [f"a text with the number {n}" for n in range(12)],
        "frame": pd.DataFrame({"a": np.arange(12, dtype=np.int8), "b": list("xyz") * 4}),
    }[form]
    data = open_data((x, y))
    ledger = ledger_for(tmp_path / "run")
    version = record(ledger, snapshot(data), whole=True)
    assert record(ledger, snapshot(open_data((x, y))), whole=True) == version
    back = restore_version(ledger, version, tmp_path / "back")
    if form == "images":
        assert np.load(back / "x.npy").dtype == np.uint8
        np.testing.assert_array_equal(np.load(back / "x.npy"), x)
        np.testing.assert_array_equal(np.load(back / "y.npy"), y)
        return
    read = pd.read_parquet(back)
    assert read["chaffinch_label"].tolist() == y.tolist()
    if form == "array":
        assert set(read.dtypes[:3]) == {np.dtype(np.float32)}
        np.testing.assert_array_equal(read.iloc[:, :3].to_numpy(), x)
    if form == "frame":
        assert read["a"].dtype == np.int8


def test_history_follows_data_through_repairs(run, csv, tmp_path):
    ledger = ledger_for(run)
    plan = made_plan(pd.read_parquet(run / "findings.parquet"))
    out = tmp_path / "clean.csv"
    plan.apply(str(csv), out=str(out))
    before, after = record_repair(run, plan, out, ledger)
    record_verification(
        run,
        {"plan": plan.digest, "verdict": "helps", "difference": 1.5, "low": 0.5, "high": 2},
        ledger,
    )
    cf.scan(tmp_path / "clean.csv", out=tmp_path / "second", **QUICK)
    whats = ["version", "run", "plan", "version", "version", "verification"]
    for subject in (csv, out):
        told = history_of(ledger, subject)
        assert told["what"].tolist()[:6] == whats
        assert told["what"].tolist().count("run") == 2
        assert any("helps, +1.5 (0.5 to 2)" in detail for detail in told["detail"])
    assert history_of(ledger, run)["what"].tolist() == whats
    other = tmp_path / "other.csv"
    other.write_text("a,label\n1,x\n")
    assert history_of(ledger, other).empty
    assert len(history_of(ledger)) == ledger.check().entries
    with pytest.raises(InputError, match="chaffinch ledger keep"):
        version_at(ledger, str(other))
    assert before != after


def test_after_a_rescan_the_repaired_version_is_still_compared(run, csv, tmp_path):
    ledger = ledger_for(run)
    ids = pd.read_parquet(run / "findings.parquet")["id"].tolist()
    # The copy has an id of its own in the plan's version, and that of its content in the file.
    edits = (
        Edit(ids[0], "augment", "hard", copies=2, reason="rare"),
        Edit(ids[1], "reweight", "hard", weight=0.5, reason="odd"),
        Edit(ids[2], "trim", "outlier", reason="gone"),
    )
    plan = Plan(edits, policy="by hand")
    out = tmp_path / "clean.csv"
    plan.apply(str(csv), out=str(out))
    before, after = record_repair(run, plan, out, ledger)
    cf.scan(out, out=tmp_path / "second", **QUICK)
    rescanned = version_at(ledger, str(out))
    assert rescanned != after
    assert versions_between(ledger, str(csv), str(out)) == (before, after)
    assert versions_between(ledger, before[:8], str(out)) == (before, after)
    assert versions_between(ledger, str(out), str(csv)) == (after, before)
    assert versions_between(ledger, str(csv), rescanned) == (before, rescanned)
    changes = difference(rows_at(ledger, before), rows_at(ledger, after))
    told = with_reasons(ledger, changes, find(ledger, after)["plan"]).set_index("id")
    assert told.loc[ids[1], "reason"] == "odd"


def test_versions_under_the_same_keys_are_compared(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ledger = Ledger("ledger.db")
    frame = pd.DataFrame({"key": list("pqrst"), "a": [1.5, 2, 3, 4, 5], "label": list("xyxyx")})
    frame.to_csv("old.csv", index=False)
    frame.assign(a=[9.5, 2, 3, 4, 5]).to_csv("new.csv", index=False)

    def keep(name, key):
        data = open_data(name, id_column=key, trainable=False)
        return record(ledger, snapshot(data, location_of(name)), whole=True)

    keyed, _ = keep("old.csv", "key"), keep("old.csv", None)
    changed = keep("new.csv", "key")
    assert versions_between(ledger, "old.csv", "new.csv") == (keyed, changed)
    changes = difference(rows_at(ledger, keyed), rows_at(ledger, changed))
    assert changes["change"].tolist() == ["changed"]


def test_a_ledger_is_found_here_or_beside_the_data(run, csv, tmp_path, monkeypatch):
    away = tmp_path / "away"
    away.mkdir()
    monkeypatch.chdir(away)
    assert ledger_near(csv).database.place == str(tmp_path / ".chaffinch" / "ledger.db")
    with pytest.raises(InputError, match="Scan the data with --out first"):
        ledger_near("elsewhere.csv")
    monkeypatch.setenv("CHAFFINCH_LEDGER", str(tmp_path / ".chaffinch" / "ledger.db"))
    assert len(ledger_near("elsewhere.csv").table("run")) == 1


def test_a_ledger_of_runs_in_a_folder_below_is_found(run, csv, tmp_path, monkeypatch):
    work = tmp_path / "work"
    shutil.copytree(tmp_path / ".chaffinch", work / "runs" / ".chaffinch")
    monkeypatch.chdir(work)
    for subjects in ((), ("elsewhere.csv",), ("elsewhere.csv", "later.csv")):
        assert ledger_near(*subjects).database.place.startswith(str(work / "runs"))
    assert ledger_near("no such version", csv).database.place.startswith(str(tmp_path / ".chaf"))
    shutil.copytree(tmp_path / ".chaffinch", work / "other" / ".chaffinch")
    with pytest.raises(InputError, match=r"one ledger; got 2: .*--ledger"):
        ledger_near("elsewhere.csv")
