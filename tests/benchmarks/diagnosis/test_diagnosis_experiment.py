import shutil

import numpy as np
import pandas as pd
import pytest
import torch

from benchmarks.catalogue import load_catalogue
from benchmarks.cell import Cell
from benchmarks.engine.plan import Choice, plan_suite
from benchmarks.engine.suite import open_suite
from benchmarks.experiment import FAILED
from benchmarks.experiments.diagnosis import tool
from benchmarks.experiments.diagnosis.experiment import diagnosis, expand
from benchmarks.experiments.diagnosis.problem import pose_problem, repeats, twins
from benchmarks.experiments.diagnosis.tool import DEFAULT, VARIANTS, counted_steps
from chaffinch.core.errors import InputError

OPTIONS = {"folds": 2, "batch_size": 64}


def cell(glitch="uniform_flips", rate=0.1, model="pixel_net", **settings):
    small = {"size": 200, "validation": 60, "epochs": 2, "options": OPTIONS}
    return Cell(
        suite="test",
        experiment="diagnosis",
        data="digits",
        model=model,
        glitch=glitch,
        rate=rate,
        settings=small | settings,
    )


@pytest.fixture(scope="module", autouse=True)
def catalogue():
    load_catalogue()


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cell")
    methods = ["chaffinch", "chaffinch one run", "loss_mean", "random"]
    return folder, list(diagnosis.function(cell(), methods, folder))


def test_the_tool_is_run_as_a_user_runs_it(measured):
    _, rows = measured
    assert not [row for row in rows if row.metric == FAILED]
    metrics = {row.metric for row in rows if row.method == DEFAULT}
    assert {"auroc", "f1_own", "gap", "fdr", "rate_error", "kind_f1", "cost"} <= metrics
    auroc = {row.method: row.value for row in rows if row.metric == "auroc"}
    assert set(auroc) == {"chaffinch", "chaffinch one run", "loss_mean", "random"}


def test_fold_models_cost_more_than_one_run(measured):
    _, rows = measured
    cost = {row.method: row.value for row in rows if row.metric == "cost"}
    # Two fold models see half of the samples each, in steps of the same size.
    assert cost["chaffinch"] > cost["chaffinch one run"] + 0.9
    assert cost["chaffinch one run"] >= 1


def test_a_second_call_trains_nothing(measured, monkeypatch):
    folder, rows = measured
    monkeypatch.setattr(tool, "scan_by_task", None)
    names = ["chaffinch", "loss_mean"]
    again = list(diagnosis.function(cell(), names, folder))
    assert list(map(repr, again)) == [repr(row) for row in rows if row.method in names]


def test_a_run_that_was_cut_short_begins_anew(measured, tmp_path):
    folder, rows = measured
    copied = tmp_path / "cell"
    shutil.copytree(folder, copied)
    name = "chaffinch one run"
    (copied / f"{name} steps.json").unlink()  # it is written once the scan is done
    again = list(diagnosis.function(cell(), [name], copied))
    costs = [r.value for r in (*rows, *again) if (r.method, r.metric) == (name, "cost")]
    assert costs[0] == costs[1]


def test_a_variant_that_fails_leaves_the_others_alone(monkeypatch, measured):
    folder, _ = measured
    monkeypatch.setitem(VARIANTS, "chaffinch broken", {"no_such_option": 1})
    rows = list(diagnosis.function(cell(), ["chaffinch broken", "random"], folder))
    assert [row.metric for row in rows if row.method == "chaffinch broken"] == [FAILED]
    assert "no_such_option" in rows[0].group
    assert any(row.method == "random" for row in rows)


def test_methods_that_ask_the_model_are_refused():
    assert expand(["random", "chaffinch"]) == ["chaffinch", "random"]
    with pytest.raises(InputError, match=r"variants of the tool .*'captum"):
        expand(["captum"])


def test_the_removed_class_of_a_near_cluster_stays_a_class():
    problem = pose_problem(cell(glitch="near_cluster"))
    assert problem.validation is not None
    assert len(problem.data.labels.classes) == len(problem.validation.labels.classes) == 10
    assert (problem.data.labels.counts == 0).sum() == 1
    assert (problem.kinds == "near_cluster").sum() == 20


def test_no_validation_samples_where_none_are_asked_for():
    assert pose_problem(cell(validation=0)).validation is None


def test_an_unknown_network_is_refused():
    with pytest.raises(InputError, match=r"name of a network; got 'huge'.*default, small_net"):
        pose_problem(cell(model="huge"))


def test_copies_know_their_originals():
    copies = np.array([False, True, True, False, False])
    source = np.array([0, 0, 7, 5, -1])
    assert twins(copies, source).tolist() == [-1, 0, -1, -1, -1]
    problem = pose_problem(cell(glitch="near_duplicates"))
    at = np.flatnonzero(problem.twin >= 0)
    assert len(at) == 20
    pixels = problem.data.store.astype(float)
    gaps = np.abs(pixels[at] - pixels[problem.twin[at]]).mean(axis=(1, 2, 3))
    assert gaps.max() < 10


def test_repetitions_are_found_in_tables_and_images():
    assert repeats(pd.DataFrame({"a": [1, 2, 1], "b": ["x", "x", "x"]})).tolist() == [
        True,
        False,
        True,
    ]
    images = np.zeros((3, 2, 2), dtype=np.uint8)
    images[1, 0, 0] = 9
    assert repeats(images).tolist() == [True, False, True]


def test_steps_of_all_optimizers_are_counted_inside_only():
    weight = torch.nn.Parameter(torch.zeros(1))
    weight.grad = torch.ones(1)
    optimizers = [torch.optim.SGD([weight], 0.1), torch.optim.AdamW([weight], 0.1)]
    with counted_steps() as steps:
        for optimizer in optimizers:
            optimizer.step()
            optimizer.step()
    optimizers[0].step()
    assert steps == [4]


@pytest.mark.parametrize("name", ["diagnosis", "diagnosis_cifar10n"])
@pytest.mark.parametrize("full", [False, True])
def test_suites_can_be_planned(name, full):
    plan = plan_suite(open_suite(name), Choice(full=full))
    assert all(job.cell.experiment == "diagnosis" for job in plan.jobs)
    assert "chaffinch" in plan.methods
