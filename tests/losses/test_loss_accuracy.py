"""Losses that reward or punish small probabilities cost no accuracy on clean data by default."""

from functools import cache

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from chaffinch.losses import LOSSES

TRAINED, EPOCHS = 1200, 45  # long enough for the schedule of CORES2


@cache
def digits():
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    return torch.from_numpy(x[order] / 16).float(), torch.from_numpy(y[order])


@cache
def accuracy(name):
    (x, y), draws = digits(), torch.Generator().manual_seed(1)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    optimizer = torch.optim.Adam(model.parameters(), 0.01, foreach=True)
    loss = LOSSES[name]()
    for epoch in range(EPOCHS):
        loss.epoch(epoch)
        for ids in torch.randperm(TRAINED, generator=draws).split(60):
            optimizer.zero_grad()
            loss(model(x[ids]), y[ids], ids).backward()
            optimizer.step()
    with torch.no_grad():
        return float((model(x[TRAINED:]).argmax(1) == y[TRAINED:]).float().mean())


@pytest.mark.parametrize("name", ["cores2", "peer", "blurry"])
def test_clean_digits_are_learned_as_by_cross_entropy(name):
    assert accuracy(name) >= accuracy("cross_entropy") - 0.01
