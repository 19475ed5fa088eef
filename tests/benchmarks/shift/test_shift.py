"""Training on one part of a table and testing on another."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.catalogue import load_catalogue
from benchmarks.cell import Cell
from benchmarks.data.source import Source
from benchmarks.engine.suite import open_suite
from benchmarks.experiment import EXPERIMENTS
from benchmarks.experiments import shift
from benchmarks.experiments.synthetic.experiment import expand
from chaffinch.core.errors import InputError

load_catalogue()

SETTINGS = {"size": 60, "validation": 20, "test": 30, "epochs": 3}


@pytest.fixture
def table(monkeypatch):
    """A small table with the columns of Adult that the splits ask for."""
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "age": random.integers(18, 80, 300),
            "hours": random.normal(size=300),
            "workclass": random.choice(["Private", "State-gov", None], 300, p=[0.6, 0.3, 0.1]),
            "country": random.choice(["United-States", "Peru", None], 300, p=[0.6, 0.3, 0.1]),
        }
    )
    labels = np.where(frame["hours"] > 0, ">50K", "<=50K")
    monkeypatch.setattr(shift, "load_source", lambda _name: Source(frame, labels))
    return frame


def cell(**changes):
    parts = {"suite": "s", "experiment": "shift", "data": "adult_by_age", "model": "mlp"}
    return Cell(**(parts | {"settings": SETTINGS} | changes))


def measured(names, tmp_path, **changes):
    run = EXPERIMENTS["shift"].function
    return {(m.method, m.metric, m.x): m.value for m in run(cell(**changes), names, tmp_path)}


@pytest.mark.parametrize("name", sorted(shift.SPLITS))
def test_training_rows_come_from_the_source_and_the_others_from_the_target(name, table):
    split = shift.SPLITS[name]
    train, held, test = shift.draw_rows(table, split, (60, 20, 30), seed=1)
    assert (len(train), len(held), len(test)) == (60, 20, 30)
    assert len({*train.tolist(), *held.tolist(), *test.tolist()}) == 110
    values = table[split.column]
    if name == "adult_by_age":
        assert values[train].max() < 38 <= min(values[held].min(), values[test].min())
    else:
        own = {"adult_by_work": "Private", "adult_by_country": "United-States"}[name]
        assert set(values[train]) == {own}
        assert set(values[held]) | set(values[test]) == {"State-gov", "Peru"} & set(values)
    other = shift.draw_rows(table, split, (60, 20, 30), seed=2)
    assert not np.array_equal(train, other[0])


def test_inputs_are_encoded_by_the_source_without_the_column_that_splits(table):
    problem = shift.make_problem(cell(), shift._SETTINGS | SETTINGS)
    plain = shift.make_problem(cell(data="adult_by_work"), shift._SETTINGS | SETTINGS)
    assert problem.x.shape[1] == 1 + 3 + 3  # hours, workclass and country with "missing"
    assert plain.x.shape[1] == 2 + 3
    assert np.allclose(problem.x[:, 0].mean(), 0, atol=1e-5)
    assert not np.allclose(problem.test[0][:, 0].mean(), 0, atol=1e-5)
    assert problem.recipe.steps == 3
    assert np.array_equal(problem.right, problem.given)


def test_a_cell_yields_accuracy_and_paired_gain_at_each_budget(table, tmp_path):
    settings = SETTINGS | {"budgets": [0.1], "curve": ["random"]}
    found = measured(("random", "none", "loss_mean", "oracle"), tmp_path, settings=settings)
    assert not any(method == "oracle" for method, _, _ in found)
    for x in (0.05, 0.1):
        gain = found["random", "accuracy", x] - found["none", "accuracy", x]
        assert found["random", "gain", x] == pytest.approx(gain)
    assert ("loss_mean", "accuracy", 0.05) in found
    assert ("loss_mean", "accuracy", 0.1) not in found
    assert ("none", "gain", 0.05) not in found


def test_the_same_cell_yields_the_same_figures(table, tmp_path):
    one, same = (measured(("none", "loss_mean"), tmp_path) for _ in range(2))
    timeless = [{key: v for key, v in run.items() if key[1] != "seconds"} for run in (one, same)]
    assert timeless[0] == timeless[1]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"data": "adult"}, "one of adult_by_age"),
        ({"model": "mlp2"}, "one of mlp"),
        ({"glitch": "random_flips"}, "the glitch none"),
        ({"settings": {"steps": 3}}, "settings among size"),
        ({"settings": SETTINGS | {"size": 500}}, "500 rows told apart by age"),
    ],
)
def test_what_the_experiment_does_not_know_is_refused(table, changes, words, tmp_path):
    with pytest.raises(InputError, match=words):
        measured(("none",), tmp_path, **changes)


def test_the_suite_names_methods_that_exist():
    (block,) = open_suite("shift").cells
    assert set(expand(block.settings["curve"])) <= set(expand(block.methods))
    assert set(block.data) == set(shift.SPLITS)
    assert block.settings["budget"] in block.settings["budgets"]
