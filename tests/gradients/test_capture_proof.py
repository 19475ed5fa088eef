"""Captured gradients prove themselves: whatever the net does, they are right or a word is said."""

import warnings

import pytest
import torch
import torch.nn.functional as F
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from random_nets import MIXING, ROUTED, SAFE, Closed, Net, draw_inputs, one_by_one
from torch import nn

from chaffinch.core.errors import InputError
from chaffinch.gradients import GradientFallbackWarning, alone, capture, squared_norms
from chaffinch.gradients.graph import trace

TOLERANCE = {torch.float64: 1e-6, torch.float32: 1e-3, torch.bfloat16: 0.15}
NO_SHRINKING = [Phase.explicit, Phase.reuse, Phase.generate]
blocks = st.lists(st.sampled_from(SAFE + ROUTED + MIXING), min_size=1, max_size=3)
drawn = given(
    blocks=blocks,
    kind=st.sampled_from(["floats", "tokens", "mapping", "tuple"]),
    dtype=st.sampled_from([torch.float64, torch.float64, torch.float32, torch.bfloat16]),
    sizes=st.tuples(st.integers(1, 9), st.integers(2, 6), st.sampled_from([1, 3, 4, 64])),
    tied=st.booleans(),
    seed=st.integers(0, 50),
)


class Pairs(torch.utils.data.Dataset):
    """Samples whose inputs are tuples."""

    def __init__(self, x, y):
        self.x, self.y = x, y

    def __len__(self):
        return len(self.y)

    def __getitem__(self, i):
        return tuple(part[i] for part in self.x), self.y[i]


def check(blocks, kind, dtype, sizes, tied, seed):
    if dtype != torch.float64:  # rounding may send a sample elsewhere
        blocks = [block for block in blocks if block in SAFE]
    torch.manual_seed(seed)
    count, positions, batch_size = sizes
    if set(blocks) & set(MIXING):  # so few that each of them is run alone
        count, batch_size = min(count, 8), 64
    model = Net(blocks, kind, tied).to(dtype)
    x = draw_inputs(kind, count, positions, seed)
    y = torch.randint(7, (count,))
    truth = one_by_one(model, x, y)
    data = Pairs(x, y) if kind == "tuple" else (x, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", GradientFallbackWarning)
        try:
            block = capture(model, data, batch_size=batch_size)
            norms = squared_norms(model, data, batch_size=batch_size)
        except InputError:
            assert set(blocks) & set(MIXING)
            return
    size = truth.norm(dim=1)
    bound = TOLERANCE[dtype] * (size + size.mean() + 1e-6)
    assert bool(((block.dense() - truth).norm(dim=1) <= bound).all())
    assert bool(((norms.sqrt() - size).abs() <= bound).all())
    gaps = (block.dot(block) - truth @ truth.T).abs()
    assert bool((gaps <= 2 * bound[:, None] * (size + bound) + 2 * bound * size[:, None]).all())


@settings(max_examples=40, deadline=None, phases=NO_SHRINKING)
@drawn
def test_random_nets_give_the_gradients_of_each_sample_alone(
    blocks, kind, dtype, sizes, tied, seed
):
    check(blocks, kind, dtype, sizes, tied, seed)


@pytest.mark.slow
@settings(max_examples=500, deadline=None, phases=NO_SHRINKING)
@drawn
def test_many_random_nets(blocks, kind, dtype, sizes, tied, seed):
    check(blocks, kind, dtype, sizes, tied, seed)


@pytest.mark.parametrize("block", SAFE + ROUTED + MIXING)
def test_each_block_in_several_batches(block):
    for kind, seed in (("floats", 1), ("tuple", 3)):
        check([block], kind, torch.float64, (8, 4, 4), False, seed)


class LateMixing(nn.Module):
    """Samples see one another in a batch with a large number only."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        return self.head(x - x.mean(0) if float(x.max()) > 50 else x)


def data_for(count=12):
    return draw_inputs("floats", count, 1, 1)[:, 0], torch.arange(count) % 3


def test_a_batch_that_samples_depend_on_later_is_an_error(monkeypatch):
    monkeypatch.setattr("chaffinch.gradients.alone.first_positions", lambda *_: [[0, 1]])
    model, (x, y) = LateMixing().double(), data_for()
    x[6] = 60
    with pytest.raises(InputError, match=r"alone and .* in its batch \(at position [4-7]\)"):
        squared_norms(model, (x, y), batch_size=4)
    squared_norms(model, (x.clamp(max=9), y), batch_size=4)


def test_a_batch_dependent_loss_is_told_or_refused():
    x, y = data_for()
    x, net = x[:, None], Net([MIXING[0]], "floats").double()
    with pytest.warns(GradientFallbackWarning, match="depends on the rest of its batch"):
        capture(net, (x, y))

    def contrast(outputs, targets):  # nothing to tell apart in a batch of one
        return torch.log_softmax(outputs @ outputs.T, 0).diagonal().neg() + 0 * targets

    with pytest.raises(InputError, match="batch_size=1"):
        capture(nn.Linear(4, 3).double(), (x[:, 0], y), loss=contrast)


class StubbornNorm(nn.BatchNorm1d):
    """Batch statistics in eval mode, too."""

    def train(self, mode=True):
        return super().train(True)


def test_batch_statistics_are_refused_before_they_change():
    net = nn.Sequential(nn.Linear(4, 3), StubbornNorm(3)).double()
    before = net[1].running_mean.clone()
    with pytest.raises(InputError, match="'1' in training mode"):
        capture(net, data_for())
    assert torch.equal(net[1].running_mean, before)
    unkept = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3, track_running_stats=False)).double()
    with pytest.raises(InputError, match="runs on one sample"):
        capture(unkept, data_for())


def test_one_warning_names_what_is_slow_once():
    net, (x, y) = Net([ROUTED[0]], "floats").double(), data_for()
    with pytest.warns(GradientFallbackWarning) as caught:
        capture(net, (x[:, None].repeat(1, 3, 1), y), batch_size=3)
    said = [str(one.message) for one in caught]
    assert len(said) == 1
    assert "blocks.0.a.weight" in said[0]
    assert "head" not in said[0]


def orderly(act, count=6):
    layer = nn.Linear(4, 4)
    hidden = layer(torch.randn(count, 4))
    losses = act(hidden).reshape(count, -1).sum(1)
    return trace(losses, {hidden.grad_fn}, count).orderly


@pytest.mark.parametrize(
    "act",
    [
        lambda h: h.relu() * 2 + h.softmax(-1),
        lambda h: F.layer_norm(h, (4,)).view(-1, 2, 2).mT.flatten(1),
        lambda h: torch.cat([h[:, :1], h.amax(1, keepdim=True)], 1),
        lambda h: (h[:, None] @ h[:, :, None]).squeeze(-1),
        lambda h: F.batch_norm(h, torch.zeros(4), torch.ones(4)),
        lambda h: F.linear(h, torch.ones(2, 4, requires_grad=True)),
    ],
)
def test_graphs_that_keep_the_samples_in_order(act):
    assert orderly(act)


@pytest.mark.parametrize(
    "act",
    [
        lambda h: h[torch.arange(5, -1, -1)],
        lambda h: h.flip(0),
        lambda h: h.roll(1, 0),
        lambda h: h.softmax(0),
        lambda h: h - h.mean(0),
        lambda h: h[:, :1] + h[:, 0],
        lambda h: (h + h[:, None]).sum(1),
        lambda h: torch.eye(6) @ h,
        lambda h: torch.stack(h.unbind(0)),
        lambda h: torch.cat([h[3:], h[:3]]),
        lambda h: F.batch_norm(h, None, None, training=True),
        lambda h: F.layer_norm(h, (6, 4)),
        lambda h: (h.t() @ h).repeat(6, 1).view(6, -1),
        lambda h: torch.cat([h, h[:, :2]], 1).t().reshape(6, 6),
    ],
)
def test_graphs_that_may_not(act):
    assert not orderly(act)


@pytest.mark.parametrize("block", ROUTED + SAFE)
def test_each_batch_is_proved_without_samples_run_alone(monkeypatch, block):
    silent = alone.Verdict(frozenset())
    monkeypatch.setattr(alone, "compare", lambda *_, **__: silent)
    check([block], "floats", torch.float64, (8, 4, 4), False, 1)


def test_a_weight_that_is_read_by_another_reference_under_vmap():
    net, (x, y) = Net([Closed], "floats").double(), data_for(6)
    x = x[:, None]
    with pytest.warns(GradientFallbackWarning, match=r"blocks\.0\.a\.weight"):
        found = capture(net, (x, y), loss=nn.CrossEntropyLoss(reduction="none")).dense()
    assert torch.allclose(found, one_by_one(net, x, y))


class Crowded(nn.Module):
    """Experts that take so many samples of a batch, and leave out those that come later."""

    def __init__(self, capacity):
        super().__init__()
        self.capacity, self.gate = capacity, nn.Linear(6, 3)
        self.experts = nn.ModuleList(nn.Linear(6, 3) for _ in range(3))

    def forward(self, x):
        share, chosen = self.gate(x).softmax(-1).max(-1)
        out = x.new_zeros(len(x), 3)
        for k, expert in enumerate(self.experts):
            rows = (chosen == k).nonzero()[:, 0][: self.capacity]
            out = out.index_add(0, rows, expert(x[rows]) * share[rows, None])
        return out


def check_crowded(model, data, layers, batch_size):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = capture(model, data, layers, batch_size=batch_size).dense()
    truth = one_by_one(model, *data)[:, : found.shape[1]]
    assert torch.allclose(found, truth, rtol=1e-4, atol=1e-5)
    assert any("depends on the rest of its batch" in str(one.message) for one in caught)


@pytest.mark.parametrize(
    ("layers", "capacity", "batch_size"),
    [("all", 2, 8), ("all", 5, 16), ("gate", 2, 8), ("gate", 5, 16)],
)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_experts_that_are_full(layers, capacity, batch_size, dtype):
    for seed in range(3):
        torch.manual_seed(seed)
        model = Crowded(capacity).to(dtype)
        data = torch.randn(40, 6, dtype=dtype), torch.arange(40) % 3
        check_crowded(model, data, layers, batch_size)


def test_experts_that_are_full_late_in_the_data():
    torch.manual_seed(0)
    model, y = Crowded(6).double(), torch.arange(48) % 3
    pool = torch.randn(400, 6, dtype=torch.float64)
    chosen = model.gate(pool).argmax(1)
    even = torch.stack([pool[chosen == k][:4] for k in range(3)], 1).reshape(12, 6)
    x = torch.cat([even, even, even, pool[chosen == 1][:12]])  # the last batch is for one expert
    check_crowded(model, (x, y), "all", 12)


class Noisy(nn.Module):
    """Dropout that nobody switches off."""

    def __init__(self, share):
        super().__init__()
        self.share, self.body, self.head = share, nn.Linear(4, 8), nn.Linear(8, 3)

    def forward(self, x):
        return self.head(F.dropout(self.body(x), self.share))


@pytest.mark.parametrize("share", [0.05, 0.5])
@pytest.mark.parametrize("batch_size", [1, 4, 64])
def test_a_model_that_is_random_in_eval_mode(share, batch_size):
    torch.manual_seed(0)
    with pytest.raises(InputError, match=r"random in eval mode.*same sample"):
        capture(Noisy(share).double(), data_for(), batch_size=batch_size)
