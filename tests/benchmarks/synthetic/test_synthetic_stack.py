"""Nets trained in a stack against nets trained one by one."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from benchmarks.experiments.synthetic.stack import (
    Recipe,
    Stack,
    checkpoint_steps,
    start,
    train,
)
from chaffinch.core.errors import InputError

sizes = st.tuples(st.integers(1, 4), st.integers(1, 5), st.integers(1, 4), st.integers(3, 12))


def drawn(shape, seed=0):
    nets, inputs, _, samples = shape
    random = np.random.default_rng(seed)
    x = torch.from_numpy(random.normal(size=(samples, inputs)))
    y = torch.from_numpy(random.integers(0, 2, samples))
    weights = torch.from_numpy(random.integers(0, 2, (nets, samples)).astype(float))
    weights[:, 0] = 1
    return x, y, weights


def in_float64(stack: Stack) -> Stack:
    return Stack(stack.flat.double(), stack.inputs, stack.width)


def single_net(stack: Stack, k: int) -> nn.Module:
    """The k-th net as ordinary modules."""
    parts = [part[k].clone() for part in stack.parts]
    if not stack.width:
        net = nn.Sequential(nn.Linear(stack.inputs, 1, bias=False)).double()
        net[0].weight.data = parts[0][None]
        return net
    wide = stack.width
    net = nn.Sequential(
        nn.Linear(stack.inputs, wide),
        nn.ReLU(),
        nn.Linear(wide, wide),
        nn.ReLU(),
        nn.Linear(wide, 1, bias=False),
    ).double()
    for parameter, part in zip(net.parameters(), parts, strict=True):
        parameter.data = part.reshape(parameter.shape)
    return net


def weighted_loss(net: nn.Module, x, y, weights) -> torch.Tensor:
    logits = net(x)[:, 0]
    losses = nn.functional.binary_cross_entropy_with_logits(logits, y.double(), reduction="none")
    return (losses * weights).sum() / weights.sum()


@settings(deadline=None, max_examples=25)
@given(sizes, st.booleans())
def test_the_gradient_is_that_of_autograd(shape, linear):
    nets, inputs, width, _ = shape
    x, y, weights = drawn(shape)
    stack = in_float64(start(inputs, 0 if linear else width, nets, 1))
    stack.flat.add_(torch.arange(nets)[:, None] * 0.1)
    found = stack.gradient(x.T.contiguous(), y, weights)
    for k in range(nets):
        net = single_net(stack, k)
        slopes = torch.autograd.grad(weighted_loss(net, x, y, weights[k]), list(net.parameters()))
        torch.testing.assert_close(found[k], torch.cat([one.flatten() for one in slopes]))


@settings(deadline=None, max_examples=8)
@given(sizes, st.booleans())
def test_a_net_of_a_stack_equals_a_net_trained_alone_with_torch(shape, linear):
    nets, inputs, width, _ = shape
    x, y, weights = drawn(shape)
    stack = in_float64(start(inputs, 0 if linear else width, nets, 2))
    recipe = Recipe(steps=50, rate=0.01, decay=1e-2)
    found = train(stack, (x, y), weights, recipe)
    for k in range(nets):
        net = single_net(stack, k)
        optimizer = torch.optim.Adam(net.parameters(), lr=0.01, weight_decay=1e-2)
        for _ in range(50):
            optimizer.zero_grad()
            weighted_loss(net, x, y, weights[k]).backward()
            optimizer.step()
        alone = torch.cat([one.detach().flatten() for one in net.parameters()])
        torch.testing.assert_close(found.flat[k], alone, rtol=0, atol=1e-5)


def test_training_leaves_the_start_as_it_is():
    x, y, weights = drawn((2, 2, 3, 9))
    stack = start(2, 3, 2, 0)
    before = stack.flat.clone()
    train(stack, (x, y), weights, Recipe(steps=3))
    assert torch.equal(stack.flat, before)


@pytest.mark.parametrize("batch", [None, 4])
def test_a_sample_of_weight_zero_has_no_say(batch):
    x, y, weights = drawn((2, 2, 3, 9))
    weights[:, 5] = 0
    recipe = Recipe(steps=20, rate=0.01, batch=batch)
    one = train(start(2, 3, 2, 0), (x, y), weights, recipe)
    x[5], y[5] = 100, 1 - y[5]
    other = train(start(2, 3, 2, 0), (x, y), weights, recipe)
    assert torch.equal(one.flat, other.flat)


def test_batches_follow_the_seed_and_go_through_all_samples():
    x, y, weights = drawn((1, 2, 3, 10))
    weights[:] = 1
    recipe = Recipe(steps=20, rate=0.01, batch=4)
    runs = [train(start(2, 3, 1, 0), (x, y), weights, recipe, seed=s).flat for s in (1, 1, 2)]
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


def test_nets_start_alike_and_anew_for_each_seed():
    stack = start(3, 4, 2, 0)
    assert torch.equal(stack.flat[0], stack.flat[1])
    assert not torch.equal(stack.flat, start(3, 4, 2, 1).flat)
    w1, b1, w2, b2, w3 = stack.parts
    assert w1.shape == (2, 4, 3)
    assert w2.shape == (2, 4, 4)
    assert max(float(one.abs().max()) for one in (w1, b1)) <= 3**-0.5
    assert max(float(one.abs().max()) for one in (w2, b2, w3)) <= 4**-0.5


def test_checkpoints_are_even_and_end_with_the_last_step():
    assert checkpoint_steps(Recipe(steps=10, checkpoints=4)) == {3: 0, 5: 1, 8: 2, 10: 3}
    assert list(checkpoint_steps(Recipe(steps=3, checkpoints=50))) == [1, 2, 3]
    seen = []
    x, y, weights = drawn((2, 2, 3, 9))
    last = train(
        start(2, 3, 2, 0),
        (x, y),
        weights,
        Recipe(steps=10, checkpoints=4),
        lambda number, nets: seen.append((number, nets.flat.clone())),
    )
    assert [number for number, _ in seen] == [0, 1, 2, 3]
    assert torch.equal(seen[-1][1], last.flat)
    assert not torch.equal(seen[0][1], last.flat)


def test_a_net_without_samples_is_refused():
    x, y, weights = drawn((2, 2, 3, 9))
    weights[1] = 0
    with pytest.raises(InputError, match="a sample to train on for every net"):
        train(start(2, 3, 2, 0), (x, y), weights, Recipe(steps=1))
