"""Losses that reward or punish small probabilities cost no accuracy on clean data by default."""

from functools import cache

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from chaffinch.losses import LOSSES

TRAINED, EPOCHS = 1200, 45  # long enough for the schedule of CORES2
SEEDS = range(4)
NEEDED = {
    "early_learning_regularization": {"num_samples": TRAINED, "num_classes": 10},
    "forward_correction": {"transition": np.eye(10)},  # clean data have no other
    "backward_correction": {"transition": np.eye(10)},
    "bi_tempered": {"t1": 0.8, "t2": 1.2},
}
"""What a loss without a default for it has to be told."""


@cache
def digits(seed):
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(y))
    return torch.from_numpy(x[order] / 16).float(), torch.from_numpy(y[order])


@cache
def accuracy(name, seed=0):
    (x, y), draws = digits(seed), torch.Generator().manual_seed(seed + 1)
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    optimizer = torch.optim.Adam(model.parameters(), 0.01, foreach=True)
    loss = LOSSES[name](**NEEDED.get(name, {}))
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


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(LOSSES) - {"cross_entropy"}))
def test_every_loss_learns_clean_digits_within_a_point_of_cross_entropy(name):
    lost = [accuracy("cross_entropy", seed) - accuracy(name, seed) for seed in SEEDS]
    assert np.mean(lost) <= 0.01
