"""What is recorded of a trained net."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from benchmarks.cell import Cell
from benchmarks.experiments.synthetic.experiment import make_problem, read_settings
from benchmarks.experiments.synthetic.observe import BinaryNet, accuracies, dead, state_of
from benchmarks.experiments.synthetic.stack import Stack, start
from chaffinch.influence import self_influence
from chaffinch.pipeline.collect import fold_of


def cell(**changes):
    parts = {"suite": "s", "experiment": "synthetic", "data": "moons", "model": "mlp2"}
    return Cell(**(parts | {"glitch": "random_flips", "rate": 0.08} | changes))


@pytest.mark.parametrize("width", [0, 3])
def test_a_net_of_a_stack_becomes_a_module_with_two_logits(width):
    stack = start(2, width, 2, 0)
    stack.flat.add_(torch.arange(2)[:, None] + 0.1)
    x = torch.randn(7, 2, generator=torch.Generator().manual_seed(0))
    net = BinaryNet(2, width)
    net.load_state_dict(state_of(stack, 1))
    logits = net(x)
    z = stack.forward(x.T.contiguous())[0][1]
    torch.testing.assert_close(logits[:, 1] - logits[:, 0], z)
    torch.testing.assert_close(logits.sum(1), torch.zeros(7))


def test_the_records_are_those_of_the_net_and_its_fold_nets(problem, situation):
    evidence = situation.evidence
    assert evidence.logits.shape == evidence.held_out_logits.shape == (6, 80, 2)
    with torch.no_grad():
        last = situation.model(torch.from_numpy(problem.x)).numpy()
        first = BinaryNet(2, 8)
        first.load_state_dict(situation.checkpoints[0])
        earliest = first(torch.from_numpy(problem.x)).numpy()
        held = situation.model(torch.from_numpy(problem.validation[0])).numpy()
    assert np.allclose(evidence.logits[-1], last, atol=1e-5)
    assert np.allclose(evidence.logits[0], earliest, atol=1e-5)
    assert np.allclose(evidence.validation_logits, held, atol=1e-5)
    assert np.allclose(evidence.features_by_epoch[-1], evidence.features)
    assert np.allclose(evidence.feature_norms, np.linalg.norm(evidence.features_by_epoch, axis=2))
    fold = fold_of(problem.given, 3, problem.seed).numpy()
    for k in range(3):
        net = problem.retrain((fold != k)[None].astype(np.float32))
        z = net.forward(torch.from_numpy(problem.x).T.contiguous())[0][0].numpy()
        assert np.allclose(evidence.held_out_logits[-1, fold == k, 1], z[fold == k] / 2, atol=1e-4)


def test_gradients_are_those_of_the_sigmoid_net_twice(problem, situation, sigmoid_gradients):
    data = situation.inputs, torch.from_numpy(problem.given)
    found = self_influence(situation.model, data, "grad_dot", "last").numpy()
    assert np.allclose(found, 2 * (sigmoid_gradients**2).sum(1), rtol=1e-3, atol=1e-5)


def test_retraining_drops_rows_and_takes_other_labels(problem, situation):
    everything = np.arange(80)
    plain = problem.retrain(np.ones((1, 80), dtype=np.float32))
    expected = accuracies(plain, *problem.test)[0]
    assert situation.retrain(everything, None, None, problem.seed) == expected
    turned = situation.retrain(everything, 1 - problem.given, None, problem.seed)
    assert turned < 0.5 < expected
    one = situation.retrain(everything[:50], None, None, problem.seed)
    weights = (everything < 50).astype(np.float32)
    assert situation.retrain(everything, None, weights, problem.seed) == one


def test_a_net_is_dead_where_it_has_one_class_left():
    x = np.array([[1.0, 0], [-1, 0], [2, 1], [-3, 1]], dtype=np.float32)
    nets = Stack(torch.tensor([[1.0, 0], [0, 0], [0, -1]]), 2, 0)
    assert dead(nets, x).tolist() == [False, True, True]


def test_some_narrow_nets_die():
    died = []
    for seed in (6, 2):
        one = cell(seed=seed, settings={"steps": 300, "test": 10})
        problem = make_problem(one, read_settings(one))
        net = problem.retrain(np.ones((1, 250), dtype=np.float32))
        died.append(bool(dead(net, problem.x)[0]))
    assert died == [False, True]


def test_the_linear_model_reaches_its_optimum():
    linear = cell(data="blobs", model="logistic", rate=0.0667, settings={"steps": 3000})
    problem = make_problem(linear, read_settings(linear))
    net = problem.retrain(np.ones((1, 150), dtype=np.float32))
    best = LogisticRegression(C=1 / (150 * 1e-4), fit_intercept=False, tol=1e-8)
    best.fit(problem.x.astype(np.float64), problem.given)
    assert np.allclose(net.flat[0].numpy(), best.coef_[0], rtol=1e-2, atol=1e-2)
