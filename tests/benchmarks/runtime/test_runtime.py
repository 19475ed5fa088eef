import time
from pathlib import Path

import numpy as np
import pytest

import benchmarks.methods
import benchmarks.peers  # noqa: F401  # both register methods
from benchmarks.cell import Cell
from benchmarks.engine.suite import open_suite
from benchmarks.experiment import EXPERIMENTS, FAILED
from benchmarks.experiments.runtime import INFLUENCE, LEFT_OUT, Sizes, expand, measure, runtime
from benchmarks.experiments.runtime.factors import make_situation
from benchmarks.experiments.runtime.work import find_work
from benchmarks.method import METHODS
from chaffinch.core.errors import InputError
from chaffinch.scorers.probability import softmax

SMALL = Sizes(samples=60, classes=3, inputs=5, targets=7, cap=20)


def cell(**settings):
    return Cell(
        suite="runtime", experiment="runtime", data="factors", model="last_layer", settings=settings
    )


def test_factors_are_those_of_their_model():
    situation = make_situation(SMALL, 1)
    evidence = situation.evidence
    logits = situation.model(situation.inputs.tensor).detach().numpy()
    assert np.allclose(logits, evidence.logits[-1], atol=1e-5)
    assert evidence.logits.shape == (3, 60, 3)
    assert (situation.errors == (evidence.labels.codes != situation.truth)).all()
    assert np.array_equal(make_situation(SMALL, 1).evidence.features, evidence.features)
    assert not np.array_equal(make_situation(SMALL, 2).evidence.features, evidence.features)


def dense(situation):
    """(N, P) and (M, P) gradients, a bias behind each class's weights, and (N, C) probabilities."""
    evidence, made = situation.evidence, []
    for logits, features, codes in (
        (evidence.logits[-1], evidence.features, evidence.labels.codes),
        (evidence.validation_logits, evidence.validation_features, evidence.validation_codes),
    ):
        errors = softmax(logits.astype(np.float64)) - np.eye(logits.shape[1])[codes]
        wide = np.concatenate([features.astype(np.float64), np.ones((len(features), 1))], 1)
        made.append((errors[:, :, None] * wide[:, None, :]).reshape(len(wide), -1))
    return made


def test_influence_from_factors_equals_that_of_formed_gradients():
    situation = make_situation(SMALL, 0)
    own, targets = dense(situation)
    found = {name: np.asarray(work(situation)).ravel() for name, work in INFLUENCE.items()}
    squared = found["chaffinch gradient norms squared"]
    assert np.allclose(squared, (own**2).sum(1), rtol=1e-4)
    products = found["chaffinch TracIn, each target"]
    assert np.allclose(products, abs(own @ targets.T).sum(1), rtol=1e-4)
    damping = (own**2).mean() / 10
    fisher = own.T @ own / len(own) + damping * np.eye(own.shape[1])
    expected = np.einsum("np,np->n", own, np.linalg.solve(fisher, own.T).T)
    assert np.allclose(found["chaffinch Fisher self"], expected, rtol=1e-3)
    for name in ("chaffinch DataInf self", "chaffinch exact self", "chaffinch EK-FAC self"):
        assert np.corrcoef(found[name], expected)[0, 1] > 0.6
    direct = own @ targets.mean(0)
    assert np.corrcoef(found["chaffinch DataInf, mean target"], direct)[0, 1] > 0.9


def test_names_stand_for_what_is_timed():
    assert expand(["gradient_l1", "last_layer"]) == sorted([*INFLUENCE, "gradient_l1"])
    assert expand(["chaffinch exact self"]) == ["chaffinch exact self"]
    assert set(expand(["pyod"])) == {name for name, one in METHODS.items() if one.origin == "pyod"}
    with pytest.raises(InputError, match="the name of a method"):
        expand(["chaffinch exact"])


def test_every_method_of_the_suite_runs_on_the_factors():
    situation = make_situation(SMALL, 0)
    names = {name for block in open_suite("runtime").cells for name in expand(block.methods)}
    assert all(find_work(name, situation, 0) for name in names)
    for block in open_suite("runtime").cells:
        assert Sizes.of(block.at_full_size().settings).cap == 120


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory is read from /proc")
def test_seconds_and_memory_are_those_of_the_work(monkeypatch):
    def work(situation):
        time.sleep(0.3)
        return np.ones((64, 2**17)).sum()  # 64 MiB

    monkeypatch.setattr(measure, "find_work", lambda *_: work)
    found = measure.clock("any", make_situation(SMALL, 0), 0)
    assert 0.3 <= found["seconds"] < 3
    assert 60 < found["peak_mib"] < 80


def misbehaving(name):
    def work(situation):
        if len(situation.evidence) == 60 and name == "slow":
            time.sleep(60)
        if len(situation.evidence) == 60 and name == "greedy":
            np.ones((2**9, 2**20))
        if name == "broken":
            raise KeyError("oh")

    return work


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory is read from /proc")
@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("slow", {"reason": "more than 0.5 s"}),
        ("greedy", {"reason": "more than 200 MiB"}),
        ("broken", {"error": "KeyError: 'oh'"}),
    ],
)
def test_what_misbehaves_is_given_up(name, answer, monkeypatch):
    monkeypatch.setattr(measure, "find_work", lambda name, *_: misbehaving(name))
    sizes = SMALL.model_copy(update={"cap": 0.5, "memory_mib": 200})
    situation = make_situation(sizes, 0)
    start = time.monotonic()
    assert measure.measure_one(name, sizes, situation, 0) == answer
    assert time.monotonic() - start < 30


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory is read from /proc")
def test_the_experiment_measures_in_another_process(tmp_path):
    assert "runtime" in EXPERIMENTS
    names = ["chaffinch gradient norms squared", "gradient_l2", "uq_led"]
    settings = {"samples": 300, "classes": 3, "inputs": 8, "targets": 5}
    found = list(runtime.function(cell(**settings), names, tmp_path))
    for name in names[:2]:
        values = {one.metric: one.value for one in found if one.method == name}
        assert set(values) == {"seconds", "peak_mib"}
        assert 0 < values["seconds"] < 10
        assert values["peak_mib"] >= 0
    # It needs passes with dropout, which factors do not have.
    left = [one for one in found if one.method == "uq_led"]
    assert {one.metric for one in left} == {"seconds", "peak_mib", LEFT_OUT}
    assert all(np.isnan(one.value) for one in left if one.metric != LEFT_OUT)
    assert not [one for one in found if one.metric == FAILED]


def test_settings_say_what_they_may_be(tmp_path):
    with pytest.raises(InputError, match="settings among samples, classes"):
        list(runtime.function(cell(sample=5), [], tmp_path))
