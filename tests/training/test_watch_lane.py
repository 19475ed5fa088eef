"""The short way of a batch, and the order in which an epoch is kept, against the long way."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from watch_twin import make_data, make_net, measures_of

import chaffinch as cf
from chaffinch.core.errors import InputError
from chaffinch.training.watching.lane import Lane
from chaffinch.training.watching.observer import FIELDS
from chaffinch.training.watching.sums import Measurements, Ordered, Sums
from chaffinch.training.watching.watch import Watch


def train(monkeypatch, short, data=None, change=None, epochs=4, model=None, **options):
    """Plain steps; returns the watch, and how many batches took the short way."""
    x, y = make_data(48) if data is None else data
    model = make_net() if model is None else model
    taken = []
    real = Lane.loss

    def loss(lane, *batch):
        mean = real(lane, *batch) if short else None
        taken.append(mean is not None)
        return mean

    monkeypatch.setattr(Lane, "loss", loss)
    with cf.watch(model, len(y), **options) as watch:
        for epoch in range(epochs):
            for step, ids in enumerate(torch.arange(len(y)).split(6)):
                if change is not None:
                    change(watch, model, epoch, step)
                mean = watch.loss(model(x[ids]), y[ids], ids)
                model.zero_grad()
                mean.backward()
                with torch.no_grad():
                    for parameter in model.parameters():
                        if parameter.grad is not None:
                            parameter -= 0.1 * parameter.grad
            if options.get("boundary") == "told":
                watch.epoch_end()
    return watch, sum(taken)


@pytest.mark.parametrize("boundary", ["told", "inferred", 8])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("influence", [0.0, 0.25])
def test_both_ways_record_the_same(monkeypatch, boundary, bias, influence):
    options = {"boundary": boundary}
    if influence:
        options |= {"influence": influence, "validation": make_data(9, seed=5)}
    quick, taken = train(monkeypatch, True, model=make_net(bias=bias), **options)
    slow, none = train(monkeypatch, False, model=make_net(bias=bias), **options)
    # Not the first epoch, the first step of the others, and the last of four, which is sampled.
    assert taken == 3 * (7 if not influence else 5)
    assert none == 0
    assert quick.epoch == slow.epoch == 4
    for name in (*FIELDS, "logits"):
        np.testing.assert_array_equal(quick.history(name), slow.history(name), name)
    assert np.isfinite(quick.history("gradient_norm")).all()


def test_the_hook_comes_off_where_autograd_keeps_the_inputs_and_back_where_it_does_not(monkeypatch):
    hooks = []

    def freeze(_watch, model, epoch, step):
        hooks.append(len(model[2]._forward_hooks))
        model[2].requires_grad_(not (epoch == 2 and step >= 3))

    watch, _ = train(monkeypatch, True, change=freeze)
    assert hooks[:9] == [0] * 1 + [1] * 8 or hooks[1:9] == [1] * 8
    assert hooks[9:20] == [0] * 11  # resting from the first step of the second epoch on
    assert hooks[20] == 1  # a frozen layer keeps nothing: that one batch has no norm
    gaps = np.isnan(watch.history("gradient_norm"))
    assert np.flatnonzero(gaps[2]).tolist() == list(range(18, 24))
    assert not gaps[[0, 1, 3]].any()
    assert np.isfinite(watch.history("loss")).all()


def test_a_state_is_whole_in_the_middle_of_a_block(monkeypatch):
    states = []

    def keep(watch, _model, epoch, step):
        if (epoch, step) == (2, 4):
            states.append(watch.state_dict())

    data = make_data(48)
    watch, taken = train(monkeypatch, True, data=data, change=keep)
    plain, _ = train(monkeypatch, False, data=data)
    assert taken == 20
    assert states[0]["steps"] == 20
    assert states[0]["ledger"]["tally"]["counts"][0].sum() == 24
    for name in (*FIELDS, "logits"):
        np.testing.assert_array_equal(watch.history(name), plain.history(name), name)


def test_pinned_weights_count_from_the_next_step_on(monkeypatch):
    def pin(watch, _model, epoch, step):
        if (epoch, step) == (1, 3):
            watch.pin([19], 0.0)

    watch, _ = train(monkeypatch, True, change=pin, epochs=3)
    assert watch.history("weight")[:, 19].tolist() == [1, 0, 0]


@pytest.mark.parametrize("kind", ["list", "int32", "soft", "no_grad", "half"])
def test_what_is_out_of_the_ordinary_goes_the_long_way(monkeypatch, kind):
    (x, y), model, ids = make_data(24), make_net(), torch.arange(24)
    with cf.watch(model, 24, boundary="told") as watch:
        for _ in range(2):
            for rows in ids.split(6):
                watch.loss(model(x[rows]), y[rows], rows).backward()
            watch.epoch_end()
        watch.loss(model(x[:6]), y[:6], ids[:6]).backward()
        assert watch._lane is not None
        rows, outputs, labels = ids[6:12], model(x[6:12]), y[6:12]
        if kind == "list":
            rows = rows.tolist()
        elif kind == "int32":
            rows = rows.int()
        elif kind == "soft":
            labels = torch.nn.functional.one_hot(labels, 3).double()
        elif kind == "half":
            outputs = outputs.to(torch.bfloat16)
        calls = []
        real = Watch._recorded
        monkeypatch.setattr(Watch, "_recorded", lambda *a: (calls.append(1), real(*a))[1])
        with torch.set_grad_enabled(kind != "no_grad"):
            watch.loss(outputs, labels, rows)
        assert calls == ([] if kind == "int32" else [1])
    found = watch.history("loss")[2]
    assert np.isnan(found[12:]).all()
    assert np.isnan(found[6:12]).all() == (kind == "no_grad")
    if kind != "no_grad":
        twin = measures_of(outputs[0].detach().double(), int(y[6]))["loss"]
        assert found[6] == pytest.approx(twin, rel=1e-5)


@given(st.integers(1, 9), st.integers(0, 3), st.integers(0, 2**32 - 1))
def test_rows_in_order_are_what_their_sums_come_to(count, classes, seed):
    random = np.random.default_rng(seed)
    options = {"device": torch.device("cpu"), "dtype": torch.float64}
    ordered, sums = Ordered(count, torch.device("cpu")), Sums((count, classes), options)
    ids = torch.from_numpy(random.permutation(count)[: random.integers(1, count + 1)])
    for part in ids.split(3):
        values = torch.from_numpy(random.normal(size=(len(FIELDS), len(part))))
        values[-1, random.random(len(part)) < 0.5] = torch.nan
        logits = torch.from_numpy(random.normal(size=(len(part), classes)))
        rows = Measurements(
            part, values, torch.from_numpy(random.integers(0, 5, len(part))), logits
        )
        assert ordered.add(rows)
        sums.add(rows)
    nothing = torch.full((len(FIELDS) + classes, 1), torch.nan, dtype=torch.float64)
    code = torch.tensor([-1])
    none = Measurements(code, nothing[: len(FIELDS)], code, nothing[len(FIELDS) :].t())
    for one, other in zip(ordered.result(none), sums.result(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert not ordered.add(rows)
    twice = Measurements(
        *(torch.cat([part, part], -1 if k == 1 else 0) for k, part in enumerate(rows))
    )
    assert not Ordered(count, torch.device("cpu")).add(twice)


@pytest.mark.parametrize("boundary", ["told", "inferred"])
def test_ids_out_of_range_are_refused_by_the_end_of_the_epoch(boundary):
    (x, y), model = make_data(24), make_net()

    def slip(shift):
        with cf.watch(model, 24, boundary=boundary) as watch:
            for _ in range(2):
                for rows in torch.arange(24).split(6):
                    watch.loss(model(x[rows]), y[rows], rows).backward()
                if boundary == "told":
                    watch.epoch_end()
            watch.loss(model(x[:6]), y[:6], torch.arange(6)).backward()
            watch.loss(model(x[6:12]), y[6:12], torch.arange(6) + shift).backward()

    for shift in (19, -6):
        with pytest.raises(InputError, match=r"ids in 0..23; got"):
            slip(shift)
