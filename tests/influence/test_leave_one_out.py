"""Signs and ranks against what really happens without a sample."""

import numpy as np
import pytest
import torch
from influence_truth import make_case
from scipy.stats import spearmanr
from torch import nn

import chaffinch.influence as ci

PENALTY = 0.02


def fit(x, y, weights, classes):
    """The minimum of weighted cross-entropy plus an L2 penalty, by Newton's method."""
    h = torch.cat([x, torch.ones(len(x), 1).double()], 1)
    size = classes * h.shape[1]
    theta, hot = torch.zeros(size).double(), nn.functional.one_hot(y, classes).double()
    for _step in range(30):
        p = torch.softmax(h @ theta.view(classes, -1).T, 1)
        slope = ((p - hot) * weights[:, None]).T @ h
        slope = slope.flatten() + PENALTY * theta
        bend = torch.diag_embed(p) - p[:, :, None] * p[:, None, :]
        curve = torch.einsum("n,ncd,ni,nj->cidj", weights, bend, h, h).reshape(size, size)
        theta = theta - torch.linalg.solve(curve + PENALTY * torch.eye(size).double(), slope)
        if float(slope.norm()) < 1e-12:
            break
    return theta.view(classes, -1)


@pytest.fixture(scope="module")
def retrained():
    case = make_case(samples=120, targets=15, inputs=3, classes=3, seed=4)
    (x, y), (v, u) = case.data, case.targets
    rule = torch.randn(3, 3).double()
    y, u = (x @ rule).argmax(1), (v @ rule).argmax(1)
    y[:12] = (y[:12] + 1) % 3
    whole = torch.full((len(x),), 1 / len(x)).double()
    full = fit(x, y, whole, 3)

    def losses(theta):
        logits = torch.cat([v, torch.ones(len(v), 1).double()], 1) @ theta.T
        return nn.functional.cross_entropy(logits, u, reduction="none")

    effects = []
    for i in range(len(x)):
        without = whole.clone()
        without[i] = 0
        effects.append(losses(fit(x, y, without, 3)) - losses(full))
    layer = nn.Linear(3, 3).double()
    with torch.no_grad():
        layer.weight.copy_(full[:, :3])
        layer.bias.copy_(full[:, 3])
    return layer, (x, y), (v, u), torch.stack(effects)


def rank_agreement(found, truth):
    return spearmanr(found.flatten().numpy(), truth.flatten().numpy()).statistic


@pytest.mark.parametrize("name", ["exact", "ggn", "cg", "lissa", "arnoldi"])
def test_signs_and_ranks_follow_leave_one_out_retraining(retrained, name):
    model, data, targets, effects = retrained
    options = {"lissa": {"depth": 3000}, "arnoldi": {"iterations": 99}}.get(name, {})
    found = ci.attribute(model, data, targets, name, damping=PENALTY, **options)
    assert rank_agreement(found, effects) >= 0.99
    clear = effects.abs() > 0.1 * effects.abs().max()
    assert (found.sign() == effects.sign())[clear].all()


def test_exact_values_over_n_are_the_leave_one_out_changes(retrained):
    model, data, targets, effects = retrained
    found = ci.attribute(model, data, targets, "exact", damping=PENALTY) / len(data[1])
    slope = float((found * effects).sum() / (found * found).sum())
    assert 0.9 < slope < 1.2


@pytest.mark.parametrize(
    ("name", "least"),
    [("grad_dot", 0.6), ("fisher", 0.5), ("ekfac", 0.85), ("datainf", 0.6), ("trak", 0.5)],
)
def test_approximations_have_the_right_sign(retrained, name, least):
    model, data, targets, effects = retrained
    assert rank_agreement(ci.attribute(model, data, targets, name), effects) > least


def test_representers_and_ensembles_have_the_right_sign(retrained):
    model, data, targets, effects = retrained
    gex = ci.attribute(model, data, targets, "gex", sampler="laplace", members=400, damping=PENALTY)
    assert rank_agreement(gex, effects) > 0.9
    shares = ci.attribute(model, data, targets, "representer", damping=PENALTY)
    same = data[1][:, None] == targets[1]
    assert shares[same].mean() > 0 > shares[~same].mean()


@pytest.mark.parametrize(
    "name", ["grad_dot", "exact", "fisher", "ekfac", "datainf", "trak", "gex", "representer"]
)
def test_flipped_labels_have_high_self_influence(retrained, name):
    model, data, _targets, _effects = retrained
    options = {"members": 32} if name == "gex" else {}
    values = ci.self_influence(model, data, name, "last", **options)
    bad = np.zeros(len(values), dtype=bool)
    bad[:12] = True
    ranks = values.argsort().argsort().numpy()
    area = (ranks[bad].sum() - 12 * 11 / 2) / (12 * (len(bad) - 12))
    assert area > (0.8 if name == "gex" else 0.9)


def test_train_to_train_influence_at_a_minimum_warns(retrained):
    model, data, targets, _effects = retrained
    with pytest.warns(ci.InfluenceWarning, match="signs of train-to-train influence mean nothing"):
        ci.attribute(model, data, data, "exact", damping=PENALTY)
    found = ci.estimate(ci.CheckpointedTasks(model, data), ci.Targets(targets), "grad_dot")
    theta = torch.cat([model.weight.detach().flatten(), model.bias.detach()])
    # The training gradients add up to minus the gradient of the penalty.
    expected = len(data[1]) * PENALTY * float(theta.norm())
    assert found.diagnostics.gradient_sum == pytest.approx(expected, rel=1e-6)
