"""Trimming, the experiment as a whole, and its suite."""

import numpy as np
import pytest

from benchmarks.catalogue import load_catalogue
from benchmarks.cell import Cell
from benchmarks.engine.suite import open_suite
from benchmarks.experiment import EXPERIMENTS
from benchmarks.experiments.synthetic.experiment import expand, make_problem, read_settings
from benchmarks.experiments.synthetic.observe import accuracies
from benchmarks.experiments.synthetic.trimming import most_suspicious, outcomes_without
from benchmarks.method import METHODS
from chaffinch.core.errors import InputError

load_catalogue()

NAMES = ("oracle", "random", "none", "loss_mean", "chaffinch", "published exact")


def cell(**changes):
    parts = {"suite": "s", "experiment": "synthetic", "data": "moons", "model": "mlp16"}
    parts |= {"glitch": "random_flips", "rate": 0.08, "settings": {"steps": 60, "test": 50}}
    return Cell(**(parts | changes))


def measured(tmp_path, names=NAMES, **changes):
    run = EXPERIMENTS["synthetic"].function
    return {(one.method, one.metric): one.value for one in run(cell(**changes), names, tmp_path)}


def test_the_budget_takes_the_highest_scores():
    found = most_suspicious(np.array([0.1, 3, 2, -1, 5]), 0.4, seed=0)
    assert found.tolist() == [False, True, False, False, True]
    assert not most_suspicious(np.array([0.1, 3]), 0.0, seed=0).any()


def test_ties_at_the_budget_are_broken_by_the_seed_alone():
    counts = np.zeros(10)
    for seed in range(200):
        counts += most_suspicious(np.ones(10), 0.3, seed)
    assert (counts > 30).all()  # 60 expected each; by position it would be 200 and 0
    assert np.array_equal(*(most_suspicious(np.ones(10), 0.3, 7) for _ in range(2)))


def test_trimmed_nets_are_those_trained_alone(problem):
    some = np.arange(80) % 7 == 0
    none = np.zeros(80, dtype=bool)
    found = outcomes_without(problem, {"a": some, "b": none, "c": some})
    for name, mask in (("a", some), ("b", none)):
        net = problem.retrain((~mask)[None].astype(np.float32))
        assert found[name].accuracy == pytest.approx(accuracies(net, *problem.test)[0], abs=0.02)
    assert found["a"] == found["c"]
    assert outcomes_without(problem, {}) == {}


def test_a_cell_yields_detection_accuracy_and_deaths(tmp_path):
    found = measured(tmp_path)
    assert found["oracle", "auroc"] == found["oracle", "recall_at_budget"] == 1
    assert found["oracle", "detection_accuracy"] == pytest.approx(1 - 5 / 250)
    for name in set(NAMES) - {"none"}:
        assert {(name, one) for one in ("f1_known_rate", "accuracy", "dead")} <= set(found)
    assert ("none", "accuracy") in found
    assert ("none", "auroc") not in found
    assert ("chaffinch", "accuracy_own") in found
    assert ("loss_mean", "accuracy_own") not in found


def test_the_same_cell_yields_the_same_figures_and_another_seed_others(tmp_path):
    one, same, other = (measured(tmp_path, ("loss_mean",), seed=s) for s in (1, 1, 2))
    del one["loss_mean", "seconds"], same["loss_mean", "seconds"]
    assert one == same
    assert one["loss_mean", "auroc"] != other["loss_mean", "auroc"]


def test_only_what_the_setting_names_is_trained_again(tmp_path):
    settings = {"steps": 20, "test": 50, "trim": ["control"]}
    found = measured(tmp_path, ("random", "loss_mean"), settings=settings)
    assert ("random", "accuracy") in found
    assert ("loss_mean", "auroc") in found
    assert ("loss_mean", "accuracy") not in found


def test_a_method_that_refuses_is_counted_and_the_others_go_on(tmp_path, monkeypatch):
    def refuse(*_):
        raise InputError("something", "nothing", "Do not ask")

    lissa = METHODS["influence_lissa"]
    monkeypatch.setitem(
        METHODS._items, "influence_lissa", type(lissa)(**vars(lissa) | {"function": refuse})
    )
    found = measured(tmp_path, ("influence_lissa", "random"))
    assert found["influence_lissa", "failed"] == 1
    assert ("influence_lissa", "auroc") not in found
    assert ("random", "accuracy") in found


def test_protocols_differ_in_the_number_of_test_points():
    sizes = {
        protocol: len(make_problem(one, read_settings(one)).test[1])
        for protocol in ("paper", "corrected")
        for one in [cell(protocol=protocol, settings={})]
    }
    assert sizes == {"paper": 100, "corrected": 2000}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"data": "circles"}, "one of blobs, moons"),
        ({"model": "resnet"}, "one of logistic, mlp2, mlp16"),
        ({"settings": {"epochs": 3}}, "settings among steps"),
    ],
)
def test_what_the_experiment_does_not_know_is_refused(changes, words, tmp_path):
    with pytest.raises(InputError, match=words):
        measured(tmp_path, **changes)


def test_the_suite_names_methods_that_exist_and_covers_both_protocols():
    suite = open_suite("synthetic")
    for block in suite.cells:
        names = expand([name for name in block.methods if name != "cleanlab"])
        assert set(expand(block.settings.get("trim", []))) <= set(names)
    assert {protocol for block in suite.cells for protocol in block.protocol} == {
        "paper",
        "corrected",
    }
    assert min(len(block.seed_list()) for block in suite.cells) >= 20
