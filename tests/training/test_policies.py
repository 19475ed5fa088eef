"""Policies: their weights equal obvious ones, and reach the gradient."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F
from watch_twin import make_data, make_net

import chaffinch as cf
from chaffinch.core.errors import InputError
from chaffinch.training.policies import (
    POLICIES,
    Bootstrap,
    Clip,
    InfluenceWeights,
    Policy,
    Posterior,
    Quarantine,
    Rebalance,
    Revise,
    Sift,
    SmallLoss,
)
from chaffinch.training.policies.influence import influence_weights
from chaffinch.training.policies.policy import PolicyBatch, Setting
from chaffinch.training.policies.rebalance import class_weights
from chaffinch.training.policies.resistance import Resistance
from chaffinch.training.policies.small_loss import small_loss_weights
from chaffinch.training.watching.observer import FIELDS, EpochRecord

CPU = torch.device("cpu")


def gradient(model):
    return torch.cat([parameter.grad.flatten() for parameter in model.parameters()])


def by_hand(model, x, y, weights, loss=F.cross_entropy):
    """The gradient of sum_i w_i loss_i / B, one sample at a time."""
    total = None
    for row, weight in enumerate(weights):
        model.zero_grad()
        loss(model(x[row : row + 1]), y[row : row + 1]).backward()
        own = gradient(model) * float(weight) / len(y)
        total = own if total is None else total + own
    model.zero_grad()
    return total


def record(epoch=0, labels=None, **values):
    count = len(next(iter(values.values())))
    filled = {name: np.full(count, np.nan, np.float32) for name in FIELDS}
    filled |= {name: np.asarray(rows, np.float32) for name, rows in values.items()}
    seen = np.isfinite(next(iter(values.values())))
    codes = np.zeros(count, np.int64) if labels is None else np.asarray(labels)
    return EpochRecord(epoch, codes, seen, filled, num_classes=3)


def heaps(count=200, share=0.2, seed=0):
    """Margins of two heaps; the first samples resist."""
    random = np.random.default_rng(seed)
    bad = np.arange(count) < share * count
    return np.where(bad, random.normal(-6, 1, count), random.normal(3, 1, count)), bad


class Fixed(Policy):
    def __init__(self, weights):
        self.weights = weights

    def weigh(self, batch):
        return self.weights[batch.ids]


@pytest.mark.parametrize("loss", [None, "generalized_cross_entropy"])
def test_weights_and_quarantine_reach_the_gradient(loss):
    (x, y), model = make_data(8), make_net()
    weights = torch.tensor([0, 0.5, 1, 2, 0, 1, 1, 0.1], dtype=torch.float64)
    alone = cf.losses.GeneralizedCrossEntropy() if loss else F.cross_entropy
    expected = by_hand(model, x, y, weights, alone)
    order = torch.tensor([3, 1, 4, 0, 5, 2, 6, 7])
    with cf.watch(model, 8, policy=Fixed(weights), loss=loss) as watch:
        watch.loss(model(x[order]), y[order], order).backward()
    torch.testing.assert_close(gradient(model), expected)
    np.testing.assert_allclose(watch.history("weight")[0], weights, rtol=1e-6)


def test_several_policies_multiply_and_pins_overrule():
    (x, y), model = make_data(4), make_net()
    one, two = torch.tensor([1.0, 2, 0, 4]), torch.tensor([3.0, 1, 5, 0.5])
    expected = by_hand(model, x, y, [3, 2, 0.25, 2])
    with cf.watch(model, 4, policy=[Fixed(one), Fixed(two), "observe"]) as watch:
        watch.pin([2], 0.25)
        watch.loss(model(x), y, torch.arange(4)).backward()
    torch.testing.assert_close(gradient(model), expected)


def test_class_weights_and_reduction_are_those_of_the_loss():
    (x, y), model = make_data(8), make_net()
    for options in ({"weight": torch.tensor([1.0, 2, 3]).double()}, {"reduction": "sum"}):
        for made in (torch.nn.CrossEntropyLoss(**options), cf.losses.CrossEntropy(**options)):
            expected = made(model(x), y)
            with cf.watch(model, 8, loss=made) as watch:
                got = watch.loss(model(x), y, torch.arange(8))
            torch.testing.assert_close(got, expected)
            assert made.reduction == options.get("reduction", "mean")


def test_a_sieve_divides_by_what_it_keeps():
    (x, y), model = make_data(30), make_net()
    made = cf.losses.CORES2(warm_up=0, ramp=0, sieve=0)
    made.epoch(0)
    expected = made(model(x), y)
    with cf.watch(model, 30, loss=made) as watch:
        torch.testing.assert_close(watch.loss(model(x), y, torch.arange(30)), expected)


def test_the_loss_is_told_the_epoch_and_the_ids():
    (x, y), model = make_data(8), make_net()
    memory = cf.losses.EarlyLearningRegularization(8, 3, warm_up=1)
    with cf.watch(model, 8, loss=memory) as watch:
        plain = watch.loss(model(x), y, torch.arange(8))
        later = watch.loss(model(x), y, torch.arange(8))
        with torch.no_grad():
            remembered = memory.remembered.clone()
            watch.loss(model(x), y, torch.arange(8))
        assert torch.equal(memory.remembered, remembered)
    torch.testing.assert_close(plain, F.cross_entropy(model(x), y))
    assert float(later.detach()) < float(plain.detach())
    assert float(memory.remembered.min()) > 0


@given(st.lists(st.integers(0, 40), min_size=2, max_size=6), st.floats(0, 1))
def test_class_weights_equal_the_twin(counts, beta):
    if not any(counts):
        counts[0] = 1
    found = class_weights(np.asarray(counts), beta)
    raw = []
    for count in counts:
        effective = sum(beta**k for k in range(count))  # 1 + beta + ... + beta^(n - 1)
        raw.append(1 / effective if count else 0.0)
    mean = sum(r * n for r, n in zip(raw, counts, strict=True)) / sum(counts)
    twin = [r / mean if n else 1.0 for r, n in zip(raw, counts, strict=True)]
    np.testing.assert_allclose(found, twin, rtol=1e-6)


def test_rebalance_learns_the_classes_and_says_so():
    (x, _), model = make_data(8), make_net()
    y = torch.tensor([0, 0, 0, 0, 0, 0, 1, 2])
    expected = by_hand(model, x, y, [4 / 9] * 6 + [8 / 3] * 2)
    with cf.watch(model, 8, policy="rebalance", boundary=1) as watch:
        watch.loss(model(x), y, torch.arange(8)).backward()
        model.zero_grad()
        watch.loss(model(x), y, torch.arange(8)).backward()
    torch.testing.assert_close(gradient(model), expected, rtol=1e-6, atol=1e-8)
    line = watch.decisions()[0]
    assert (line["action"], line["source"], line["count"]) == ("rebalanced", "rebalance", 8)
    assert line["reason"] == "classes of 1 to 6 samples weigh 2.67 to 0.444"


@given(st.integers(1, 30), st.floats(0, 0.95), st.integers(0, 99))
def test_small_loss_weights_equal_the_twin(count, dropped, seed):
    losses = np.random.default_rng(seed).permutation(count).astype(float)
    found = small_loss_weights(torch.from_numpy(losses), dropped).numpy()
    keep = count - int(dropped * count)
    twin = [count / keep if loss < sorted(losses)[keep - 1] + 0.5 else 0 for loss in losses]
    np.testing.assert_allclose(found, twin)
    assert found.mean() == pytest.approx(1)


def test_small_loss_leaves_out_more_and_more():
    policy = SmallLoss(rate=0.4, warm_up=1, ramp=2)
    policy.begin(Setting(4, 3, CPU))
    shares = [policy.dropped]
    for epoch in range(3):
        decisions = policy.end_epoch(record(epoch, margin=np.ones(4), weight=[1, 1, 0, 1]))
        shares.append(policy.dropped)
    assert shares == [0.0, 0.2, 0.4, 0.4]
    assert decisions[0].ids.tolist() == [2]
    assert decisions[0].reason == "among the 40.0% greatest losses of their batches"
    estimated = SmallLoss(warm_up=1, ramp=1)
    estimated.begin(Setting(200, 3, CPU))
    estimated.end_epoch(record(margin=heaps()[0], weight=np.ones(200)))
    assert estimated.dropped == pytest.approx(0.2, abs=0.01)
    estimated.begin(Setting(200, 3, CPU))
    clean = np.random.default_rng(0).normal(3, 2, 200)
    estimated.end_epoch(record(margin=clean, weight=np.ones(200)))
    assert estimated.dropped == 0


@pytest.mark.parametrize("loss", ["cross_entropy", "generalized_cross_entropy"])
def test_no_gradient_of_the_last_layer_is_longer_than_the_limit(loss):
    (x, y), model = make_data(12), make_net()
    alone = cf.losses.LOSSES[loss]()
    layer = model[2]
    norms = []
    for row in range(12):
        own = torch.autograd.grad(
            alone(model(x[row : row + 1]), y[row : row + 1]), [layer.weight, layer.bias]
        )
        norms.append(float(torch.cat([part.flatten() for part in own]).norm()))
    limit = float(np.median(norms))
    expected = by_hand(model, x, y, [min(1, limit / norm) for norm in norms], alone)
    with cf.watch(model, 12, policy=Clip(limit), loss=loss) as watch:
        watch.loss(model(x), y, torch.arange(12)).backward()
    torch.testing.assert_close(gradient(model), expected)
    assert watch.decisions()[0]["count"] == 6


def test_the_limit_is_a_quantile_of_the_epoch_before():
    policy = Clip(quantile=0.5)
    policy.begin(Setting(3, 3, CPU))
    batch = PolicyBatch(0, torch.arange(3), torch.zeros(3, 3), torch.zeros(3).long())
    assert policy.weigh(replace(batch, gradient_norms=torch.tensor([1.0, 2, 9]))) is None
    assert not policy.end_epoch(record(gradient_norm=[1, 2, 4], weight=[1, 1, 1]))
    weights = policy.weigh(replace(batch, gradient_norms=torch.tensor([0.0, 2, 4])))
    assert weights.tolist() == [1, 1, 0.5]


@pytest.mark.parametrize("kind", ["soft", "hard"])
def test_bootstrapped_labels_reach_the_gradient(kind):
    (x, y), model = make_data(8), make_net()
    logits = model(x)
    log_p = F.log_softmax(logits, 1)
    p = log_p.exp() if kind == "soft" else F.one_hot(logits.argmax(1), 3).double()
    target = 0.7 * F.one_hot(y, 3) + 0.3 * p
    (-(target * log_p).sum(1).mean()).backward()
    expected = gradient(model)
    model.zero_grad()
    with cf.watch(model, 8, policy=Bootstrap(kind, 0.7, warm_up=0)) as watch:
        watch.loss(model(x), y, torch.arange(8)).backward()
    torch.testing.assert_close(gradient(model), expected)
    plain = F.cross_entropy(model(x), y, reduction="none").detach()
    np.testing.assert_allclose(watch.history("loss")[0], plain, rtol=1e-6)


def test_bootstrapping_waits_for_its_warm_up():
    (x, y), model = make_data(8), make_net()
    with cf.watch(model, 8, policy=Bootstrap(warm_up=1)) as watch:
        first = watch.loss(model(x), y, torch.arange(8))
        second = watch.loss(model(x), y, torch.arange(8))
    torch.testing.assert_close(first, F.cross_entropy(model(x), y))
    assert float(first.detach()) != float(second.detach())


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=9), st.floats(0, 4))
def test_influence_weights_equal_the_twin(influence, strength):
    found = influence_weights(np.asarray([*influence, np.nan]), strength)
    scale = float(np.median([abs(one) for one in influence]))
    twin = [
        np.exp(strength * one / scale) if one < 0 and scale else 1.0 for one in (*influence, 0.0)
    ]
    np.testing.assert_allclose(found, twin, rtol=1e-9)


def test_influence_weights_come_back():
    policy = InfluenceWeights(memory=0.5)
    policy.begin(Setting(3, 3, CPU))
    down = policy.end_epoch(record(0, influence=[1, -1, 1]))
    assert [(d.action, d.ids.tolist()) for d in down] == [("down-weighted", [1])]
    assert policy.weights.tolist() == pytest.approx([1, np.exp(-1), 1])
    back = policy.end_epoch(record(1, influence=[np.nan, 2, 1]))
    assert [(d.action, d.ids.tolist()) for d in back] == [("restored", [1])]
    assert policy.mean.tolist() == [1, 0.5, 1]


def test_resistance_is_the_negative_mean_margin():
    found = Resistance(3)
    found.update(record(margin=[1, 2, np.nan]))
    found.update(record(margin=[3, np.nan, np.nan]))
    np.testing.assert_array_equal(found.scores(), [-2, -2, np.nan])
    assert found.posterior().tolist() == [0, 0, 0]


def test_posterior_weights_two_heaps_and_leaves_one_alone():
    margins, bad = heaps()
    policy = Posterior(warm_up=2)
    policy.begin(Setting(200, 3, CPU))
    assert not policy.end_epoch(record(0, margin=margins))
    batch = PolicyBatch(0, torch.arange(200), torch.zeros(200, 3), torch.zeros(200).long())
    assert policy.weigh(batch) is None
    decisions = policy.end_epoch(record(1, margin=margins))
    assert [d.action for d in decisions] == ["down-weighted"]
    assert decisions[0].ids.tolist() == np.flatnonzero(bad).tolist()
    assert "as about 20.0% of all do" in decisions[0].reason
    weights = policy.weigh(batch)
    assert float(weights[torch.from_numpy(bad)].max()) < 0.01
    assert float(weights[torch.from_numpy(~bad)].min()) > 0.99
    policy.begin(Setting(200, 3, CPU))
    for epoch in range(2):
        clean = np.random.default_rng(epoch).normal(3, 2, 200)
        assert not policy.end_epoch(record(epoch, margin=clean))
    assert policy.weigh(batch) is None


def test_quarantine_is_temporary():
    margins, bad = heaps()
    policy = Quarantine(warm_up=1, term=2)
    policy.begin(Setting(200, 3, CPU))
    first = policy.end_epoch(record(0, margin=margins))
    assert first[0].ids.tolist() == np.flatnonzero(bad).tolist()
    assert policy.weights.numpy().tolist() == np.where(bad, 0, 1).tolist()
    better = np.where(np.arange(200) == 5, 9.0, margins)
    assert not policy.end_epoch(record(1, margin=better))  # its term is not over
    back = policy.end_epoch(record(2, margin=better))
    assert [(d.action, d.ids.tolist()) for d in back] == [("re-admitted", [5])]
    assert not policy.end_epoch(record(3, margin=margins))  # and it has time to prove itself
    again = policy.end_epoch(record(4, margin=margins - 20 * (np.arange(200) == 5)))
    assert [(d.action, d.ids.tolist()) for d in again] == [("quarantined", [5])]


@pytest.mark.parametrize("name", list(POLICIES))
def test_every_policy_is_documented_and_takes_its_state(name):
    policy = POLICIES[name]()
    setting = Setting(6, 3, CPU)
    policy.begin(setting)
    policy.end_epoch(record(0, margin=np.arange(6), probability=np.ones(6), weight=np.ones(6)))
    other = POLICIES[name]()
    other.begin(setting)
    other.load_state_dict(policy.state_dict())
    assert repr(other.state_dict()) == repr(policy.state_dict())
    page = Path(__file__).parents[2] / "docs/watch.md"
    assert f"| `{name}` |" in page.read_text("utf-8")


def test_revised_labels_equal_the_twin_and_reach_the_gradient():
    (x, y), model = make_data(6), make_net()
    labels = torch.nn.functional.one_hot(y, 3).double()
    p = torch.softmax(model(x), 1).detach()
    with cf.watch(model, 6, policy=Revise(0.6, warm_up=1), boundary=1) as watch:
        plain = watch.loss(model(x), y, torch.arange(6))
        torch.testing.assert_close(plain, F.cross_entropy(model(x), y))
        for _ in range(2):
            labels = 0.6 * labels + 0.4 * p
            model.zero_grad()
            watch.loss(model(x), y, torch.arange(6)).backward()
    total = 0
    for row in range(6):
        sure = labels[row].max() / labels.max(1).values.mean()
        total = total - sure * (labels[row] * F.log_softmax(model(x[row : row + 1]), 1)[0]).sum()
    got = gradient(model)
    model.zero_grad()
    (total / 6).backward()
    torch.testing.assert_close(got, gradient(model), rtol=1e-5, atol=1e-7)
    turned = np.flatnonzero((labels.argmax(1) != y).numpy()).tolist()
    assert [line["ids"] for line in watch.decisions()][-1:] == ([turned] if turned else [])


def test_revision_waits_until_learning_slows_down():
    policy = Revise()
    policy.begin(Setting(4, 3, CPU))
    batch = PolicyBatch(0, torch.arange(4), torch.zeros(4, 3), torch.zeros(4).long())
    for epoch, known in enumerate((0.3, 0.4, 0.42)):
        assert policy.target(batch) is None
        assert policy.weigh(batch) is None
        policy.end_epoch(record(epoch, probability=[known] * 4))
    policy.end_epoch(record(3, probability=[0.425] * 4))
    assert policy.target(batch)[0].tolist() == pytest.approx([0.9 + 0.1 / 3, 0.1 / 3, 0.1 / 3])


def test_a_label_that_was_turned_over_is_named():
    policy = Revise(memory=0.5, warm_up=0)
    policy.begin(Setting(2, 3, CPU))
    outputs = torch.tensor([[0.0, 9, 0], [0, 9, 0]])
    policy.target(PolicyBatch(0, torch.arange(2), outputs, torch.tensor([0, 1])))
    policy.target(PolicyBatch(0, torch.arange(2), outputs, torch.tensor([0, 1])))
    (one,) = policy.end_epoch(record(0, labels=[0, 1], probability=[0, 1]))
    assert (one.action, one.ids.tolist()) == ("revised", [0])


def test_sift_smooths_labels_and_weighs_two_heaps():
    policy = Sift(warm_up=1, smoothing=0.3)
    policy.begin(Setting(200, 3, CPU))
    margins, bad = heaps()
    hard = PolicyBatch(0, torch.arange(2), torch.zeros(2, 3).half(), torch.tensor([0, 2]))
    soft = torch.tensor([[0.5, 0.5, 0.0]])
    expected = torch.tensor([[0.8, 0.1, 0.1], [0.1, 0.1, 0.8]])
    torch.testing.assert_close(policy.target(hard), expected)
    mixed = policy.target(PolicyBatch(0, torch.arange(1), torch.zeros(1, 3), soft))
    torch.testing.assert_close(mixed, torch.tensor([[0.45, 0.45, 0.1]]))
    clean = np.random.default_rng(0).normal(3, 2, 200)
    policy.end_epoch(record(0, margin=clean))
    everyone = PolicyBatch(1, torch.arange(200), torch.zeros(200, 3), torch.zeros(200).long())
    assert policy.weigh(everyone) is None
    policy.end_epoch(record(1, margin=20 * margins))
    assert (policy.weigh(everyone).numpy() < 0.5).tolist() == bad.tolist()
    assert Sift(smoothing=0).target(hard) is None


def test_options_out_of_bounds():
    for make, words in (
        (lambda: Bootstrap("mild"), "'soft' or 'hard'"),
        (lambda: SmallLoss(rate=1.0), "rate in 0..1, below 1"),
        (lambda: Rebalance(beta=2), "beta in 0..1|beta"),
        (lambda: Quarantine(threshold=-1), "threshold"),
        (lambda: Posterior(warm_up=-1), "warm_up as an integer"),
        (lambda: Clip(limit=0), "limit"),
        (lambda: Sift(smoothing=1.5), "smoothing in 0..1"),
    ):
        with pytest.raises(InputError, match=words):
            make()


def test_the_state_of_another_policy_is_refused():
    (x, y), model = make_data(3), make_net()
    with cf.watch(model, 3, policy="clip", boundary="told") as watch:
        watch.loss(model(x), y, torch.arange(3))
        kept = watch.state_dict()
    with cf.watch(model, 3, policy="posterior", boundary="told") as other:
        other.load_state_dict(kept)
        with pytest.raises(InputError, match=r"the policies \['posterior'\]; got that of"):
            other.loss(model(x), y, torch.arange(3))
