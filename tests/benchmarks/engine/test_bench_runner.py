"""Runs: results are kept, resumed and the same in any number of processes; failures are told."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import fake_experiment
import pandas as pd
import pytest
from fake_experiment import value
from fake_suite import CELLS, declare

import benchmarks
from benchmarks.engine import runner
from benchmarks.engine.part import CellFolder
from benchmarks.engine.plan import Choice, parse_only, plan_suite
from benchmarks.engine.results import COLUMNS, gather
from benchmarks.engine.runner import jobs_to_do, run_plan
from benchmarks.engine.suite import open_suite
from benchmarks.engine.worker import measure
from benchmarks.experiment import EXPERIMENTS
from chaffinch.core.errors import RunError


@pytest.fixture(autouse=True)
def light_workers(monkeypatch):
    """Workers load nothing but the fake experiment."""
    monkeypatch.setattr("benchmarks.catalogue.MODULES", ())


ONLY = "data=one,glitch=flips"


def with_settings(**settings):
    lines = [f"{name} = {value!r}".replace("'", '"') for name, value in settings.items()]
    return CELLS + "\n[cells.settings]\n" + "\n".join(lines)


def traced(path):
    return Counter(path.read_text().splitlines()) if path.exists() else Counter()


def test_results_are_the_same_for_any_number_of_processes(make_plan, tmp_path):
    # The first cells take longest, so that the others come in before them.
    parts = CELLS + "\n[cells.settings]\nseconds = { 0 = 0.2, 1 = 0.1 }"
    plan = make_plan(parts, only=(("data", "one"),))
    tables = []
    for workers in (1, 2):
        cache = tmp_path / str(workers)
        assert run_plan(plan, cache, workers) == []
        tables.append(gather(plan, cache, []).drop(columns="seconds"))
    pd.testing.assert_frame_equal(*tables)
    first = tables[0]
    assert tuple(first.columns) == COLUMNS[:-1]
    assert len(first) == 6 * 4 * 6
    row = first[(first["metric"] == "auroc") & (first["group"] == "")].iloc[1]
    assert row["value"] == value(plan.jobs[0].cell, "good")


def test_what_is_known_is_not_measured_again(make_plan, tmp_path):
    trace = tmp_path / "trace"
    parts = with_settings(trace=str(trace))
    some = make_plan(parts, methods=("good",), seeds=1)
    assert run_plan(some, tmp_path, 1) == []
    assert traced(trace) == {f"{d} 0 good": 2 for d in ("one", "two")}
    everything = make_plan(parts, seeds=1)
    assert [job.methods for job in jobs_to_do(everything, tmp_path)] == [
        ("chaffinch", "oracle", "random")
    ] * 4
    run_plan(everything, tmp_path, 1)
    run_plan(everything, tmp_path, 1)
    assert traced(trace)["one 0 chaffinch,oracle,random"] == 2
    assert sum(traced(trace).values()) == 8
    kept = CellFolder(tmp_path, everything.jobs[0].cell).kept
    assert (kept / "evidence.txt").read_text() == "xx"
    assert jobs_to_do(everything, tmp_path) == []


def test_an_error_in_one_cell_is_a_record_and_tried_again(make_plan, tmp_path):
    marker = tmp_path / "marker"
    parts = with_settings(trouble="error", seed=1, marker=str(marker))
    plan = make_plan(parts)
    failures = run_plan(plan, tmp_path, 1)
    assert [(one.job.cell.data, one.job.cell.glitch, one.job.cell.seed) for one in failures] == [
        (data, glitch, 1) for data in ("one", "two") for glitch in ("flips", "blur")
    ]
    assert failures[0].message == "ValueError: the cat sat on the keyboard"
    assert "ValueError: the cat" in CellFolder(tmp_path, failures[0].job.cell).log.read_text()
    table = gather(plan, tmp_path, failures)
    assert Counter(table["status"]) == {"ok": 8 * 4 * 6, "failed": 4}
    assert table[table["status"] == "failed"]["seed"].tolist() == [1] * 4
    marker.touch()
    assert len(jobs_to_do(plan, tmp_path)) == 4
    assert run_plan(plan, tmp_path, 1) == []


def test_a_process_that_dies_takes_only_its_cell_with_it(make_plan, tmp_path):
    plan = make_plan(with_settings(trouble="death", seed=0), only=(("data", "one"),))
    failures = run_plan(plan, tmp_path, 1)
    assert [one.job.cell.seed for one in failures] == [0, 0]
    assert {one.message for one in failures} == {"the process ended with status 9"}
    assert len(jobs_to_do(plan, tmp_path)) == 2


def test_one_method_may_fail_alone(make_plan, tmp_path):
    job = make_plan(with_settings(trouble="method")).jobs[0]
    failures = measure(job, tmp_path)
    assert [(one.method, one.message) for one in failures] == [
        ("good", "RuntimeError: no such luck")
    ]
    assert CellFolder(tmp_path, job.cell).missing(job.methods) == ["good"]


def test_a_new_version_of_an_experiment_starts_anew(make_plan, tmp_path, monkeypatch):
    job = make_plan(CELLS).jobs[0]
    measure(job, tmp_path)
    assert CellFolder(tmp_path, job.cell).missing(job.methods) == []
    newer = EXPERIMENTS["fake"]
    monkeypatch.setitem(
        EXPERIMENTS._items, "fake", type(newer)("fake", 4, newer.function, newer.expand)
    )
    assert CellFolder(tmp_path, job.cell).missing(job.methods) == list(job.methods)


def test_to_forget_drops_parts_and_what_was_kept(make_plan, tmp_path):
    job = make_plan(CELLS).jobs[0]
    measure(job, tmp_path)
    folder = CellFolder(tmp_path, job.cell)
    folder.forget(["good"])
    assert folder.missing(job.methods) == ["good"]
    assert not folder.kept.exists()


def test_parts_keep_every_number(make_plan, tmp_path):
    plan = make_plan(CELLS)
    job = plan.jobs[0]
    measure(job, tmp_path)
    folder = CellFolder(tmp_path, job.cell)
    found = folder.read("good").measurements
    assert [(one.metric, one.group, one.x) for one in found if one.x == one.x] == [
        ("accuracy", "", float(epoch)) for epoch in range(3)
    ]
    assert found[0].value == value(job.cell, "good")
    assert folder.read("nobody") is None


def test_a_worker_that_cannot_start_is_an_error(make_plan, tmp_path):
    plan = make_plan(CELLS)
    plan.suite.modules.append("no_such_module_here")
    with pytest.raises(RunError, match="at its start"):
        run_plan(plan, tmp_path, 1)


def test_a_suite_may_want_to_run_alone(make_plan, tmp_path, monkeypatch):
    started = []
    start = runner._start
    monkeypatch.setattr(runner, "_start", lambda *words: started.append(1) or start(*words))
    run_plan(make_plan(f"workers = 1\n{CELLS}", seeds=1), tmp_path, 4)
    assert len(started) == 1


def test_ctrl_c_stops_all_and_keeps_what_was_done(tmp_path):
    """The whole command, killed in the middle as by a terminal, then started again."""
    trace = tmp_path / "trace"
    marker = tmp_path / "marker"
    text = with_settings(trouble="sleep", seed=1, trace=str(trace), marker=str(marker))
    (tmp_path / "fake.toml").write_text(declare(text))
    # A shell starts background jobs, and all below them, deaf to SIGINT: this one shall hear it.
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from benchmarks import catalogue, session; catalogue.MODULES = ();"
        "session.check_data = lambda suite: None; from benchmarks.command import main; main()"
    )
    words = [sys.executable, "-c", code, "fake.toml", "--workers", "1"]
    words += ["--cache", "cache", "--out", "pages", "--only", ONLY]
    place = {"cwd": tmp_path, "text": True}
    checkout = Path(benchmarks.__file__).parents[1]
    folders = [Path(fake_experiment.__file__).parent, checkout, checkout / "src"]
    place["env"] = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders))}
    with subprocess.Popen(words, stderr=subprocess.PIPE, **place) as process:
        deadline = time.monotonic() + 300  # a busy machine takes its time to import torch
        while not any(" 1 " in line for line in traced(trace)) and time.monotonic() < deadline:
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "the same command continues" in error
    assert not (tmp_path / "pages").exists()
    marker.touch()
    plan = plan_suite(open_suite(str(tmp_path / "fake.toml")), Choice(only=parse_only(ONLY)))
    assert run_plan(plan, tmp_path / "cache", 1) == []
    counts = traced(trace)
    assert counts["one 0 chaffinch,good,oracle,random"] == 1
    assert counts["one 1 chaffinch,good,oracle,random"] == 2
