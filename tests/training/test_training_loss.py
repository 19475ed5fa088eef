import pytest
import torch
from torch import nn
from torch.nn import functional as F

from chaffinch.core.errors import InputError
from chaffinch.losses import (
    CORES2,
    Blurry,
    CrossEntropy,
    EarlyLearningRegularization,
    GeneralizedCrossEntropy,
    Peer,
)
from chaffinch.models.inputs import DenseInputs
from chaffinch.training.loop import StateFile, Task, Training, train
from chaffinch.training.schedule import Schedule

N, C, EPOCHS, STEPS, RATE = 12, 3, 3, 2, 0.5
WEIGHTS = torch.linspace(0.2, 1.8, N, dtype=torch.float64)
Q = 0.7


def make_task(loss=None, weights=None):
    generator = torch.Generator().manual_seed(0)
    inputs = DenseInputs(torch.randn(N, 4, generator=generator, dtype=torch.float64))
    schedule = Schedule(EPOCHS, 6, RATE, 0.0, optimizer="sgd", rates="constant", steps=STEPS)
    codes = torch.arange(N) % C
    cpu = torch.device("cpu")
    return Task(inputs, codes, lambda: nn.Linear(4, C).double(), schedule, cpu, weights, loss)


def run(task, on_epoch=lambda *_: None, state=None, rows=None):
    rows = torch.arange(N) if rows is None else rows
    model = train(task, Training("full", rows, 1), on_epoch, state or StateFile(None))
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def slow_training(task, losses_of, rows=None):
    """Plain descent on the mean of ``losses_of(logits, codes, ids, epoch)``, (B,)."""
    rows = torch.arange(N) if rows is None else rows
    with torch.random.fork_rng([]):
        torch.manual_seed(1)
        model = task.factory()
        for epoch in range(EPOCHS):
            order = rows[torch.randperm(len(rows))]
            for ids in torch.tensor_split(order, STEPS):
                losses = losses_of(model(task.inputs.tensor[ids]), task.codes[ids], ids, epoch)
                gradients = torch.autograd.grad(losses.mean(), model.parameters())
                with torch.no_grad():
                    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
                        parameter -= RATE * gradient
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def generalized(logits, codes, *_):
    return (1 - logits.softmax(1)[torch.arange(len(codes)), codes] ** Q) / Q


def test_the_loss_is_what_is_minimised():
    found = run(make_task(lambda: GeneralizedCrossEntropy(Q)))
    torch.testing.assert_close(found, slow_training(make_task(), generalized))
    assert not torch.allclose(found, run(make_task()))


def test_its_samples_are_weighted():
    loss = lambda: GeneralizedCrossEntropy(Q, reduction="none")  # noqa: E731
    found = run(make_task(loss, WEIGHTS))
    twin = slow_training(make_task(), lambda x, y, i, _: WEIGHTS[i] * generalized(x, y))
    torch.testing.assert_close(found, twin)
    torch.testing.assert_close(
        run(make_task(loss)), run(make_task(lambda: GeneralizedCrossEntropy(Q)))
    )


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
def test_without_a_loss_it_is_cross_entropy(weights):
    given = torch.ones(N) if weights is None else weights
    twin = slow_training(
        make_task(), lambda x, y, i, _: given[i] * F.cross_entropy(x, y, reduction="none")
    )
    torch.testing.assert_close(run(make_task(weights=weights)), twin)
    reduction = "mean" if weights is None else "none"
    same = run(make_task(lambda: CrossEntropy(reduction=reduction), weights))
    torch.testing.assert_close(same, twin)


def test_a_weighted_loss_must_have_a_value_for_each_sample():
    with pytest.raises(InputError, match=r"reduction 'none', as .*; got reduction 'mean'"):
        run(make_task(CrossEntropy, WEIGHTS))


def test_the_loss_is_told_the_epoch():
    def until_warm(logits, codes, ids, epoch):
        plain = F.cross_entropy(logits, codes, reduction="none")
        return plain if epoch < 2 else torch.exp(-0.3 * plain.detach()) * plain

    found = run(make_task(lambda: Blurry(0.3, detach=True, warm_up=2)))
    torch.testing.assert_close(found, slow_training(make_task(), until_warm))


def test_the_loss_is_told_the_positions_among_all_samples():
    rows = torch.tensor([1, 3, 4, 8, 9, 11])
    made = []

    def loss():
        made.append(EarlyLearningRegularization(N, C))
        return made[-1]

    remembered = torch.zeros(N, C, dtype=torch.float64)

    def penalised(logits, codes, ids, _):
        p = logits.softmax(1)
        remembered[ids] = 0.7 * remembered[ids] + 0.3 * p.detach()
        penalty = torch.log(1 - (remembered[ids] * p).sum(1))
        return F.cross_entropy(logits, codes, reduction="none") + 3 * penalty

    found = run(make_task(loss), rows=rows)
    twin = slow_training(make_task(), penalised, rows)
    torch.testing.assert_close(found, twin, rtol=1e-5, atol=1e-6)  # it remembers in float32
    seen = made[0].remembered.sum(1) > 0
    assert seen.nonzero()[:, 0].tolist() == rows.tolist()


def test_every_training_has_a_loss_of_its_own():
    task = make_task(lambda: EarlyLearningRegularization(N, C))
    assert torch.equal(run(task), run(task))


class Killed(Exception):  # noqa: N818 (no error: somebody pulled the plug)
    pass


LOSSES = {
    "elr": lambda: EarlyLearningRegularization(N, C),
    "peer": lambda: Peer(ramp=2, seed=3),
    "cores2": lambda: CORES2(warm_up=1, ramp=1, sieve=2),
}


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("when", [1, 2])
def test_a_killed_training_goes_on_with_the_state_of_its_loss(tmp_path, name, when):
    task = make_task(LOSSES[name])
    whole = run(task)

    def kill(epoch, *_):
        if epoch == when:
            raise Killed

    with pytest.raises(Killed):
        run(task, kill, StateFile(tmp_path / "s.pt", 0))
    resumed = run(task, state=StateFile(tmp_path / "s.pt", 0))
    assert torch.equal(whole, resumed)
