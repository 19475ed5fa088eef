"""Schedules, memory, sieve and draws; what a state dict carries; what is refused."""

import io

import loss_twin as slow
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from chaffinch import losses
from chaffinch.core.errors import InputError
from chaffinch.core.randomness import stream
from chaffinch.losses.loss import Batch
from chaffinch.losses.peer import mean_peer_loss, peer_losses

NAMES = sorted(slow.CASES)


def draw(count=12, num_classes=4, seed=0):
    random = np.random.default_rng(seed)
    logits = torch.from_numpy(random.normal(size=(count, num_classes)) * 2)
    target = torch.from_numpy(random.integers(0, num_classes, count))
    return logits, target, torch.arange(count)


def reloaded(loss, fresh):
    """``fresh`` with the state of ``loss``, by way of a file."""
    file = io.BytesIO()
    torch.save(loss.state_dict(), file)
    file.seek(0)
    fresh.load_state_dict(torch.load(file, weights_only=True))
    return fresh


@pytest.mark.parametrize("soft", [False, True], ids=["codes", "soft"])
@pytest.mark.parametrize("name", NAMES)
def test_the_warm_up_is_plain_cross_entropy(name, soft):
    logits, target, ids = draw()
    weight = torch.arange(1.0, 5.0).double()
    target = F.softmax(logits.flip(0), 1) if soft else target
    loss = slow.CASES[name][0](4, warm_up=2, weight=weight)
    plain = F.cross_entropy(logits, target, weight=weight)
    for epoch in (0, 1):
        loss.epoch(epoch)
        torch.testing.assert_close(loss(logits, target, ids), plain)
    loss.epoch(2)
    changed = not torch.allclose(loss(logits, target, ids), plain)
    assert changed == (name != "cross_entropy")


@pytest.mark.parametrize(
    "make",
    [
        lambda: losses.Blurry(warm_up=1),
        lambda: losses.CORES2(),
        lambda: losses.CORES2(2, 0, 5, warm_up=0),
        lambda: losses.Peer(),
    ],
    ids=["warm_up", "cores2", "sieve", "peer"],
)
def test_a_schedule_must_be_told_the_epoch(make):
    logits, target, _ = draw()
    loss = make()
    with pytest.raises(InputError, match=r"Call loss\.epoch\(number\), counted from 0"):
        loss(logits, target)
    loss.epoch(0)
    loss(logits, target)


def test_without_a_schedule_no_epoch_is_needed():
    logits, target, _ = draw()
    assert losses.Blurry()(logits, target).isfinite()


@pytest.mark.parametrize("name", NAMES)
def test_the_epoch_goes_with_the_state(name):
    logits, target, ids = draw()
    make, _ = slow.CASES[name]
    loss = make(4, warm_up=3)
    loss.epoch(5)
    fresh = reloaded(loss, make(4, warm_up=3))
    torch.testing.assert_close(fresh(logits, target, ids), loss(logits, target, ids))


def test_ramps_rise_in_equal_steps_after_the_warm_up():
    logits, target, _ = draw()
    batch = Batch.of(logits, target, None)
    loss = losses.CORES2(beta=2, ramp=4, sieve=None, warm_up=3)
    plain = F.cross_entropy(logits, target)
    regularizer = -torch.log(batch.log_probabilities.exp() + 1e-8).mean()
    peer = losses.Peer(alpha=0.5, ramp=4, warm_up=3).eval()
    for epoch, share in ((0, 0), (3, 0), (4, 0.25), (6, 0.75), (7, 1), (30, 1)):
        loss.epoch(epoch)
        peer.epoch(epoch)
        torch.testing.assert_close(loss(logits, target), plain - 2 * share * regularizer)
        wanted = plain - 0.5 * share * mean_peer_loss(batch)
        torch.testing.assert_close(peer(logits, target), wanted)


def test_the_memory_follows_its_definition():
    loss = losses.EarlyLearningRegularization(12, 4, momentum=0.7).double()
    wanted = np.zeros((12, 4))
    for step in range(4):
        logits, target, ids = draw(seed=step)
        chosen = ids[step : step + 5]
        loss(logits[chosen], target[chosen], chosen)
        p = F.softmax(logits, 1).numpy()
        for i in chosen.tolist():
            wanted[i] = 0.7 * wanted[i] + 0.3 * p[i]
    np.testing.assert_allclose(loss.remembered, wanted)


def test_a_sample_that_comes_twice_counts_once():
    logits, target, _ = draw(3)
    loss = losses.EarlyLearningRegularization(12, 4, momentum=0.5).double()
    loss(logits, target, torch.tensor([7, 2, 7]))
    p = F.softmax(logits, 1)
    torch.testing.assert_close(loss.remembered[7], (p[0] + p[2]) / 4)
    torch.testing.assert_close(loss.remembered[2], p[1] / 2)
    assert loss.remembered.any(1).sum() == 2


def test_training_uses_the_memory_that_it_has_just_renewed():
    logits, target, ids = draw()
    loss = losses.EarlyLearningRegularization(12, 4).double()
    trained = loss(logits, target, ids)
    before = loss.remembered.clone()
    assert loss.eval()(logits, target, ids) == trained
    assert torch.equal(loss.remembered, before)
    torch.testing.assert_close(loss(logits, target), F.cross_entropy(logits, target))


def test_the_memory_grows_during_the_warm_up():
    logits, target, ids = draw()
    loss = losses.EarlyLearningRegularization(12, 4, warm_up=1)
    loss.epoch(0)
    loss(logits, target, ids)
    assert loss.remembered.any(1).all()


def test_early_learning_goes_on_from_its_state():
    def steps(loss, first, last):
        found = []
        for epoch in range(first, last):
            loss.epoch(epoch)
            logits, target, ids = draw(seed=epoch)
            found.append(float(loss(logits, target, ids)))
        return found

    def make():
        return losses.EarlyLearningRegularization(12, 4, warm_up=1)

    straight = steps(make(), 0, 6)
    stopped = make()
    begun = steps(stopped, 0, 3)
    assert begun + steps(reloaded(stopped, make()), 3, 6) == straight


def test_the_sieve_leaves_out_labels_that_lose_more_than_the_mean():
    logits = torch.tensor([[5.0, 0, 0], [0, 5.0, 0], [0, 0, 5.0], [1, 1, 1]], requires_grad=True)
    target = torch.tensor([0, 0, 2, 1])
    weight = torch.tensor([1.0, 2, 3])
    kept = [0, 2, 3]
    plain = losses.CORES2(2, 0, None, warm_up=0, weight=weight)
    wanted = {}
    for reduction in ("mean", "sum"):
        plain.reduction = reduction
        wanted[reduction] = plain(logits[kept], target[kept])
    for reduction in ("mean", "sum"):
        loss = losses.CORES2(2, 0, 0, warm_up=0, weight=weight, reduction=reduction)
        torch.testing.assert_close(loss(logits, target), wanted[reduction])
    loss.reduction = "none"
    single = loss(logits, target)
    assert (single != 0).tolist() == [True, False, True, True]
    assert not torch.autograd.grad(single.sum(), logits)[0][1].any()
    assert (loss.eval()(logits, target) != 0).all()


def test_the_sieve_begins_in_its_epoch():
    logits, target = torch.tensor([[0.0, 5.0], [0.0, 5.0]]), torch.tensor([0, 1])
    loss = losses.CORES2(2, 0, 3, warm_up=1, reduction="none")
    for epoch in (0, 1, 2, 3, 4):
        loss.epoch(epoch)
        assert bool((loss(logits, target) == 0).any()) == (epoch >= 3)


def test_the_warm_up_sieves_nothing():
    logits, target = torch.tensor([[0.0, 5.0], [0.0, 5.0]]), torch.tensor([0, 1])
    loss = losses.CORES2(2, 0, 0, warm_up=2, reduction="none")
    for epoch in (0, 1, 2):
        loss.epoch(epoch)
        assert bool((loss(logits, target) == 0).any()) == (epoch == 2)


def test_the_schedule_of_cores2_is_that_of_the_paper():
    logits, target = torch.tensor([[1.0, 0.0], [0.0, 3.0]]), torch.tensor([0, 0])
    plain = F.cross_entropy(logits, target, reduction="none")
    mean = -F.log_softmax(logits, 1).mean(1)
    loss = losses.CORES2(reduction="none")
    for epoch, beta, kept in ((9, 0, 1), (25, 1, 1), (30, 4 / 3, 0), (40, 2, 0), (99, 2, 0)):
        loss.epoch(epoch)
        wanted = (plain - beta * mean) * torch.tensor([1, kept])
        torch.testing.assert_close(loss(logits, target), wanted)


def test_an_empty_batch_has_no_mean_under_the_sieve_too():
    empty = torch.zeros(0, 3), torch.zeros(0, dtype=torch.long)
    assert losses.CORES2(2, 0, 0, warm_up=0)(*empty).isnan()


def test_a_batch_that_is_sieved_out_whole_has_no_gradient():
    logits = torch.tensor([[0.0, 5.0], [0.0, 5.0]], requires_grad=True)
    loss = losses.CORES2(2, 0, 0, warm_up=0)(logits, torch.tensor([0, 0]))
    assert loss == 0
    loss.backward()
    assert not logits.grad.any()


def test_peers_are_drawn_apart():
    logits, target, _ = draw(8)
    batch = Batch.of(logits, target, None)
    first, second = torch.arange(8).roll(1), torch.arange(8).roll(3)
    bounded = torch.log(batch.log_probabilities.exp() + 1e-8)
    wanted = [-float(bounded[(i - 1) % 8, target[(i - 3) % 8]]) for i in range(8)]
    np.testing.assert_allclose(peer_losses(batch, first, second), wanted)
    soft = Batch.of(logits, F.one_hot(target, 4).double(), None)
    np.testing.assert_allclose(peer_losses(soft, first, second), wanted)


@pytest.mark.parametrize("soft", [False, True], ids=["codes", "soft"])
def test_peers_are_on_average_all_pairs(soft):
    logits, target, _ = draw(6)
    target = F.softmax(-logits, 1) if soft else target
    loss = losses.Peer(1, 0, seed=3, reduction="none")
    plain = F.cross_entropy(logits, target, reduction="none")
    peers = torch.stack([plain - loss(logits, target) for _ in range(3000)])
    error = peers.std(0) / len(peers) ** 0.5
    wanted = mean_peer_loss(Batch.of(logits, target, None))
    assert ((peers.mean(0) - wanted).abs() < 5 * error).all()
    assert peers.std(0).min() > 0
    expected = losses.Peer(1, 0, reduction="none").eval()(logits, target)
    torch.testing.assert_close(plain - expected, wanted.expand(6))


def test_peers_follow_the_seed_and_go_on_from_the_state():
    logits, target, _ = draw()

    def run(loss, steps):
        return [float(loss(logits, target)) for _ in range(steps)]

    def make(seed=1):
        return losses.Peer(1, 0, seed=seed, reduction="mean", weight=torch.arange(1.0, 5).double())

    straight = run(make(), 5)
    assert straight == run(make(), 5) != run(make(2), 5)
    loss = make()
    run(loss, 2)
    loss.eval()(logits, target)  # draws nothing
    assert run(reloaded(loss, make()).train(), 3) == straight[2:]


def test_the_random_state_of_the_process_is_left_alone():
    logits, target, _ = draw()
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    losses.Peer(1, 0)(logits, target)
    losses.mixup(logits, target, 4, stream(0, "mixup"))
    assert torch.equal(before[0], torch.get_rng_state())
    assert (before[1] == np.random.get_state()[1]).all()  # noqa: NPY002


def test_every_loss_has_its_name():
    public = {getattr(losses, name) for name in losses.__all__}
    kinds = {kind for kind in public if isinstance(kind, type)}
    tags = {kind for _, kind in losses.TAG_LOSSES.items()}
    assert {kind for _, kind in losses.LOSSES.items()} == kinds - tags - {type(losses.LOSSES)}
    assert tags < kinds
    assert all(kind.paper for kind in tags)
    assert {name for name in NAMES if name in losses.LOSSES} == set(losses.LOSSES)
    assert all(kind.paper for _, kind in losses.LOSSES.items())
    with pytest.raises(InputError, match="Did you mean 'blurry'"):
        losses.LOSSES["blury"]


def test_a_loss_shows_its_options():
    shown = repr(losses.SymmetricCrossEntropy(0.5, warm_up=2))
    assert shown == "SymmetricCrossEntropy(reduction='mean', warm_up=2, alpha=0.5, beta=1.0)"
