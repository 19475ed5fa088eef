"""Losses of tags against their definitions in loops, and what they refuse."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from chaffinch import losses
from chaffinch.core.errors import InputError

COUNTS, SIZE = [40, 7, 1, 90], 90


def sigmoid(z):
    return 1 / (1 + math.exp(-z))


def slow_binary(row, _labels, k, y):
    p = sigmoid(row[k])
    return -y * math.log(p) - (1 - y) * math.log(1 - p)


def slow_asymmetric(row, _labels, k, y):
    p = sigmoid(row[k])
    m = max(p - 0.1, 0)
    return -y * (1 - p) ** 0.5 * math.log(p) - (1 - y) * m**3 * math.log(1 - m)


def slow_balanced(row, labels, k, y):
    drawn = sum(y_i / n for y_i, n in zip(labels, COUNTS, strict=True))
    ratio = (1 / COUNTS[k]) / drawn if drawn else math.inf
    weight = 0.1 + 1 / (1 + math.exp(-10 * (ratio - 0.2)))
    prior = math.log(max(SIZE - COUNTS[k], 0.5) / COUNTS[k])
    z = row[k] - 0.05 * prior
    return weight * (y * math.log1p(math.exp(-z)) + (1 - y) * math.log1p(math.exp(2 * z)) / 2)


CASES = {
    "binary_cross_entropy": (lambda **c: losses.BinaryCrossEntropy(**c), slow_binary),
    "asymmetric": (lambda **c: losses.Asymmetric(3, 0.5, 0.1, **c), slow_asymmetric),
    "distribution_balanced": (
        lambda **c: losses.DistributionBalanced(COUNTS, SIZE, **c),
        slow_balanced,
    ),
}
NAMES = sorted(CASES)


def test_every_loss_of_tags_has_a_twin():
    assert list(losses.TAG_LOSSES) == NAMES


def draw(count, seed, spread=2.0):
    random = np.random.default_rng(seed)
    logits = torch.from_numpy(random.normal(size=(count, 4)) * spread)
    target = torch.from_numpy(random.choice([-1.0, 0.0, 0.0, 1.0], (count, 4)))
    return logits, target, torch.from_numpy(random.random(4) + 0.1)


def slow(name, logits, target, weight):
    """(B,) losses, tag by tag."""
    found = []
    for row, given_labels in zip(logits.tolist(), target.tolist(), strict=True):
        told = [max(y, 0.0) for y in given_labels]
        parts = [
            weight[k] * CASES[name][1](row, told, k, y)
            for k, y in enumerate(given_labels)
            if y >= 0
        ]
        found.append(math.fsum(parts) / len(row))
    return found


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=15)
@given(count=st.integers(1, 5), seed=st.integers(0, 10_000))
def test_losses_equal_their_definitions(name, count, seed):
    logits, target, weight = draw(count, seed)
    wanted = slow(name, logits, target, weight.tolist())
    make = CASES[name][0]
    found = make(reduction="none", weight=weight)(logits, target)
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-9)
    total = make(reduction="sum", weight=weight)(logits, target)
    np.testing.assert_allclose(total.item(), math.fsum(wanted), rtol=1e-9)
    mean = make(weight=weight)(logits, target)
    np.testing.assert_allclose(mean.item(), math.fsum(wanted) / count, rtol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_those_of_finite_differences(name):
    logits, target, weight = draw(4, 3)
    loss = CASES[name][0](reduction="none", weight=weight).double()
    assert torch.autograd.gradcheck(lambda z: loss(z, target), (logits.requires_grad_(),))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32], ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_sure_predictions_are_finite(name, dtype):
    logits = torch.tensor([[1e4, -1e4, 0, 20], [-1e4, 1e4, -20, 1e4]]).to(dtype).requires_grad_()
    for target in (torch.zeros(2, 4), torch.ones(2, 4), torch.full((2, 4), 0.5)):
        value = CASES[name][0](reduction="sum")(logits, target)
        assert value.dtype == torch.float32
        (slope,) = torch.autograd.grad(value, logits)
        assert value.isfinite()
        assert slope.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_unknown_tags_cost_nothing(name):
    logits, target, _ = draw(6, 1)
    target[:, 1], target[2] = torch.nan, -1
    logits.requires_grad_()
    loss = CASES[name][0](reduction="none")(logits, target)
    (slope,) = torch.autograd.grad(loss.sum(), logits)
    assert loss[2] == 0
    assert (slope[target.isnan() | (target < 0)] == 0).all()
    known = (target >= 0) & (name != "asymmetric")
    assert (slope[known] != 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_the_warm_up_is_binary_cross_entropy(name):
    logits, target, _ = draw(6, 1)
    loss = CASES[name][0](warm_up=1)
    loss.epoch(0)
    assert loss(logits, target) == losses.BinaryCrossEntropy()(logits, target)
    loss.epoch(1)
    changed = loss(logits, target) != losses.BinaryCrossEntropy()(logits, target)
    assert changed == (name != "binary_cross_entropy")


def test_vmap_gives_one_gradient_a_sample():
    logits, target, _ = draw(5, 2)
    loss = losses.DistributionBalanced(COUNTS, SIZE, reduction="sum")
    one = torch.func.grad(lambda z, y: loss(z[None], y[None]))
    together = torch.func.vmap(one)(logits, target)
    alone = torch.stack([one(z, y) for z, y in zip(logits, target, strict=True)])
    torch.testing.assert_close(together, alone)


REFUSED = {
    "codes": (lambda: losses.Asymmetric()(torch.zeros(2, 3), torch.zeros(2)), "shape \\(2, 3\\)"),
    "integers": (
        lambda: losses.Asymmetric()(torch.zeros(2, 3).long(), torch.zeros(2, 3)),
        "logits \\(B, K\\)",
    ),
    "counts above 1": (
        lambda: losses.BinaryCrossEntropy()(torch.zeros(1, 2), torch.tensor([[2, 0]])),
        "a target of 2",
    ),
    "weight": (
        lambda: losses.Asymmetric(weight=[1.0])(torch.zeros(1, 2), torch.zeros(1, 2)),
        "weights \\(2,\\)",
    ),
    "margin": (lambda: losses.Asymmetric(margin=2), "margin in 0..1"),
    "no sample": (lambda: losses.DistributionBalanced([0, 3], 5), "Leave out tags"),
    "more than there are": (lambda: losses.DistributionBalanced([6, 3], 5), "from 1 to 5"),
    "other tags": (
        lambda: losses.DistributionBalanced([1, 2], 5)(torch.zeros(1, 3), torch.zeros(1, 3)),
        "logits of 2 tags",
    ),
    "unknown": (lambda: losses.Asymmetric(gamma=2), "options of this loss"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused(name):
    make, words = REFUSED[name]
    with pytest.raises(InputError, match=words):
        make()
