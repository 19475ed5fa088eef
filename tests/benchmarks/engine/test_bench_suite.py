"""Suites: what may be declared, and which cells follow from it."""

import pytest
from fake_suite import CELLS, TABLE, declare

from benchmarks.catalogue import (
    load_catalogue,
    missing_peer,
    summary_of,
)
from benchmarks.engine.plan import Choice, parse_only, plan_suite
from benchmarks.engine.suite import bundled_suites, open_suite, parse_suite
from chaffinch.core.errors import InputError


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("title = ", "TOML in the suite 'fake'"),
        (declare(), "field required at 'cells'"),
        (declare(CELLS, "colour = 1"), "not permitted at 'cells.0.colour'"),
        (declare(CELLS.replace('data = ["one", "two"]', "data = []")), "at 'cells.0.data'"),
        (declare(CELLS, 'protocol = "mine"'), "'cells.0.protocol.0'"),
        (declare(CELLS, "[cells.full]\ncolour = 1"), "not permitted at 'colour'"),
        (declare(CELLS, TABLE, TABLE), "'auroc' more than once"),
        (declare(CELLS, minutes=0), "greater than 0 at 'minutes'"),
    ],
    ids=["toml", "cells", "key", "empty", "protocol", "full", "twice", "minutes"],
)
def test_a_bad_declaration_is_named(text, message):
    with pytest.raises(InputError, match=message):
        parse_suite(text, "fake")


@pytest.mark.parametrize(
    ("parts", "choice", "message"),
    [
        ((CELLS.replace('"fake"', '"fak"'),), {}, "Did you mean 'fake'"),
        ((CELLS,), {"only": (("data", "three"),)}, "none with --only data=three"),
        ((CELLS,), {"methods": ("good", "goood")}, "got 'goood'"),
        ((CELLS.replace('"all"', "[]"),), {}, "none with the methods declared"),
    ],
    ids=["experiment", "only", "methods", "none"],
)
def test_a_plan_of_nothing_is_refused(make_plan, parts, choice, message):
    with pytest.raises(InputError, match=message):
        make_plan(*parts, **choice)


def test_cells_are_the_product_in_the_order_of_the_declaration(make_plan):
    cells = [job.cell for job in make_plan(CELLS).jobs]
    assert [(one.data, one.glitch, one.seed) for one in cells] == [
        (data, glitch, seed)
        for data in ("one", "two")
        for glitch in ("flips", "blur")
        for seed in range(3)
    ]
    assert {one.rate for one in cells} == {0.1}
    assert len({one.key for one in cells}) == len(cells)


def test_a_cell_declared_twice_is_measured_once(make_plan):
    plan = make_plan(CELLS, CELLS.replace('"all"', '["good", "other"]'))
    assert len(plan.jobs) == 12
    assert plan.jobs[0].methods == ("chaffinch", "good", "oracle", "other", "random")


def test_a_block_can_be_restricted(make_plan):
    only = parse_only("data=two, seed=1,seed=2,rate=0.10")
    plan = make_plan(CELLS, only=only, methods=("good", "control"))
    assert {(job.cell.data, job.cell.seed) for job in plan.jobs} == {("two", 1), ("two", 2)}
    assert plan.methods == ["good", "oracle", "random"]


@pytest.mark.parametrize("text", ["data", "colour=red"])
def test_only_takes_pairs(text):
    with pytest.raises(InputError, match="pairs like data=digits"):
        parse_only(text)


@pytest.mark.parametrize(
    ("seeds", "most", "wanted"),
    [("3", None, [0, 1, 2]), ("3", 5, [0, 1, 2, 3, 4]), ("[7, 9]", 1, [7]), ("[7, 9]", 5, [7, 9])],
)
def test_seeds_are_counted_or_listed(make_plan, seeds, most, wanted):
    plan = make_plan(CELLS.replace("seeds = 3", f"seeds = {seeds}"), seeds=most)
    assert sorted({job.cell.seed for job in plan.jobs}) == wanted


def test_full_size_replaces_keys_and_merges_settings(make_plan):
    parts = (CELLS, "[cells.settings]\nsize = 10\nfolds = 3", "[cells.full]\nseeds = 1\n")
    parts += ("[cells.full.settings]\nsize = 99",)
    small, large = make_plan(*parts), make_plan(*parts, full=True)
    assert small.jobs[0].cell.settings == {"size": 10, "folds": 3}
    assert large.jobs[0].cell.settings == {"size": 99, "folds": 3}
    assert (len(small.jobs), len(large.jobs)) == (12, 4)


def test_varied_settings_are_a_product(make_plan):
    plan = make_plan(CELLS, "[cells.vary]\ntrees = [10, 100]\nbudget = [0.1, 0.2]", seeds=1)
    settings = [tuple(job.cell.settings.values()) for job in plan.jobs[:4]]
    assert settings == [(10, 0.1), (10, 0.2), (100, 0.1), (100, 0.2)]


def test_a_peer_that_is_not_installed_is_left_out(make_plan, monkeypatch):
    monkeypatch.setattr(
        "benchmarks.engine.plan.missing_peer",
        lambda name: "cleanlab" if name == "good" else "",
    )
    plan = make_plan(CELLS)
    assert plan.left_out == {"good": "cleanlab is not installed"}
    assert "good" not in plan.methods


def test_own_methods_need_no_peer(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert missing_peer("chaffinch") == ""
    assert missing_peer("unheard of") == ""
    assert missing_peer("cleanlab self_confidence") == "cleanlab"


def test_unknown_suites_and_modules_are_named(tmp_path):
    with pytest.raises(InputError, match=r"got 'quik'.*quick"):
        open_suite("quik")
    with pytest.raises(InputError, match=r"a TOML file at .*gone\.toml"):
        open_suite(str(tmp_path / "gone.toml"))
    with pytest.raises(InputError, match="'no_such_module_here'"):
        load_catalogue(["no_such_module_here"])


@pytest.mark.parametrize("name", bundled_suites())
def test_every_bundled_suite_can_be_planned(name):
    suite = open_suite(name)
    load_catalogue(suite.modules)
    for full in (False, True):
        plan = plan_suite(suite, Choice(full=full))
        assert plan.jobs
        assert not [name for name in plan.methods if not summary_of(name)]


def test_the_words_of_a_choice_make_it_again():
    choice = Choice(True, 2, ("good", "cleanlab a"), parse_only("data=one,rate=0.1"))
    assert choice.words == " --full --seeds 2 --methods 'good,cleanlab a' --only data=one,rate=0.1"
    assert Choice().words == ""
