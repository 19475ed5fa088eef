from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from chaffinch.core.errors import InputError
from chaffinch.models.inputs import DenseInputs
from chaffinch.training.augmentation import crop_and_flip
from chaffinch.training.loop import StateFile, Task, Training, train
from chaffinch.training.schedule import Schedule, make_optimizer, make_rates

N, C = 24, 3
CPU = torch.device("cpu")


def make_task(schedule, weights=None):
    generator = torch.Generator().manual_seed(0)
    inputs = DenseInputs(torch.randn(N, 4, generator=generator))
    return Task(inputs, torch.arange(N) % C, lambda: nn.Linear(4, C), schedule, CPU, weights)


def run(task, on_epoch=lambda *_: None, state=None):
    training = Training("full", torch.arange(N), 0)
    return train(task, training, on_epoch, state or StateFile(None))


def start():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Linear(4, C)


def rates_of(schedule, steps):
    optimizer = make_optimizer(schedule, start().parameters())
    rates = make_rates(schedule, optimizer, steps)
    seen = []
    for _ in range(steps * schedule.epochs):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        rates.step()
    return seen


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_sgd_on_whole_batches_is_the_textbook_rule(momentum):
    plan = Schedule(4, N, 0.3, 0.01, optimizer="sgd", momentum=momentum, rates="constant")
    task = make_task(plan)
    model, slow = run(task), start()
    moving = {name: torch.zeros_like(p) for name, p in slow.named_parameters()}
    for _ in range(4):
        slow.zero_grad()
        F.cross_entropy(slow(task.inputs.tensor), task.codes).backward()
        with torch.no_grad():
            for name, p in slow.named_parameters():
                moving[name] = momentum * moving[name] + p.grad + 0.01 * p
                p -= 0.3 * moving[name]
    for one, other in zip(model.parameters(), slow.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_adam_differs_from_adamw_by_how_weights_decay():
    kinds = [
        Schedule(2, 8, 0.1, 0.5, optimizer=name, rates="constant") for name in ("adam", "adamw")
    ]
    one, other = (run(make_task(kind)).weight for kind in kinds)
    assert not torch.allclose(one, other)


def test_a_constant_rate_is_constant_and_a_stepped_one_falls_where_it_should():
    assert rates_of(Schedule(3, 8, 0.2, optimizer="sgd", rates="constant"), 2) == [0.2] * 6
    plan = Schedule(4, 8, 1.0, optimizer="sgd", rates="steps", decay_epochs=(1, 3), decay=0.1)
    assert np.allclose(rates_of(plan, 2), [1, 1, 0.1, 0.1, 0.1, 0.1, 0.01, 0.01])


def test_the_number_of_steps_can_be_kept():
    plan = Schedule(1, 8, 0.1)
    assert [plan.steps_for(count) for count in (0, 8, 9, 24)] == [1, 1, 2, 3]
    assert replace(plan, steps=3).steps_for(10) == 3
    assert replace(plan, steps=30).steps_for(10) == 10


def test_unknown_choices_are_refused():
    with pytest.raises(InputError, match="adamw, adam or sgd"):
        run(make_task(Schedule(1, 8, 0.1, optimizer="rmsprop")))
    with pytest.raises(InputError, match="one_cycle, constant or steps"):
        run(make_task(Schedule(1, 8, 0.1, rates="cosine")))
    with pytest.raises(InputError, match="'sgd' only"):
        run(make_task(Schedule(1, 8, 0.1, momentum=0.9)))


def test_weights_of_one_change_nothing_and_a_weight_of_zero_silences():
    plan = Schedule(2, N, 0.1, 0.0, optimizer="sgd", rates="constant")
    plain = run(make_task(plan)).weight
    assert torch.allclose(run(make_task(plan, torch.ones(N))).weight, plain, atol=1e-6)
    weights = torch.zeros(N)
    weights[:12] = 2
    training = Training("full", torch.arange(12), 0)
    half = train(make_task(plan), training, lambda *_: None, StateFile(None)).weight
    assert torch.allclose(run(make_task(plan, weights)).weight, half, atol=1e-6)


def noisy(batch):
    return batch + torch.randn(batch.shape)


@pytest.mark.parametrize("rates", ["constant", "steps", "one_cycle"])
def test_a_killed_run_goes_on_to_the_same_end(tmp_path, rates):
    plan = Schedule(
        4, 7, 0.1, optimizer="sgd", momentum=0.9, rates=rates, decay_epochs=(2,), augment=noisy
    )
    whole = run(make_task(plan)).weight

    def killed(epoch, _model, _rate):
        if epoch == 2:
            raise KeyboardInterrupt

    path = tmp_path / "full.pt"
    with pytest.raises(KeyboardInterrupt):
        run(make_task(plan), killed, StateFile(path, 0.0))
    seen = []
    again = run(make_task(plan), lambda epoch, *_: seen.append(epoch), StateFile(path, 0.0))
    assert seen == [2, 3]
    assert torch.equal(again.weight, whole)


def test_augmentation_is_for_training_batches_only_and_seeded():
    plan = Schedule(2, 8, 0.1, augment=noisy)
    one, same = run(make_task(plan)).weight, run(make_task(plan)).weight
    assert torch.equal(one, same)
    assert not torch.equal(one, run(make_task(replace(plan, augment=None))).weight)


def moved(image, down, right, mirrored, margin):
    """One image, pixel by pixel."""
    _, height, width = image.shape
    out = torch.zeros_like(image)
    for row in range(height):
        for column in range(width):
            source = width - 1 - column if mirrored else column
            y, x = row + down - margin, source + right - margin
            if 0 <= y < height and 0 <= x < width:
                out[:, row, column] = image[:, y, x]
    return out


def test_crops_and_flips_are_shifts_and_mirror_images():
    images = torch.rand(12, 2, 5, 4)
    torch.manual_seed(0)
    made = crop_and_flip(images, margin=2)
    torch.manual_seed(0)
    offsets = torch.randint(0, 5, (2, 12, 1))
    mirrored = torch.rand(12, 1) < 0.5
    assert 0 < mirrored.sum() < 12
    for place, image in enumerate(images):
        down, right = (int(one) for one in offsets[:, place, 0])
        wanted = moved(image, down, right, bool(mirrored[place]), 2)
        assert torch.equal(made[place], wanted)


def test_augmentation_needs_images():
    with pytest.raises(InputError, match="images of shape"):
        crop_and_flip(torch.rand(3, 4))
