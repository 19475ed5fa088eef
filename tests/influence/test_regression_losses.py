"""Influences of networks that predict numbers, against autograd one sample at a time."""

import pytest
import torch
from torch import nn

import chaffinch as cf


def squared(outputs, targets):
    return (outputs[:, 0] - targets) ** 2


def huber(outputs, targets):
    return nn.functional.huber_loss(outputs[:, 0], targets, reduction="none", delta=0.5)


def make(count, seed):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 3, generator=generator, dtype=torch.float64)
    y = x[:, 0] + torch.randn(count, generator=generator, dtype=torch.float64)
    y[0] += 20  # lies on the straight part of Huber's loss
    return x, y


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 1)).double()


def gradients(network, data, loss, layers):
    """(n, P) by one backward pass a sample."""
    wanted = list(network.parameters() if layers == "all" else network[-1].parameters())
    rows = []
    for x, y in zip(*data, strict=True):
        parts = torch.autograd.grad(loss(network(x[None]), y[None]).sum(), wanted)
        rows.append(torch.cat([part.flatten() for part in parts]))
    return torch.stack(rows)


@pytest.mark.parametrize("loss", [squared, huber])
@pytest.mark.parametrize("layers", ["all", "last"])
def test_self_influence_is_the_squared_norm_of_the_gradient(network, loss, layers):
    data = make(12, 1)
    found = cf.self_influence(network, data, "grad_dot", layers, loss=loss)
    truth = gradients(network, data, loss, layers).square().sum(1)
    assert torch.allclose(found.double(), truth, rtol=1e-9)


@pytest.mark.parametrize("loss", [squared, huber])
@pytest.mark.parametrize("layers", ["all", "last"])
def test_attribution_is_the_product_of_the_gradients(network, loss, layers):
    data, queries = make(12, 1), make(4, 2)
    found = cf.attribute(network, data, queries, "grad_dot", layers, loss=loss)
    own, other = (gradients(network, one, loss, layers) for one in (data, queries))
    assert found.shape == (12, 4)
    assert torch.allclose(found.double(), own @ other.T, rtol=1e-9, atol=1e-12)
