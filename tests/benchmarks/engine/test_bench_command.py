"""The command: what it prints, where it writes, and how it ends."""

import sys

import pandas as pd
import pytest
from fake_suite import CELLS, TABLE, declare

from benchmarks.command import main, single_benchmarks
from benchmarks.engine.suite import bundled_suites, parse_suite
from benchmarks.session import check_data, default_cache, find_suites
from chaffinch.core.errors import InputError


@pytest.fixture(autouse=True)
def light_workers(monkeypatch):
    monkeypatch.setattr("benchmarks.catalogue.MODULES", ())


@pytest.fixture
def bench(monkeypatch, capsys, tmp_path):
    def run(*words):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["benchmarks", *words])
        with pytest.raises(SystemExit) as stop:
            main()
        printed = capsys.readouterr()
        return stop.value.code or 0, printed.out, printed.err

    return run


def declared(tmp_path, *parts):
    (tmp_path / "fake.toml").write_text(declare(*parts))
    return ("fake.toml", "--cache", "cache", "--workers", "1", "--out", "pages")


@pytest.mark.parametrize("words", [(), ("list",)])
def test_suites_and_single_benchmarks_are_listed(bench, monkeypatch, words):
    monkeypatch.setenv("COLUMNS", "200")
    status, printed, _ = bench(*words)
    assert status == 0
    first_words = [line.split()[0] for line in printed.splitlines() if line.split()]
    for name in [*bundled_suites(), *single_benchmarks()]:
        assert name in first_words


def test_a_single_benchmark_is_a_module_with_a_main_and_a_first_line():
    found = single_benchmarks()
    assert {"detection", "people", "influence.last_layer", "gradients.self_influence"} <= set(found)
    assert not {
        "markdown",
        "command",
        "gradients.measure",
        "engine.plan",
        "experiments.runtime.measure",
    } & set(found)
    assert all(line.endswith(".") for line in found.values()), found


def test_a_run_writes_a_page_and_the_next_measures_nothing(bench, tmp_path):
    words = (*declared(tmp_path, CELLS, TABLE), "--seeds", "2", "--only", "data=one")
    status, printed, error = bench(*words)
    assert (status, printed) == (0, "pages/fake.md\n")
    assert "fake: 4 cells, 0 measured before" in error
    page = tmp_path / "pages" / "fake.md"
    first = page.read_bytes()
    assert b"\npython -m benchmarks fake.toml --seeds 2 --only data=one\n" in first
    assert pd.read_parquet(tmp_path / "pages" / "fake.parquet")["seed"].unique().tolist() == [0, 1]
    page.unlink()
    _, _, error = bench(*words)
    assert "4 cells, 4 measured before" in error
    assert page.read_bytes() == first
    _, _, error = bench(*words, "--fresh", "--methods", "good")
    assert "4 cells, 0 measured before" in error


def test_pages_are_written_anew_without_a_measurement(bench, tmp_path, monkeypatch):
    words = (*declared(tmp_path, CELLS, TABLE), "--seeds", "2")
    bench(*words, "--methods", "good")
    page = tmp_path / "pages" / "fake.md"
    page.unlink()
    monkeypatch.setattr("benchmarks.engine.runner.run_plan", None)
    monkeypatch.setattr("benchmarks.session.check_data", None)
    status, printed, _ = bench(*words, "--pages")
    assert (status, printed) == (0, "pages/fake.md\n")
    known = pd.read_parquet(tmp_path / "pages" / "fake.parquet")
    assert known["method"].unique().tolist() == ["good"]
    assert "good" in page.read_text()


def test_full_size_has_a_page_of_its_own(bench, tmp_path):
    words = declared(tmp_path, CELLS, "[cells.full]\nseeds = 1", TABLE)
    status, printed, error = bench(*words, "--full", "--only", "glitch=blur")
    assert (status, printed) == (0, "pages/fake_full.md\n")
    assert "fake: 2 cells" in error


def test_a_failure_is_status_1_and_the_rest_is_written(bench, tmp_path):
    words = declared(tmp_path, CELLS, '[cells.settings]\ntrouble = "error"\nseed = 1', TABLE)
    status, printed, error = bench(*words, "--only", "data=one,glitch=flips")
    assert (status, printed) == (1, "pages/fake.md\n")
    told = "failed: fake (one, none, flips 0.1, seed 1): ValueError: the cat sat on the keyboard"
    assert told in error
    assert "## Failures" in (tmp_path / "pages" / "fake.md").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("quik",), "the name of a suite"),
        (("fake.toml", "--only", "colour=red"), "pairs like data=digits"),
        (("fake.toml", "--methods", "goood"), "got 'goood'"),
        (("fake.toml", "--workers", "-1"), "at least one worker"),
        (("fake.toml", "--seeds", "0"), "Invalid value for '--seeds'"),
        (("influence.peers",), "Type python -m benchmarks.influence.peers."),
    ],
    ids=["suite", "only", "methods", "workers", "seeds", "single"],
)
def test_bad_usage_is_status_2(bench, tmp_path, words, message):
    declared(tmp_path, CELLS)
    status, printed, error = bench(*words)
    assert (status, printed) == (2, "")
    assert message in " ".join(error.split())


def test_all_goes_on_without_a_suite_whose_data_are_missing(bench, tmp_path, monkeypatch):
    here = parse_suite(declare(CELLS, TABLE), "here")
    gone = parse_suite('needs = "gold"\n' + declare(CELLS), "gone")
    monkeypatch.setattr("benchmarks.command.find_suites", lambda names: [gone, here])
    words = declared(tmp_path, CELLS)[1:]
    status, printed, error = bench("all", *words, "--seeds", "1")
    assert (status, printed) == (1, "pages/here.md\n")
    assert "left out: gone: Expected real data with the file gold.npz" in " ".join(error.split())


def test_all_are_those_that_want_to_be(monkeypatch):
    some = {
        name: parse_suite(f"in_all = {wish}\n" + declare(CELLS), name)
        for name, wish in (("a", "true"), ("b", "false"))
    }
    monkeypatch.setattr("benchmarks.session.bundled_suites", lambda: list(some))
    monkeypatch.setattr("benchmarks.session.open_suite", some.__getitem__)
    assert [suite.name for suite in find_suites(["all"])] == ["a"]
    assert [suite.name for suite in find_suites(["b", "a"])] == ["b", "a"]


def test_data_may_be_named_by_set_or_by_file(tmp_path, monkeypatch):
    monkeypatch.setenv("CHAFFINCH_DATA", str(tmp_path))
    (tmp_path / "gold.parquet").touch()
    check_data(parse_suite('needs = ["digits", "gold"]\n' + declare(CELLS), "a"))
    with pytest.raises(InputError, match=r"silver\.npz"):
        check_data(parse_suite('needs = "silver"\n' + declare(CELLS), "a"))


def test_the_cache_can_be_moved(tmp_path, monkeypatch):
    monkeypatch.setenv("CHAFFINCH_CACHE", str(tmp_path))
    assert default_cache() == tmp_path / "bench"
    monkeypatch.delenv("CHAFFINCH_CACHE")
    assert default_cache().parts[-3:] == (".cache", "chaffinch", "bench")
