"""The experiment ``training``: rows share all but what they are named for."""

import numpy as np
import pytest

from benchmarks.catalogue import load_catalogue
from benchmarks.cell import Cell
from benchmarks.engine.suite import open_suite
from benchmarks.experiment import EXPERIMENTS
from benchmarks.experiments.training.experiment import expand
from benchmarks.experiments.training.problem import draw_problem
from benchmarks.experiments.training.rows import BY_POLICY, CORRECTIONS, MIXUP, ROWS
from benchmarks.experiments.training.run import Bench, early
from benchmarks.experiments.training.settings import Settings
from chaffinch.core.errors import InputError
from chaffinch.training.alarms import ALARMS, Alarm
from chaffinch.training.policies import POLICIES

load_catalogue()

SMALL = {"size": 240, "validation": 60, "test": 200, "width": 32, "epochs": 6, "batch_size": 32}
SETTINGS = SMALL | {"learning_rate": 0.01}


def cell(**changes):
    parts = {"suite": "s", "experiment": "training", "data": "digits", "model": "mlp"}
    parts |= {"glitch": "uniform_flips", "rate": 0.4, "settings": SETTINGS, "seed": 100}
    return Cell(**(parts | changes))


def bench(**changes):
    one = cell(**changes)
    settings = Settings.of(one.settings)
    return Bench(draw_problem(one, settings), settings, one.seed)


def measured(names, tmp_path, **changes):
    run = EXPERIMENTS["training"].function
    return {(m.method, m.metric, m.group): m.value for m in run(cell(**changes), names, tmp_path)}


def test_rows_are_all_losses_corrections_and_policies():
    assert set(BY_POLICY.values()) == set(POLICIES) - {"observe"}
    assert set(expand(["none", "oracle", "loss", "correction", "policy"])) == set(ROWS)
    assert expand(["policy clip"]) == ["policy clip"]


def test_flips_are_as_many_as_asked_for_and_the_rest_is_right():
    problem = bench().problem
    assert problem.wrong.sum() == 96
    assert not bench(rate=0.0).problem.wrong.any()
    other = bench(seed=101).problem
    assert not np.array_equal(problem.truth, other.truth)
    with pytest.raises(InputError, match="uniform_flips or none"):
        bench(glitch="brightness")


def test_a_cell_yields_accuracy_detection_and_alarms(tmp_path):
    names = ("none", "oracle", "loss generalized_cross_entropy", MIXUP)
    found = measured(names, tmp_path)
    accuracy = {name: found[name, "accuracy", ""] for name in names}
    assert accuracy["oracle"] > accuracy["none"] > 0.3
    assert found["none", "auroc", ""] > 0.8
    assert ("oracle", "auroc", "") not in found
    assert (MIXUP, "auroc", "") not in found
    assert found["none", "alarm_early", ""] in (0, 1)
    assert {group for name, metric, group in found if metric == "raised"} == set(ALARMS)
    assert not any(metric == "failed" for _, metric, _ in found)
    clean = measured(("none", "oracle"), tmp_path, rate=0.0)
    assert ("none", "auroc", "") not in clean
    assert clean["none", "accuracy", ""] == clean["oracle", "accuracy", ""]


def test_every_row_trains():
    one = bench(settings=SETTINGS | {"epochs": 3, "size": 120, "width": 8})
    found = {name: one.row(name) for name in ROWS}
    assert all(0 <= outcome.accuracy <= 1 for outcome in found.values())
    assert found["none"].losses.shape == (120,)
    transition = one.transition
    assert transition.shape == (10, 10)
    assert np.allclose(transition.sum(axis=1), 1)
    # A row that trained as cross-entropy does would be one whose option never arrived.
    same = {
        name
        for name, outcome in found.items()
        if name != "none"
        and outcome.losses is not None
        and np.array_equal(outcome.losses, found["none"].losses)
    }
    assert not same & set(CORRECTIONS)
    assert not same & {"loss generalized_cross_entropy", "policy clip", "policy bootstrap"}


def test_the_same_seed_gives_the_same_numbers():
    first, second = bench().row("policy small_loss"), bench().row("policy small_loss")
    assert first.accuracy == second.accuracy
    assert np.array_equal(first.losses, second.losses)


def test_alarms_count_as_early_in_the_first_third_and_about_labels_alone():
    def one(epoch, about="labels"):
        return Alarm("x", about, "warning", epoch, "why", {})

    assert len(early([one(3), one(4), one(0, "training")], 12)) == 1
    assert len(early([one(4)], 15)) == 1


def test_a_row_that_fails_is_named(tmp_path):
    found = measured(("no such row", "none"), tmp_path, settings=SETTINGS | {"epochs": 3})
    assert ("none", "accuracy", "") in found
    assert [(name, metric) for name, metric, _ in found if name != "none"] == [
        ("no such row", "failed")
    ]
    with pytest.raises(InputError, match="settings among"):
        measured(("none",), tmp_path, settings={"epoch": 3})


def test_the_suite_covers_the_noisy_cells_with_five_seeds():
    suite = open_suite("training")
    blocks = {block.data[0]: block for block in suite.cells if block.glitch != ["none"]}
    assert set(blocks) == {"letter", "cifar10n_16k"}
    assert blocks["letter"].data == ["letter", "mnist"]
    assert blocks["letter"].rate == [0.0, 0.2, 0.4]
    for block in suite.cells:
        assert block.seeds == 5
        Settings.of(block.settings)
        assert expand(block.methods)
