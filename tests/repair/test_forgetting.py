import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F
from torch.utils.data import TensorDataset

import chaffinch as cf
from chaffinch.core.errors import InputError
from chaffinch.repair.forgetting import dampen, importance


def make_model(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))


def make_data(count=30):
    random = np.random.default_rng(0)
    return random.normal(size=(count, 4)).astype(np.float32), np.arange(count) % 3


def slow_importance(model, x, y):
    """Sample by sample, in float64."""
    total = [torch.zeros_like(p) for p in model.parameters()]
    for row in range(len(x)):
        loss = F.cross_entropy(model(x[row : row + 1]), y[row : row + 1])
        for place, gradient in zip(
            total, torch.autograd.grad(loss, list(model.parameters())), strict=True
        ):
            place += gradient**2 / len(x)
    return total


def test_importance_is_the_mean_squared_gradient():
    model, (x, y) = make_model().double().eval(), make_data()
    chosen = np.arange(30) < 7
    x, y = torch.from_numpy(x).double(), torch.from_numpy(y)
    whole, part = importance(model, (x, y), chosen)
    slow = slow_importance(model, x, y), slow_importance(model, x[:7], y[:7])
    for found, expected in zip((whole, part), slow, strict=True):
        for one, other in zip(found.values(), expected, strict=True):
            torch.testing.assert_close(one, other)


def test_only_the_most_specific_weights_are_dampened_by_their_ratio():
    model = nn.Linear(100, 1, bias=False)
    with torch.no_grad():
        model.weight.fill_(1.0)
    whole = {"weight": torch.ones(1, 100)}
    part = {"weight": torch.arange(1.0, 101.0)[None]}
    share = 0.09  # percentile 100 - log(1 + 9) = 97.7
    assert dampen(model, whole, part, share) == pytest.approx(0.03)
    expected = torch.ones(1, 100)
    expected[0, 97:] = 1 / torch.arange(98.0, 101.0)
    torch.testing.assert_close(model.weight.detach(), expected)


def slow_dampening(model, x, y, forgotten):
    """The formula weight by weight, in float64 and without the code under test."""
    importance = {True: {}, False: {}}
    for only in (True, False):
        rows = [row for row in range(len(x)) if forgotten[row] or not only]
        for name, parameter in model.named_parameters():
            total = np.zeros(parameter.numel())
            for row in rows:
                loss = F.cross_entropy(model(x[row : row + 1]), y[row : row + 1])
                total += torch.autograd.grad(loss, parameter)[0].numpy().ravel() ** 2
            importance[only][name] = total / len(rows)
    ratios = []
    for name in importance[False]:
        for part, whole in zip(importance[True][name], importance[False][name], strict=True):
            if whole > 0:
                ratios.append(part / whole)
    ratios.sort()
    place = (len(ratios) - 1) * (1 - np.log(1 + 100 * forgotten.mean()) / 100)
    below = int(place)
    above = min(below + 1, len(ratios) - 1)
    alpha = ratios[below] + (place - below) * (ratios[above] - ratios[below])
    made = {}
    for name, parameter in model.named_parameters():
        values = parameter.detach().numpy().ravel().copy()
        for i, part in enumerate(importance[True][name]):
            whole = importance[False][name][i]
            if part > alpha * whole:
                values[i] *= min(whole / part, 1.0)
        made[name] = values.reshape(parameter.shape)
    return made


@given(st.integers(0, 100), st.integers(1, 8), st.integers(3, 5))
@settings(max_examples=8, deadline=None)
def test_dampening_is_that_of_the_paper(seed, count, classes):
    # With two classes, both rows of the last layer have the same ratios, and rounding decides.
    random = np.random.default_rng(seed)
    x = torch.from_numpy(random.normal(size=(12, 3)))
    y = torch.from_numpy(random.integers(0, classes, 12))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = nn.Sequential(nn.Linear(3, 6), nn.ReLU(), nn.Linear(6, classes)).double()
    forgotten = np.arange(12) < count
    expected = slow_dampening(model, x, y, forgotten)
    found = dict(cf.forget(model, (x, y), forgotten).named_parameters())
    for name, values in expected.items():
        np.testing.assert_allclose(found[name].detach().numpy(), values, rtol=1e-9)


def test_weights_are_never_enlarged():
    model = nn.Linear(10, 1, bias=False)
    before = model.weight.detach().clone()
    whole, part = {"weight": torch.ones(1, 10)}, {"weight": torch.linspace(0.1, 0.9, 10)[None]}
    dampen(model, whole, part, 0.5)
    torch.testing.assert_close(model.weight.detach(), before)


def test_forgetting_raises_the_loss_of_what_is_forgotten_most():
    torch.manual_seed(0)
    random = np.random.default_rng(1)
    y = np.arange(200) % 2
    x = (random.normal(size=(200, 6)) + 2 * y[:, None]).astype(np.float32)
    given = y.copy()
    given[:8] = 1 - y[:8]
    model = nn.Sequential(nn.Linear(6, 64), nn.ReLU(), nn.Linear(64, 2))
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    inputs, codes = torch.from_numpy(x), torch.from_numpy(given)
    for _ in range(300):
        optimizer.zero_grad()
        F.cross_entropy(model(inputs), codes).backward()
        optimizer.step()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    forgot = cf.forget(model, (inputs, codes), np.arange(200) < 8)
    for name, value in model.state_dict().items():
        assert torch.equal(value, state[name])
    with torch.no_grad():
        before = F.cross_entropy(model(inputs), codes, reduction="none")
        after = F.cross_entropy(forgot(inputs), codes, reduction="none")
    gained = (after - before).numpy()
    assert gained[:8].mean() > 0.1
    assert gained[:8].mean() > 3 * abs(gained[8:].mean())


def test_samples_are_named_by_mask_position_or_id():
    model, (x, y) = make_model(), make_data()
    data = TensorDataset(torch.from_numpy(x), torch.from_numpy(y))
    ids = cf.open_data(data).ids
    made = [
        cf.forget(model, data, which)
        for which in (np.arange(30) < 3, np.arange(3), [0, 1, 2], ids[:3], ids[:3].tolist())
    ]
    for other in made[1:]:
        for one, two in zip(made[0].parameters(), other.parameters(), strict=True):
            assert torch.equal(one, two)
    assert any(
        not torch.equal(one, two)
        for one, two in zip(made[0].parameters(), model.parameters(), strict=True)
    )


@pytest.mark.parametrize(
    ("which", "words"),
    [
        ([], "at least one"),
        (range(30), "fewer than all 30"),
        ([31], "positions in"),
        (["x"], "ids of samples"),
    ],
)
def test_impossible_choices_are_refused(which, words):
    with pytest.raises(InputError, match=words):
        cf.forget(make_model(), make_data(), which)
