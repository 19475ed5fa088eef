import os

import numpy as np
import pytest
import torch
from torch import nn

from chaffinch.core.errors import InputError
from chaffinch.models.inputs import DenseInputs
from chaffinch.store import EvidenceFolder
from chaffinch.training.loop import Schedule, StateFile, Task, Training, train
from chaffinch.training.recorder import Recorder

N, C, EPOCHS = 30, 3, 4
CPU = torch.device("cpu")
ALL = torch.arange(N)


def net():
    # Dropout and batch normalisation: state beyond the weights, and random numbers in training.
    return nn.Sequential(
        nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, C)
    )


def make_task(factory=net, learning_rate=0.02, batch_size=7, epochs=EPOCHS):
    generator = torch.Generator().manual_seed(0)
    inputs = DenseInputs(torch.randn(N, 4, generator=generator))
    codes = torch.arange(N) % C
    return Task(inputs, codes, factory, Schedule(epochs, batch_size, learning_rate), CPU)


def nothing(epoch, model, rate):
    pass


def run(task, seed=0, rows=ALL, on_epoch=nothing, state=None):
    return train(task, Training("full", rows, seed), on_epoch, state or StateFile(None))


def weights(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


def test_the_same_seed_gives_the_same_model():
    assert_same(weights(run(make_task(), 3)), weights(run(make_task(), 3)))


def test_another_seed_gives_another_model():
    one, other = run(make_task(), 3), run(make_task(), 4)
    assert not torch.equal(one[0].weight, other[0].weight)


def test_the_random_state_of_the_process_is_left_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = weights(run(make_task()))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(6)  # and it does not matter
    assert_same(weights(run(make_task())), first)


def test_the_random_state_is_left_alone_after_an_error():
    before = torch.get_rng_state()
    with pytest.raises(ZeroDivisionError):
        run(make_task(), on_epoch=lambda *_: 1 / 0)
    assert torch.equal(torch.get_rng_state(), before)


def test_it_learns_and_says_what_it_did():
    seen = []
    task = make_task(lambda: nn.Linear(4, C), learning_rate=0.1, epochs=30)
    task = Task(task.inputs, task.inputs.tensor[:, :C].argmax(1), *vars_of(task))
    model = run(task, on_epoch=lambda epoch, model, rate: seen.append((epoch, rate)))
    assert [epoch for epoch, _ in seen] == list(range(30))
    rates = np.asarray([rate for _, rate in seen])
    assert 0.3 * 30 * 0.6 < rates.argmax() < 0.3 * 30 * 1.4  # the peak of the cycle
    assert rates.max() == pytest.approx(0.1, rel=0.05)
    assert rates.min() < 0.005
    assert model.training
    accuracy = (model(task.inputs.tensor).argmax(1) == task.codes).float().mean()
    assert accuracy > 0.9


def vars_of(task):
    return task.factory, task.schedule, task.device


def test_the_rate_is_the_mean_over_the_steps(monkeypatch):
    steps, rates = [], []
    real = torch.optim.AdamW.step

    def spy(optimizer, *args, **options):
        steps.append(optimizer.param_groups[0]["lr"])
        return real(optimizer, *args, **options)

    monkeypatch.setattr(torch.optim.AdamW, "step", spy)
    run(make_task(), on_epoch=lambda epoch, model, rate: rates.append(rate))
    assert len(steps) == EPOCHS * 5  # 30 samples in batches of at most 7
    np.testing.assert_allclose(rates, np.reshape(steps, (EPOCHS, 5)).mean(axis=1), rtol=1e-9)


def test_every_sample_of_its_rows_is_seen_once_an_epoch():
    seen = []

    class Spy(DenseInputs):
        def batch(self, index):
            seen.append(index.tolist())
            return super().batch(index)

    task = make_task()
    rows = torch.tensor([3, 1, 4, 15, 9, 26, 5, 28, 7, 10])
    run(Task(Spy(task.inputs.tensor), task.codes, *vars_of(task)), rows=rows)
    assert {len(batch) for batch in seen} == {5}  # 10 samples in steps of equal size
    epochs = [seen[0] + seen[1], seen[2] + seen[3]]
    assert sorted(epochs[0]) == sorted(epochs[1]) == sorted(rows.tolist())
    assert epochs[0] != epochs[1]


def test_frozen_weights_stay():
    def half_frozen():
        model = net()
        model[0].requires_grad_(False)
        return model

    with torch.random.fork_rng():
        torch.manual_seed(0)
        start = half_frozen()[0].weight
    assert torch.equal(run(make_task(half_frozen)).get_submodule("0").weight, start)


def record_all(folder, task):
    recorder = Recorder(EvidenceFolder(folder), (EPOCHS, N, C), task.inputs)

    def on_epoch(epoch, model, rate):
        recorder.record(epoch, model, model[-1])
        recorder.record_rate(epoch, rate)

    return on_epoch


class Killed(Exception):  # noqa: N818 (no error: somebody pulled the plug)
    pass


def killing(on_epoch, when):
    def until(epoch, model, rate):
        if epoch == when:
            raise Killed
        on_epoch(epoch, model, rate)

    return until


NAMES = ("logits", "features", "feature_norms", "learning_rates")


@pytest.mark.parametrize("when", range(EPOCHS))
def test_a_killed_training_goes_on_to_the_same_end(tmp_path, when):
    task = make_task()
    whole = run(task, 2, on_epoch=record_all(tmp_path / "whole", task))

    path = tmp_path / "state" / "full.pt"
    ran = []
    cut = killing(record_all(tmp_path / "cut", task), when)
    with pytest.raises(Killed):
        run(task, 2, on_epoch=cut, state=StateFile(path, 0))
    assert path.is_file() == (when > 0)
    torch.manual_seed(123)  # a new process starts from elsewhere
    on_epoch = record_all(tmp_path / "cut", task)

    def noted(epoch, model, rate):
        ran.append(epoch)
        on_epoch(epoch, model, rate)

    resumed = run(task, 2, on_epoch=noted, state=StateFile(path, 0))
    assert ran == list(range(when, EPOCHS))
    assert_same(weights(whole), weights(resumed))
    for name in NAMES:
        one, other = (EvidenceFolder(tmp_path / f).open(name) for f in ("whole", "cut"))
        assert one.tobytes() == other.tobytes(), name
    assert not list(path.parent.glob("*.draft"))


def test_killed_over_and_over(tmp_path):
    task = make_task()
    whole = weights(run(task, 2))
    for when in range(EPOCHS):
        with pytest.raises(Killed):
            run(task, 2, on_epoch=killing(nothing, when), state=StateFile(tmp_path / "s.pt", 0))
    resumed = run(task, 2, state=StateFile(tmp_path / "s.pt", 0))
    assert_same(whole, weights(resumed))


def test_a_finished_training_is_not_run_again(tmp_path):
    path = tmp_path / "s.pt"
    first = run(make_task(), state=StateFile(path))
    assert path.is_file()  # the end is kept, however quick it was

    def refuse(*_):
        raise AssertionError("nothing was left to do")

    assert_same(weights(first), weights(run(make_task(), on_epoch=refuse, state=StateFile(path))))


def test_a_state_is_written_only_so_often(tmp_path, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr("chaffinch.training.loop.time.monotonic", lambda: clock[0])
    file = StateFile(tmp_path / "s.pt", seconds=5)
    file.save(lambda: {"epoch": 1}, final=False)
    assert file.load() is None
    clock[0] += 5
    file.save(lambda: {"epoch": 2}, final=False)
    clock[0] += 4
    file.save(lambda: {"epoch": 3}, final=False)
    assert file.load() == {"epoch": 2}
    file.save(lambda: {"epoch": 4}, final=True)
    assert file.load() == {"epoch": 4}


def test_a_kill_while_the_state_is_written_keeps_the_old_one(tmp_path, monkeypatch):
    file = StateFile(tmp_path / "s.pt", 0)
    file.save(lambda: {"epoch": 1}, final=True)
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(Killed))
    with pytest.raises(Killed):
        file.save(lambda: {"epoch": 2}, final=True)
    assert file.load() == {"epoch": 1}


def test_without_a_path_nothing_is_kept():
    file = StateFile(None)
    file.save(lambda: {}, final=True)
    assert file.load() is None


def test_a_training_that_diverges_is_stopped():
    class Diverging(nn.Linear):
        def forward(self, x):
            return super().forward(x) * torch.tensor(float("nan"))

    epochs = []
    with pytest.raises(InputError, match=r"NaN or infinite weights in epoch 1. Lower the learning"):
        run(make_task(lambda: Diverging(4, C)), on_epoch=lambda epoch, *_: epochs.append(epoch))
    assert epochs == []


@pytest.mark.parametrize(("batch_size", "epochs"), [(1000, 1), (1, 1), (30, 2)])
def test_extreme_schedules(batch_size, epochs):
    task = make_task(lambda: nn.Linear(4, C), batch_size=batch_size, epochs=epochs)
    model = run(task)
    assert all(torch.isfinite(parameter).all() for parameter in model.parameters())
