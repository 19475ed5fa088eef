"""What a watch records equals a separate evaluation, sample by sample."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader, TensorDataset
from watch_twin import head_gradient_of, make_data, make_net, measures_of

import chaffinch as cf
from chaffinch.core.errors import InputError
from chaffinch.training.watching.measures import (
    Head,
    gradient_norms,
    head_gradient,
    measure,
    project,
)
from chaffinch.training.watching.observer import FIELDS

OF_SAMPLE = ("loss", "margin", "probability", "entropy", "gradient_norm", "feature_norm")


@given(
    st.integers(1, 6), st.integers(1, 5), st.booleans(), st.booleans(), st.integers(0, 2**32 - 1)
)
def test_measures_equal_the_twin(count, classes, soft, bias, seed):
    random = np.random.default_rng(seed)
    logits = torch.from_numpy(3 * random.normal(size=(count, classes)))
    features = torch.from_numpy(random.normal(size=(count, 4)))
    labels = random.integers(0, classes, count)
    target = torch.from_numpy(labels)
    if soft:
        target = torch.from_numpy(random.dirichlet(np.ones(classes), count))
    found = measure(logits, target)
    norms = gradient_norms(found.residuals, features.norm(dim=1), bias)
    for row in range(count):
        twin = measures_of(
            logits[row], target[row].numpy() if soft else int(labels[row]), features[row], bias
        )
        assert float(found.margin[row]) == pytest.approx(twin["margin"], abs=1e-12)
        assert float(found.probability[row]) == pytest.approx(twin["probability"], abs=1e-12)
        assert float(found.entropy[row]) == pytest.approx(twin["entropy"], abs=1e-12)
        assert float(norms[row]) == pytest.approx(twin["gradient_norm"], abs=1e-12)


@given(st.integers(1, 6), st.integers(2, 4), st.booleans(), st.integers(0, 2**32 - 1))
def test_projection_gives_dot_products_of_gradients(count, classes, bias, seed):
    x, y = make_data(count, classes=classes, seed=seed)
    held_x, held_y = make_data(9, classes=classes, seed=seed + 1)
    model = make_net(classes=classes, bias=bias, seed=seed)
    layer = model[2]
    gradient = head_gradient(
        measure(model(held_x).detach(), held_y).residuals,
        Head(model[:2](held_x).detach(), bias),
    )
    projected = project(Head(model[:2](x).detach(), bias), gradient)
    dots = (measure(model(x).detach(), y).residuals * projected).sum(1)
    held = head_gradient_of(model, layer, held_x, held_y)
    for row in range(count):
        own = head_gradient_of(model, layer, x[row : row + 1], y[row : row + 1])
        assert float(dots[row]) == pytest.approx(float(own @ held), abs=1e-12)


def train(watch, model, data, epochs=2, rate=0.1, seed=3):
    """Plain steps; returns by epoch and id what the model said just before each step."""
    x, y = data
    said = []
    random = np.random.default_rng(seed)
    with watch:
        for epoch in range(epochs):
            said.append({})
            for rows in np.array_split(random.permutation(len(y)), 4):
                ids = torch.from_numpy(rows)
                hidden = model[:2](x[ids]).detach()
                outputs = model[2](hidden).detach()
                said[epoch] |= {
                    int(i): (o, h) for i, o, h in zip(rows, outputs, hidden, strict=True)
                }
                loss = watch.loss(model(x[ids]), y[ids], ids)
                model.zero_grad()
                loss.backward()
                with torch.no_grad():
                    for parameter in model.parameters():
                        parameter -= rate * parameter.grad
    return said


@pytest.mark.parametrize("bias", [True, False])
def test_records_equal_a_separate_evaluation(bias):
    data, model = make_data(), make_net(bias=bias)
    watch = cf.watch(model, 24)
    said = train(watch, model, data)
    for epoch in range(2):
        for row in range(24):
            logits, hidden = said[epoch][row]
            twin = measures_of(logits, int(data[1][row]), hidden, bias)
            for name in OF_SAMPLE:
                found = watch.history(name)[epoch, row]
                assert found == pytest.approx(twin[name], rel=1e-6, abs=1e-6), name
            np.testing.assert_allclose(watch.history("logits")[epoch, row], logits, rtol=1e-6)
    assert (watch.history("weight") == 1).all()
    assert np.isnan(watch.history("influence")).all()


def test_influence_equals_gradients_at_the_first_step():
    (x, y), model = make_data(), make_net()
    held = make_data(10, seed=9)
    expected = head_gradient_of(model, model[2], *held)
    own = [head_gradient_of(model, model[2], x[i : i + 1], y[i : i + 1]) for i in range(24)]
    watch = cf.watch(model, 24, validation=held, influence=1.0)
    with watch:
        watch.loss(model(x), y, torch.arange(24)).backward()
    dots = [float(one @ expected) for one in own]
    np.testing.assert_allclose(watch.history("influence")[0], dots, rtol=1e-5, atol=1e-7)


def test_sampled_influence_is_nan_in_other_steps():
    (x, y), model = make_data(), make_net()
    watch = cf.watch(model, 24, validation=make_data(10, seed=9), influence=0.5, boundary=4)
    train(watch, model, (x, y), epochs=2)
    there = np.isfinite(watch.history("influence"))
    assert there.sum(axis=1).tolist() == [12, 12]
    assert np.isfinite(watch.history("loss")).all()


def test_validation_leaves_the_training_as_it_is():
    def end(**options):
        torch.manual_seed(1)
        net = torch.nn.Sequential(
            torch.nn.Linear(5, 6),
            torch.nn.BatchNorm1d(6),
            torch.nn.Dropout(),
            torch.nn.Linear(6, 3),
        ).double()
        x, y = make_data()
        with cf.watch(net, 24, boundary=1, **options) as watch:
            for _ in range(3):
                watch.loss(net(x), y, torch.arange(24)).backward()
        return torch.cat([v.flatten().double() for v in net.state_dict().values()]), net.training

    plain, mode = end()
    held, still = end(validation=make_data(10, seed=9), influence=1.0)
    assert torch.equal(plain, held)
    assert mode
    assert still


def test_the_loss_is_that_of_torch():
    (x, y), model = make_data(), make_net()
    expected = torch.nn.functional.cross_entropy(model(x), y)
    with cf.watch(model, 24) as watch:
        assert torch.equal(watch.loss(model(x), y, torch.arange(24)), expected)


def test_gradients_accumulate_to_those_of_the_whole_batch():
    (x, y), model = make_data(), make_net()
    torch.nn.functional.cross_entropy(model(x), y).backward()
    whole = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    with cf.watch(model, 24) as watch:
        for rows in torch.arange(24).split(6):
            (watch.loss(model(x[rows]), y[rows], rows) / 4).backward()
    for parameter, expected in zip(model.parameters(), whole, strict=True):
        torch.testing.assert_close(parameter.grad, expected)
    assert watch.epoch == 1


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_half_precision_outputs(kind):
    (x, y), model = make_data(dtype=torch.float32), make_net(dtype=torch.float32)
    with cf.watch(model, 24) as watch:
        outputs = model(x).to(kind)
        loss = watch.loss(outputs, y, torch.arange(24))
        loss.backward()
    assert loss.dtype == torch.float32
    twins = [measures_of(o.float(), int(t)) for o, t in zip(outputs.detach(), y, strict=True)]
    for name in ("loss", "margin", "probability", "entropy"):
        found = watch.history(name)[0]
        np.testing.assert_allclose(found, [twin[name] for twin in twins], rtol=1e-5, atol=1e-6)


def test_autocast_finds_the_last_layer_and_the_loss():
    (x, y), model = make_data(dtype=torch.float32), make_net(dtype=torch.float32)
    with cf.watch(model, 24) as watch, torch.autocast("cpu", torch.bfloat16):
        outputs = model(x)
        watch.loss(outputs, y, torch.arange(24)).backward()
    assert outputs.dtype == torch.bfloat16
    twin = measures_of(outputs[0].detach().float(), int(y[0]))
    assert watch.history("loss")[0, 0] == pytest.approx(twin["loss"], rel=1e-5)
    assert np.isfinite(watch.history("gradient_norm")).all()


def test_repeated_ids_have_their_mean():
    (x, y), model = make_data(4), make_net()
    rows = torch.tensor([0, 1, 0, 2, 0])
    twins = [measures_of(model(x[i : i + 1])[0].detach(), int(y[i])) for i in rows]
    with cf.watch(model, 4, boundary=2) as watch:
        watch.loss(model(x[rows[:3]]), y[rows[:3]], rows[:3]).backward()
        watch.loss(model(x[rows[3:]] * 0), y[rows[3:]], rows[3:]).backward()
    nought = measures_of(model(x[:1] * 0)[0].detach(), int(y[0]))
    mean = (2 * twins[0]["loss"] + nought["loss"]) / 3
    assert watch.history("loss")[0, 0] == pytest.approx(mean, rel=1e-6)
    assert np.isnan(watch.history("loss")[0]).tolist() == [False, False, False, True]


def test_rows_that_are_not_finite_are_left_out(caplog):
    (x, y), model = make_data(), make_net()
    broken = x.clone()
    broken[3] = torch.nan
    with cf.watch(model, 24) as watch:
        loss = watch.loss(model(broken), y, torch.arange(24))
    assert torch.isnan(loss)
    assert np.flatnonzero(np.isnan(watch.history("loss")[0])).tolist() == [3]
    assert "1 rows of epoch 1" in caplog.text


def test_samples_without_a_label_are_left_out():
    (x, y), model = make_data(), make_net()
    given = y.clone()
    given[[2, 5]] = -100  # what the loss of torch ignores
    seen = []

    class Looker:
        def on_steps(self, record):
            seen.append(record)

        def on_epoch(self, record):
            pass

        def close(self):
            pass

    with cf.watch(model, 24, callbacks=[Looker()]) as watch:
        loss = watch.loss(model(x), given, torch.arange(24))
    assert torch.equal(loss, F.cross_entropy(model(x), given))
    assert np.flatnonzero(np.isnan(watch.history("loss")[0])).tolist() == [2, 5]
    assert [len(seen[0].ids), len(seen[0].steps), len(seen[0].labels)] == [22, 22, 22]
    found = watch.findings()
    assert len(found.table) == 22
    assert found.notes[0].endswith("are not among the findings (2): 2, 5.")
    watch = cf.watch(model, 24, policy="revise")
    with watch, pytest.raises(InputError, match="label of every sample under a policy"):
        watch.loss(model(x), given, torch.arange(24))


def test_the_only_sample_of_a_class_does_not_spoil_the_findings():
    (x, y), model = make_data(), make_net()
    given = torch.where(y == 2, 1, y)
    given[[3, 9]] = torch.tensor([2, -100])
    with cf.watch(model, 30, ids=[f"s{n}" for n in range(30)]) as watch:
        watch.loss(model(x), given, torch.arange(24))
    found = watch.findings()
    assert found.table["id"].tolist() == [f"s{n}" for n in range(24) if n not in (3, 9)]
    unseen, lonely = found.notes[:2]
    assert unseen.endswith("findings (7): s9, s24, s25, s26, s27, s28, s29.")
    assert lonely.startswith("Samples that had a class of their own")
    assert lonely.endswith("(1): s3.")


@pytest.mark.parametrize("weight", [None, (1.0, 2.0, 3.0)], ids=["plain", "weighted"])
@pytest.mark.parametrize("ignored", [-100, 1])
def test_a_loss_that_ignores_a_label_has_its_own_mean(weight, ignored):
    (x, y), model = make_data(), make_net()
    given = torch.where(y == 1, ignored, y)
    classes = None if weight is None else torch.tensor(weight, dtype=x.dtype)
    loss = torch.nn.CrossEntropyLoss(weight=classes, ignore_index=ignored)
    expected = loss(model(x), given)
    with cf.watch(model, 24, loss=loss) as watch:
        found = watch.loss(model(x), given, torch.arange(24))
    assert found.item() == pytest.approx(expected.item(), rel=1e-6)


def test_soft_labels():
    (x, _), model = make_data(), make_net()
    soft = torch.from_numpy(np.random.default_rng(0).dirichlet(np.ones(3), 24))
    with cf.watch(model, 24) as watch:
        outputs = model(x)
        hidden = model[:2](x).detach()
        watch.loss(outputs, soft, torch.arange(24)).backward()
    for row in range(24):
        twin = measures_of(outputs[row].detach(), soft[row].numpy(), hidden[row])
        for name in OF_SAMPLE:
            assert watch.history(name)[0, row] == pytest.approx(twin[name], rel=1e-6, abs=1e-6)


def test_more_rows_than_a_block_and_blocks_that_overflow():
    x, y = make_data(3000, dtype=torch.float32)
    model = make_net(dtype=torch.float32)
    wide = {}
    for size in (64, 999, 3000):
        with cf.watch(model, 3000) as watch:
            for rows in torch.arange(3000).split(size):
                watch.loss(model(x[rows]), y[rows], rows)
        wide[size] = {name: watch.history(name).copy() for name in FIELDS}
    for name in FIELDS:
        np.testing.assert_allclose(wide[64][name], wide[3000][name], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(wide[999][name], wide[3000][name], rtol=1e-4, atol=1e-5)


def test_a_batch_larger_than_the_block():
    x, y = make_data(9000, dtype=torch.float32)
    model = make_net(dtype=torch.float32)
    with cf.watch(model, 9000) as watch:
        watch.loss(model(x), y, torch.arange(9000))
    twin = measures_of(model(x[8999:])[0].detach(), int(y[8999]))
    assert watch.history("margin")[0, 8999] == pytest.approx(twin["margin"], rel=1e-5)


@pytest.mark.parametrize("workers", [0, 2])
def test_with_ids_through_a_loader(workers):
    x, y = make_data(20)
    data = cf.with_ids(TensorDataset(x, y))
    model = make_net()
    loader = DataLoader(data, batch_size=8, shuffle=True, num_workers=workers)
    with cf.watch(model, len(data)) as watch:
        for ids, inputs, labels in loader:
            assert torch.equal(inputs, x[ids])
            watch.loss(model(inputs), labels, ids).backward()
    twin = [measures_of(o, int(t))["loss"] for o, t in zip(model(x).detach(), y, strict=True)]
    np.testing.assert_allclose(watch.history("loss")[0], twin, rtol=1e-6)


def test_with_ids_of_mappings_and_bare_samples():
    assert cf.with_ids([{"text": "a"}, {"text": "b"}])[1] == {"text": "b", "sample_ids": 1}
    assert cf.with_ids(["a", "b"])[0] == (0, "a")
    with pytest.raises(InputError, match="map-style data set with a length"):
        cf.with_ids(iter([1]))


def test_evaluation_is_not_recorded_and_not_heard():
    (x, y), model = make_data(), make_net()
    with cf.watch(model, 24) as watch:
        outputs = model(x)
        with torch.no_grad():
            mean = watch.loss(model(x[:5]), y[:5], torch.arange(5))
        watch.loss(outputs, y, torch.arange(24)).backward()
    expected = torch.nn.functional.cross_entropy(outputs[:5], y[:5])
    assert float(mean) == pytest.approx(float(expected.detach()))
    assert watch.epoch == 1
    assert np.isfinite(watch.history("gradient_norm")).all()


def test_a_model_without_a_last_linear_layer_says_so(caplog):
    x, y = make_data()
    model = torch.nn.Sequential(torch.nn.Linear(5, 3), torch.nn.Tanh()).double()
    with cf.watch(model, 24) as watch:
        watch.loss(model(x), y, torch.arange(24)).backward()
    assert "does not end in a linear layer" in caplog.text
    assert np.isnan(watch.history("gradient_norm")).all()
    assert np.isfinite(watch.history("loss")).all()
    with cf.watch(model, 24, layer=model[0]) as watch:
        watch.loss(model(x), y, torch.arange(24)).backward()
    assert np.isfinite(watch.history("feature_norm")).all()


def test_hooks_come_off():
    model = make_net()
    (x, y) = make_data()
    with cf.watch(model, 24) as watch:
        watch.loss(model(x), y, torch.arange(24))
    assert all(not m._forward_hooks and not m._forward_pre_hooks for m in model.modules())
    with pytest.raises(RuntimeError, match="stop"), cf.watch(model, 24):
        raise RuntimeError("stop")
    assert all(not m._forward_hooks and not m._forward_pre_hooks for m in model.modules())


def buffered(watch, model, data, late=False):
    """Five epochs whose batches lie in the same memory, from the first epoch or the third on."""
    x, y = data
    rows, labels = torch.empty(6, dtype=torch.int64), torch.empty(6, dtype=torch.int64)
    said = []
    with watch:
        for epoch in watch.epochs(5):
            for ids in torch.arange(24).split(6):
                if late and epoch < 2:
                    rows, labels = ids.clone(), y[ids]
                rows.copy_(ids)
                labels.copy_(y[ids])
                outputs = model(x[ids] * (epoch + 1))
                said.append(outputs.detach().clone())
                watch.loss(outputs, labels, rows).backward()
                with torch.no_grad():
                    outputs.zero_()
    return torch.cat(said).reshape(5, 24, 3)


def test_a_loop_that_writes_over_its_batches_is_noticed():
    data, watch = make_data(), cf.watch(make_net(), 24)
    said = buffered(watch, make_net(), data)
    for epoch in range(5):
        np.testing.assert_allclose(watch.history("logits")[epoch], said[epoch], rtol=1e-6)
        twins = [measures_of(o, int(t)) for o, t in zip(said[epoch], data[1], strict=True)]
        np.testing.assert_allclose(
            watch.history("loss")[epoch], [one["loss"] for one in twins], rtol=1e-6
        )


def test_a_loop_that_keeps_its_batches_has_the_same_records_in_every_epoch():
    (x, y), model = make_data(), make_net()
    with cf.watch(model, 24, validation=make_data(9), influence=1.0) as watch:
        for epoch in watch.epochs(3):
            assert watch._ledger.steady == (epoch > 0)
            for ids in torch.arange(24).split(6):
                watch.loss(model(x[ids]), y[ids], ids).backward()
    for name in (*FIELDS, "logits"):
        first, second, third = watch.history(name)
        np.testing.assert_array_equal(second, first)
        np.testing.assert_array_equal(third, first)


def test_a_loop_that_begins_to_write_over_its_outputs_says_so(caplog):
    (x, y), model = make_data(), make_net()
    with cf.watch(model, 24) as watch:
        for epoch in watch.epochs(4):
            for ids in torch.arange(24).split(6):
                outputs = model(x[ids])
                watch.loss(outputs, y[ids], ids).backward()
                if epoch >= 2 and ids[0] == 6:
                    with torch.no_grad():
                        outputs.zero_()
    assert "6 rows were not recorded, for the training loop wrote over" in caplog.text
    gaps = np.isnan(watch.history("loss"))
    assert np.flatnonzero(gaps[2]).tolist() == list(range(6, 12))
    assert not gaps[[0, 1, 3]].any()
    np.testing.assert_array_equal(watch.history("loss")[3], watch.history("loss")[0])


@pytest.mark.parametrize("told", [True, False])
def test_wrong_ids_are_refused_in_later_epochs_too(told):
    (x, y), model = make_data(), make_net()

    def epoch(watch, ids):
        watch.loss(model(x), y, ids).backward()
        if told:
            watch.epoch_end()

    def train_with_a_slip(shift):
        with cf.watch(model, 24) as watch:
            for _ in range(3):
                epoch(watch, torch.arange(24))
            records.append(watch)
            epoch(watch, torch.arange(24) + shift)

    records = []
    for shift in (1, -1):
        with pytest.raises(InputError, match=r"ids in 0..23; got"):
            train_with_a_slip(shift)
        assert len(records[-1].history("loss")) == (3 if told else 2)
