"""A small situation: digits with flipped labels and noise images, and a net trained on them."""

import copy

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from torch import nn

from benchmarks.situation import Situation
from chaffinch.core.evidence import Evidence
from chaffinch.core.labels import Labels
from chaffinch.corruptions import mixture
from chaffinch.models.inputs import DenseInputs

NUM_TRAIN, NUM_VALIDATION, EPOCHS, RATE = 400, 60, 4, 0.01


def make_net():
    return nn.Sequential(nn.Linear(64, 24), nn.ReLU(), nn.Linear(24, 10))


def look(net, x):
    """Logits, and inputs of the last layer."""
    with torch.no_grad():
        features = net[1](net[0](x))
        return net[2](features).numpy(), features.numpy()


def train(x, y):
    """The net after the last epoch; logits and weights of every epoch."""
    torch.manual_seed(0)
    net = make_net()
    solver = torch.optim.Adam(net.parameters(), RATE)
    logits, weights = [], []
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(x)).split(32):
            solver.zero_grad()
            nn.functional.cross_entropy(net(x[rows]), y[rows]).backward()
            solver.step()
        logits.append(look(net, x)[0])
        weights.append(copy.deepcopy(net.state_dict()))
    return net.eval(), np.stack(logits), tuple(weights)


def held_out(x, codes):
    """(1, N, C) log-probabilities of models that never saw the sample."""
    out = np.zeros((1, len(x), 10))
    for fold in (0, 1):
        mine = np.arange(len(x)) % 2 == fold
        model = LogisticRegression(C=0.05).fit(x[~mine], codes[~mine])
        out[0, mine] = model.predict_log_proba(x[mine])
    return out


def build_situation():
    images, truth = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(images))
    x, truth = (images[order] / 16).astype(np.float32), truth[order].astype(np.int64)
    noise = np.random.default_rng(1).choice([0.0, 2.0], (NUM_TRAIN, 64)).astype(np.float32)
    found = mixture(
        x[:NUM_TRAIN],
        truth[:NUM_TRAIN],
        {"uniform_flips": 0.1, "far_cluster": 0.05},
        0,
        options={"far_cluster": {"foreign": noise}},
    )
    held, codes = x[NUM_TRAIN:], truth[NUM_TRAIN:]
    inputs, given = torch.from_numpy(found.samples), torch.from_numpy(found.labels)
    net, logits, weights = train(inputs, given)
    validation = torch.from_numpy(held[:NUM_VALIDATION])
    validation_logits, validation_features = look(net, validation)
    evidence = Evidence(
        ids=np.array([f"s{row}" for row in range(NUM_TRAIN)]),
        labels=Labels(found.labels, np.arange(10)),
        logits=logits,
        held_out_logits=held_out(found.samples, found.labels),
        features=look(net, inputs)[1],
        learning_rates=np.full(EPOCHS, RATE),
        validation_logits=validation_logits,
        validation_features=validation_features,
        validation_codes=codes[:NUM_VALIDATION],
    )
    return Situation(
        evidence,
        found.kinds,
        found.truth_codes(range(10)),
        DenseInputs(inputs),
        (DenseInputs(validation), codes[:NUM_VALIDATION]),
        (DenseInputs(torch.from_numpy(held[NUM_VALIDATION:])), codes[NUM_VALIDATION:]),
        make_net,
        net,
        weights,
    )


@pytest.fixture(scope="session")
def situation():
    return build_situation()
