"""Gradients: finite differences, extremes in half precision, and which way they point."""

import math

import loss_twin as slow
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from chaffinch import losses

NAMES = sorted(slow.CASES)


def gradient(loss, logits, target, ids=None):
    logits = logits.detach().clone().requires_grad_()
    return torch.autograd.grad(loss(logits, target, ids).sum(), logits)[0]


def logits_of(p, num_classes=3):
    """(1, C) logits under which class 0 has probability p and the others share the rest."""
    rest = (1 - p) / (num_classes - 1)
    return torch.tensor([[p] + [rest] * (num_classes - 1)], dtype=torch.float64).log()


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=8)
@given(
    shape=st.tuples(st.integers(1, 4), st.integers(2, 4)),
    seed=st.integers(0, 10_000),
    soft=st.booleans(),
)
def test_the_gradient_is_that_of_finite_differences(name, shape, seed, soft):
    random = np.random.default_rng(seed)
    logits = torch.from_numpy(random.normal(size=shape) * 1.5).requires_grad_()
    if soft:
        target = torch.from_numpy(random.dirichlet(np.ones(shape[1]), shape[0]))
    else:
        target = torch.from_numpy(random.integers(0, shape[1], shape[0]))
    weight = torch.from_numpy(random.random(shape[1]) + 0.1)
    ids = torch.from_numpy(random.integers(0, slow.NUM_IDS, shape[0]))
    loss = slow.CASES[name][0](shape[1], reduction="none", weight=weight).eval()
    assert torch.autograd.gradcheck(lambda z: loss(z, target, ids), (logits,))


EXTREMES = torch.tensor(
    [
        [1e4, -1e4, -1e4, 0],  # p = 1 and p = 0
        [-1e4, 1e4, 1e4, -1e4],  # two classes share everything
        [1e4, 1e4, 1e4, 1e4],
        [0, 0, 0, 0],
        [-1e4, -1e4, -1e4, 1e4],
        [20, -20, 0, 0],
    ]
)


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32], ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_sure_predictions_are_finite(name, dtype, training):
    logits = EXTREMES.to(dtype)
    ids = torch.arange(len(logits))
    soft = torch.full_like(logits, 0.25)
    for target in (*(torch.full((len(logits),), k) for k in range(4)), soft):
        for reduction in ("none", "sum"):
            loss = slow.CASES[name][0](4, reduction=reduction).float().train(training)
            value = loss(logits, target, ids)
            assert value.dtype == torch.float32
            assert value.isfinite().all()
            slope = gradient(loss, logits, target, ids)
            assert slope.dtype == dtype
            assert slope.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_autocast_changes_nothing(name):
    random = np.random.default_rng(5)
    logits = torch.from_numpy(random.normal(size=(8, 4)).astype(np.float32))
    target, ids = torch.arange(8) % 4, torch.arange(8)
    loss = slow.CASES[name][0](4).float().eval()
    wanted = loss(logits, target, ids)
    with torch.autocast("cpu", torch.bfloat16):
        assert loss(logits, target, ids) == wanted


@pytest.mark.parametrize("gamma", [0.2, 0.3, 0.6])
def test_blurry_turns_its_back_on_unlikely_labels(gamma):
    turn = math.exp(-1 / gamma)
    target = torch.tensor([0])
    for p, pulls in ((turn * 1.05, True), (turn / 1.05, False), (turn / 50, False)):
        slope = gradient(losses.Blurry(gamma, detach=False), logits_of(p), target)
        assert bool(slope[0, 0] < 0) == pulls
        held = gradient(losses.Blurry(gamma, detach=True), logits_of(p), target)
        plain = gradient(losses.CrossEntropy(), logits_of(p), target)
        torch.testing.assert_close(held, p**gamma * plain)
    turned = gradient(losses.Blurry(gamma, detach=False), logits_of(turn), target)
    assert turned[0, 0].abs() < 1e-12


def test_piecewise_zero_teaches_from_the_cutoff_on():
    target = torch.tensor([0])
    loss = losses.PiecewiseZero(0.1)
    assert not gradient(loss, logits_of(0.0999), target).any()
    above = gradient(loss, logits_of(0.1001), target)
    torch.testing.assert_close(above, gradient(losses.CrossEntropy(), logits_of(0.1001), target))


@pytest.mark.parametrize(
    ("loss", "total"),
    [
        (losses.GeneralizedCrossEntropy(1), 3.0),
        (losses.SymmetricCrossEntropy(0, 1), 3 * math.log(1e4)),
        (losses.ActivePassive(1, 0), 1.0),
        (losses.ActivePassive(0, 1), 3 * math.log(1e4)),
    ],
    ids=["mae", "rce", "nce", "nce_rce"],
)
def test_losses_that_symmetric_noise_does_not_mislead(loss, total):
    """Their sum over all labels is the same whatever is predicted (Ghosh et al., AAAI 2017)."""
    logits = torch.from_numpy(np.random.default_rng(6).normal(size=(5, 4)) * 4)
    loss.reduction = "none"
    sums = sum(loss(logits, torch.full((5,), k)) for k in range(4))
    torch.testing.assert_close(sums, torch.full((5,), total, dtype=torch.float64))


def test_bounded_losses_are_bounded():
    logits = torch.tensor([[-1e4, 1e4]])
    for loss, bound in (
        (losses.GeneralizedCrossEntropy(0.5), 2.0),
        (losses.SymmetricCrossEntropy(0, 1), math.log(1e4)),
        (losses.ActivePassive(1, 0), 1.0),
        (losses.BiTempered(0.5, 1), 2.0),
    ):
        assert float(loss(logits, torch.tensor([0]))) == pytest.approx(bound, rel=1e-4)


@pytest.mark.parametrize("temperature", [1.05, 1.5, 2.0, 4.0])
def test_the_steps_lead_to_probabilities(temperature):
    logits = torch.from_numpy(np.random.default_rng(7).normal(size=(50, 10)) * 10)
    tempered = losses.bi_tempered.tempered_log_softmax
    totals = tempered(logits, temperature, 100).exp().sum(1)
    torch.testing.assert_close(totals, torch.ones_like(totals))
    if temperature < 1.3:  # as in the paper, where the five steps are enough
        totals = tempered(logits, temperature, 5).exp().sum(1)
        torch.testing.assert_close(totals, torch.ones_like(totals), rtol=0, atol=1e-4)


def test_the_early_prediction_cancels_a_label_against_it():
    """The gradient of the paper's Lemma: p - y + strength g, g_c by the remembered t."""
    loss = losses.EarlyLearningRegularization(1, 3, strength=2.0).double().eval()
    t = torch.tensor([[0.1, 0.7, 0.1]], dtype=torch.float64)
    loss.remembered = t
    logits = torch.tensor([[0.3, 0.2, -0.5]], dtype=torch.float64)
    p, y = F.softmax(logits, 1), torch.tensor([[1.0, 0, 0]]).double()
    agreement = (t * p).sum()
    g = p * (agreement - t) / (1 - agreement)
    slope = gradient(loss, logits, torch.tensor([0]), torch.tensor([0]))
    torch.testing.assert_close(slope, p - y + 2 * g)
    assert slope[0, 1] < (p - y)[0, 1]  # the class that was predicted is pushed down less


def test_cores2_rewards_confidence_even_in_another_class():
    even, sure, target = torch.zeros(1, 3), torch.tensor([[0.0, 4.0, 0.0]]), torch.tensor([0])
    plain, loss = losses.CrossEntropy(), losses.CORES2(2, 0, None, warm_up=0)
    assert loss(sure, target) < loss(even, target)
    assert plain(sure, target) > plain(even, target)


@pytest.mark.parametrize("rate", [0.8, -4.0])
def test_smoothing_moves_the_goal(rate):
    """A positive rate draws the label to 1 - rate + rate / C; under a negative one it grows on."""
    target, goal = torch.tensor([0]), 1 - 0.8 + 0.8 / 3
    for p, at_goal in ((goal, True), (0.99, False)):
        slope = float(gradient(losses.LabelSmoothing(rate), logits_of(p), target)[0, 0])
        if rate > 0:
            assert slope == pytest.approx(0, abs=1e-12) if at_goal else slope > 0
        else:
            assert slope < float(gradient(losses.CrossEntropy(), logits_of(p), target)[0, 0]) < 0


def test_the_gradient_of_training_sees_the_memory_as_a_constant():
    logits = torch.from_numpy(np.random.default_rng(8).normal(size=(4, 3)))
    target, ids = torch.tensor([0, 1, 2, 0]), torch.arange(4)
    loss = losses.EarlyLearningRegularization(4, 3).double()
    for _ in range(2):  # a second pass must not reach back into the first
        trained = gradient(loss, logits, target, ids)
    assert not loss.remembered.requires_grad
    torch.testing.assert_close(trained, gradient(loss.eval(), logits, target, ids))


def test_a_rounded_memory_stays_finite():
    loss = losses.EarlyLearningRegularization(1, 2).eval()
    loss.remembered = torch.tensor([[1.002, 0.0]])  # as float16 may sum up
    logits, zero = torch.tensor([[50.0, -50.0]]), torch.tensor([0])
    assert loss(logits, zero, zero).isfinite()
    assert gradient(loss, logits, zero, zero).isfinite().all()


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_few_steps_have_the_gradient_of_what_they_compute(steps):
    logits = torch.from_numpy(np.random.default_rng(9).normal(size=(3, 5)) * 3).requires_grad_()
    loss = losses.BiTempered(0.5, 2.0, steps)
    assert torch.autograd.gradcheck(lambda z: loss(z, torch.tensor([0, 3, 4])), (logits,))
