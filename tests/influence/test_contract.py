"""What holds for every estimator, checkpoints, and results on disk."""

import warnings

import numpy as np
import pytest
import torch
from influence_truth import all_names, close, gradients, make_case
from torch import nn

import chaffinch.influence as ci
from chaffinch.core.errors import InputError
from chaffinch.influence import disk

NAMES = list(ci.ESTIMATORS)
BY_DESIGN_OF_ORDER = {"gex", "ekfac"}  # random draws go by position


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ci.InfluenceWarning)
        yield


def test_every_estimator_of_the_contract_is_registered_and_described():
    contract = "grad_dot grad_cos tracin exact ggn fisher cg lissa arnoldi datainf ekfac trak gex"
    assert set(contract.split()) | {"representer"} == set(NAMES)
    for name, preset in ci.ESTIMATORS.items():
        assert preset.name == name
        assert preset.summary
        assert "20" in preset.paper or "19" in preset.paper
        assert preset.cost
        assert len(preset.summary) < 100
        assert repr(preset.configured({})) == repr(preset.configured({}))


@pytest.mark.parametrize("name", NAMES)
def test_shapes_types_and_self_influence_is_the_diagonal(name):
    case = make_case(samples=11, targets=4)
    found = ci.attribute(case.model, case.data, case.targets, name)
    assert found.shape == (11, 4)
    assert found.dtype == torch.float64
    own = ci.self_influence(case.model, case.data, name, "last")
    both = ci.attribute(case.model, case.data, case.data, name)
    assert close(own, both.diagonal())


@pytest.mark.parametrize("name", NAMES)
def test_the_mean_target_is_the_mean_over_targets(name):
    case = make_case(targets=5)
    each = ci.attribute(case.model, case.data, case.targets, name)
    mean = ci.attribute(case.model, case.data, case.targets, name, mean_target=True)
    tolerance = {"cg": 1e-4, "lissa": 1e-4}.get(name, 1e-9)
    assert close(mean, each.mean(1, keepdim=True), tolerance)


@pytest.mark.parametrize("name", sorted(set(NAMES) - BY_DESIGN_OF_ORDER))
def test_rows_follow_samples(name):
    case = make_case(samples=13)
    order = torch.randperm(13, generator=torch.Generator().manual_seed(0))
    first = ci.attribute(case.model, case.data, case.targets, name)
    moved = tuple(part[order] for part in case.data)
    tolerance = 1e-5 if name in ("cg", "lissa", "representer") else 1e-9
    assert close(ci.attribute(case.model, moved, case.targets, name), first[order], tolerance)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (9, 1)])
def test_one_sample_and_one_target(name, shape):
    case = make_case(*shape)
    assert ci.attribute(case.model, case.data, case.targets, name).shape == shape
    assert ci.self_influence(case.model, case.data, name, "last").shape == shape[:1]


@pytest.mark.parametrize("name", NAMES)
def test_no_target_gives_no_column_and_no_sample_an_error(name):
    case = make_case(samples=5)
    nothing = tuple(part[:0] for part in case.targets)
    if name == "representer":
        with pytest.raises(InputError, match="at least one target"):
            ci.attribute(case.model, case.data, nothing, name)
    else:
        assert ci.attribute(case.model, case.data, nothing, name).shape == (5, 0)
    with pytest.raises(InputError, match="at least one sample"):
        ci.attribute(case.model, nothing, case.targets, name)


@pytest.mark.parametrize("name", NAMES)
def test_dead_features_and_fitted_samples_stay_finite(name):
    case = make_case(samples=12)
    case.data[0][:] = 0
    assert torch.isfinite(ci.attribute(case.model, case.data, case.targets, name)).all()
    with torch.no_grad():
        case.model[0].bias.zero_()
        case.model[0].bias[0] = 2000.0
    case.data[1][:] = 0
    values = ci.self_influence(case.model, case.data, name, "last")
    assert torch.isfinite(values).all()


@pytest.mark.parametrize("name", NAMES)
def test_the_model_is_left_as_it_was(name):
    case = make_case(hidden=3)
    case.model.train()
    case.model[0].weight.requires_grad_(False)
    before = {key: value.clone() for key, value in case.model.state_dict().items()}
    ci.attribute(case.model, case.data, case.targets, name)
    assert all(torch.equal(before[key], value) for key, value in case.model.state_dict().items())
    assert case.model.training
    assert not case.model[0].weight.requires_grad
    assert all(p.grad is None for p in case.model.parameters())
    assert not case.model[2]._forward_hooks


@pytest.mark.parametrize("name", ["exact", "ekfac", "datainf", "trak", "lissa"])
def test_float32_agrees_with_float64(name):
    case = make_case()
    truth = ci.self_influence(case.model, case.data, name, "last", **_empirical(name))
    case.model.float()
    found = ci.self_influence(case.model, case.data, name, "last", **_empirical(name))
    assert found.dtype == torch.float32
    assert close(found.double(), truth, 1e-3)


def _empirical(name):
    return {"labels": "empirical"} if name == "ekfac" else {}


def test_unknown_names_and_options_are_named():
    case = make_case()
    with pytest.raises(InputError, match="Did you mean 'datainf'"):
        ci.attribute(case.model, case.data, case.targets, "datinf")
    with pytest.raises(InputError, match="options of 'exact': damping, limit; got tolerance"):
        ci.attribute(case.model, case.data, case.targets, "exact", tolerance=1)
    with pytest.raises(InputError, match="damping of at least 0"):
        ci.attribute(case.model, case.data, case.targets, "exact", damping=-1.0)
    with pytest.raises(InputError, match="Use estimator='ekfac' or 'cg'"):
        ci.attribute(case.model, case.data, case.targets, "exact", limit=3)
    with pytest.raises(InputError, match="layers='last'"):
        ci.attribute(case.model, case.data, case.targets, "representer", "all")


def test_tracin_adds_checkpoints_up_by_learning_rate(tmp_path):
    cases = [make_case(hidden=3, seed=seed) for seed in range(3)]
    base, rates = cases[0], [0.3, 0.2, 0.1]
    truth, own = 0, 0
    for case, rate in zip(cases, rates, strict=True):
        g, g2 = (gradients(case, all_names(case), d) for d in (base.data, base.targets))
        truth, own = truth + rate * g @ g2.T, own + rate * g.square().sum(1)
    for epoch, case in enumerate(cases):
        torch.save(case.model.state_dict(), tmp_path / f"epoch-{epoch}.pt")
    paths = sorted(tmp_path.glob("*.pt"))
    states = [case.model.state_dict() for case in cases]
    models = [case.model for case in cases]
    for given in (paths, states, models, str(tmp_path / "*.pt")):
        options = {"layers": "all", "checkpoints": given, "learning_rates": rates}
        assert close(ci.attribute(base.model, base.data, base.targets, **options), truth)
        assert close(ci.self_influence(base.model, base.data, "tracin", **options), own)


def test_other_estimators_average_checkpoints():
    cases = [make_case(seed=seed) for seed in range(2)]
    base = cases[0]
    each = [ci.attribute(c.model, base.data, base.targets, "exact") for c in cases]
    states = [c.model.state_dict() for c in cases]
    found = ci.attribute(base.model, base.data, base.targets, "exact", checkpoints=states)
    assert close(found, (each[0] + each[1]) / 2)


def test_bad_checkpoints_are_named():
    case = make_case()
    with pytest.raises(InputError, match="at least one checkpoint"):
        ci.attribute(case.model, case.data, case.targets, checkpoints=[])
    with pytest.raises(InputError, match="a path, a state dict or a model"):
        ci.attribute(case.model, case.data, case.targets, checkpoints=[3])
    with pytest.raises(InputError, match="a state dict that fits Sequential"):
        ci.attribute(case.model, case.data, case.targets, checkpoints={"w": torch.ones(1)})
    with pytest.raises(InputError, match="one finite learning rate for each of 1"):
        ci.attribute(case.model, case.data, case.targets, learning_rates=[1, 2])


@pytest.mark.parametrize("name", ["tracin", "exact", "trak"])
def test_on_disk_equals_in_memory(name, tmp_path, monkeypatch):
    monkeypatch.setattr("chaffinch.influence.attribution.TILE_FLOATS", 12)
    monkeypatch.setattr("chaffinch.influence.bilinear._STRIP_FLOATS", 40)
    cases = [make_case(seed=seed) for seed in range(2)]
    base, states = cases[0], [case.model.state_dict() for case in cases]
    options = {"estimator": name, "checkpoints": states}
    truth = ci.attribute(base.model, base.data, base.targets, **options)
    path = tmp_path / "influence.npy"
    found = ci.attribute_to_disk(base.model, base.data, base.targets, path, **options)
    assert isinstance(found, np.memmap)
    assert found.dtype == np.float32
    assert np.allclose(found, truth.numpy(), rtol=1e-5, atol=1e-6)
    assert [file.name for file in tmp_path.iterdir()] == ["influence.npy"]


@pytest.mark.parametrize("stop", [1, 4, 7, 11, 15])
@pytest.mark.parametrize("moment", ["_advance", "flush"])
def test_a_stopped_run_goes_on(stop, moment, tmp_path, monkeypatch):
    monkeypatch.setattr("chaffinch.influence.attribution.TILE_FLOATS", 24)
    cases = [make_case(seed=seed) for seed in range(2)]
    base, states = cases[0], [case.model.state_dict() for case in cases]
    path, calls = tmp_path / "influence.npy", [0]
    arguments = base.model, base.data, base.targets, path, "tracin"

    class StoppedError(Exception):
        pass

    original = disk.Draft._advance

    def advance(self, done):
        calls[0] += 1
        if calls[0] == stop + 1:
            if moment == "flush":  # progress is written, then the power goes
                original(self, done)
            raise StoppedError
        original(self, done)

    with monkeypatch.context() as patch:
        patch.setattr(disk.Draft, "_advance", advance)
        with pytest.raises(StoppedError):
            ci.attribute_to_disk(*arguments, checkpoints=states)
    assert not path.exists()
    done = []
    monkeypatch.setattr(disk.Draft, "_advance", lambda s, d: (done.append(d), original(s, d))[1])
    found = ci.attribute_to_disk(*arguments, checkpoints=states)
    truth = ci.attribute(base.model, base.data, base.targets, checkpoints=states)
    assert np.allclose(found, truth.numpy(), rtol=1e-5, atol=1e-6)
    assert len(done) <= 16 - stop + 1


def test_a_draft_of_other_work_is_started_anew(tmp_path, monkeypatch):
    case, other = make_case(seed=0), make_case(seed=1)
    path = tmp_path / "influence.npy"

    def fail(self):
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(disk.Draft, "finish", fail)
        with pytest.raises(RuntimeError):
            ci.attribute_to_disk(case.model, case.data, case.targets, path)
    found = ci.attribute_to_disk(other.model, other.data, other.targets, path)
    truth = ci.attribute(other.model, other.data, other.targets)
    assert np.allclose(found, truth.numpy(), rtol=1e-5, atol=1e-6)


def test_a_dataset_soft_labels_and_a_loss_of_ones_own():
    case = make_case(hidden=3)
    pairs = torch.utils.data.TensorDataset(*case.data)
    truth = ci.attribute(case.model, case.data, case.targets, "exact")
    assert close(ci.attribute(case.model, pairs, case.targets, "exact"), truth)
    hot = case.data[0], nn.functional.one_hot(case.data[1], 3).double()
    assert close(ci.attribute(case.model, hot, case.targets, "exact"), truth)

    def loss(outputs, y):
        return nn.functional.cross_entropy(outputs, y, reduction="none")

    found = ci.attribute(case.model, case.data, case.targets, "exact", loss=loss)
    assert close(found, truth)


def test_a_tied_or_reused_last_layer_is_not_taken_for_a_plain_one():
    class Reused(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 3)

        def forward(self, x):
            return self.layer(torch.tanh(self.layer(x)))

    torch.manual_seed(0)
    model = Reused().double()
    data = torch.randn(8, 3).double(), torch.randint(0, 3, (8,))
    found = ci.self_influence(model, data, "grad_dot", "last")
    truth = []
    for x, y in zip(*data, strict=True):
        model.zero_grad()
        nn.functional.cross_entropy(model(x[None]), y[None]).backward()
        truth.append(sum(p.grad.square().sum() for p in model.parameters()))
    assert close(found, torch.stack(truth))
