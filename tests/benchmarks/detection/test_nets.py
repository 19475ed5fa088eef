import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional as F

from benchmarks.data import Sizes, data_folder, draw_splits
from benchmarks.nets import encode_splits, factory_for, recipe, resnet20, schedule_for
from benchmarks.nets.resnet20 import ResNet20, normalised, trunk_features
from benchmarks.nets.tabular import FTTransformer, TabularResNet
from benchmarks.nets.trunk import TrunkInputs
from chaffinch.core.errors import InputError
from chaffinch.models.factory import make_model


@pytest.fixture
def untrained(monkeypatch):
    # The published weights are not shipped; random ones, with norms that are not all alike.
    def build():
        model = ResNet20()
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2)
        return model.eval()

    model = make_model(build, 0)
    monkeypatch.setattr(resnet20, "pretrained", lambda: model)
    return model


def images(count=5, side=28, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, side, side)).astype(np.uint8)


def test_trunk_and_tail_are_the_whole_network(untrained):
    pixels = images()
    tail = resnet20.tail_factory(10)()
    tail.head.load_state_dict(untrained.linear.state_dict())
    with torch.no_grad():
        whole = untrained(normalised(pixels))
        parts = tail.eval()(trunk_features(pixels))
    assert torch.allclose(parts, whole, atol=1e-4)


def test_training_a_tail_leaves_the_pretrained_network_alone(untrained):
    before = {name: value.clone() for name, value in untrained.state_dict().items()}
    tail = resnet20.tail_factory(3)()
    tail(trunk_features(images())).sum().backward()
    torch.optim.SGD(tail.parameters(), 1.0).step()
    assert all(torch.equal(before[name], value) for name, value in untrained.state_dict().items())


def test_the_shortcut_drops_pixels_and_pads_channels():
    block = resnet20.Block(2, 4, 2).eval()
    torch.nn.init.zeros_(block.conv2.weight)
    x = torch.rand(1, 2, 4, 4)
    out = block(x)
    assert torch.equal(out[:, 1:3], x[:, :, ::2, ::2])
    assert not out[:, [0, 3]].any()


def test_grey_images_get_a_black_margin_and_three_channels():
    pixels = np.full((1, 28, 28), 255, np.uint8)
    made = normalised(pixels) * torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    made = made + torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    wanted = torch.zeros(1, 3, 32, 32)
    wanted[:, :, 2:30, 2:30] = 1
    assert torch.allclose(made, wanted, atol=1e-6)


def test_frozen_features_describe_samples_without_labels():
    tensor = torch.rand(4, 3, 2, 2)
    inputs = TrunkInputs(tensor)
    assert np.allclose(inputs.embedding(), tensor.mean((2, 3)).numpy())
    assert np.array_equal(inputs.embedding_of(TrunkInputs(tensor[1:])), inputs.embedding()[1:])
    assert torch.equal(inputs.batch(torch.tensor([2, 0])), tensor[[2, 0]])


@pytest.mark.slow
def test_the_published_weights_reach_their_accuracy():
    if data_folder() is None:
        pytest.skip("no real data: set CHAFFINCH_DATA to their folder")
    test = draw_splits("cifar10", 0, Sizes(10, 10, 600)).test
    with torch.no_grad():
        logits = resnet20.pretrained()(normalised(test.samples))
    assert (logits.argmax(1).numpy() == test.codes).mean() > 0.88


def tokens_twin(model, x, widths):
    """Token by token, in float64."""
    rows, start = [], 0
    for feature, width in enumerate(widths):
        part = x[:, start : start + width].double()
        weight = model.weight[start : start + width].double()
        rows.append(part @ weight + model.bias[feature].double())
        start += width
    return torch.stack(rows, dim=1)


@pytest.mark.parametrize("widths", [(1,), (1, 3, 2), (4, 1)])
def test_each_feature_has_a_token_of_its_own_columns(widths):
    model = make_model(lambda: FTTransformer(widths, 3, width=16, blocks=2, heads=4), 0)
    x = torch.randn(5, sum(widths))
    assert torch.allclose(model.tokens(x).double(), tokens_twin(model, x, widths), atol=1e-6)
    assert model(x).shape == (5, 3)


@pytest.mark.parametrize(
    "build",
    [
        lambda: FTTransformer((1, 2, 1), 3, width=16, blocks=2, heads=4),
        lambda: TabularResNet(4, 3, width=8),
    ],
    ids=["ft_transformer", "resnet"],
)
def test_every_parameter_learns(build):
    model = make_model(build, 0)
    F.cross_entropy(model(torch.randn(8, 4)), torch.arange(8) % 3).backward()
    silent = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert silent == []


def test_samples_do_not_see_each_other_in_eval_mode():
    model = make_model(lambda: FTTransformer((1, 1), 2, width=16), 0).eval()
    x = torch.randn(6, 2)
    assert torch.allclose(model(x)[2:3], model(x[2:3]), atol=1e-6)


def test_a_width_that_the_heads_do_not_divide_is_refused():
    with pytest.raises(InputError, match="8 heads divide"):
        FTTransformer((1,), 2, width=12)


def table():
    random = np.random.default_rng(0)
    return pd.DataFrame({"a": random.normal(size=12), "b": list("xyz") * 4, "c": range(12)})


def test_a_table_is_encoded_feature_by_feature():
    frame = table()
    made = encode_splits("ft_transformer", frame, frame[:5], frame[5:])
    assert made.widths == (1, 3, 1)
    assert made.train.shape == (5,)
    assert torch.equal(made.validation.batch(torch.arange(5)), made.train.batch(torch.arange(5)))


def test_images_need_a_network_for_images_and_no_other_does():
    with pytest.raises(InputError, match="images for 'resnet20'"):
        encode_splits("resnet20", table(), table(), table())
    made = encode_splits("mlp", images(6, 4), images(2, 4), images(2, 4))
    assert (made.train.shape, made.widths) == ((16,), (16,))
    made = encode_splits("small_resnet", images(6, 8), images(2, 8), images(2, 8))
    assert made.train.shape == (1, 8, 8)


@pytest.mark.parametrize("model", [one for one in recipe.MODELS if one != "resnet20"])
def test_every_network_answers_with_a_row_of_logits(model):
    samples = images(9, 8) if model == "small_resnet" else table()
    made = encode_splits(model, samples, samples[:2], samples[2:4])
    net = make_model(factory_for(model, made, 4), 0).eval()
    assert net(made.train.batch(torch.arange(3))).shape == (3, 4)
    assert schedule_for(model, "letter", made, {"epochs": 3}).epochs == 3


def test_the_study_of_signals_is_trained_as_published(untrained):
    made = encode_splits("resnet20", images(4), images(2), images(2))
    for name, rate in (("mnist", 0.1), ("cifar10", 0.01)):
        plan = schedule_for("resnet20", name, made, {})
        assert (plan.optimizer, plan.momentum, plan.rates) == ("sgd", 0, "constant")
        assert (plan.learning_rate, plan.epochs, plan.batch_size) == (rate, 7, 128)


def test_unknown_networks_and_widths_without_use_are_refused(untrained):
    made = encode_splits("resnet20", images(4), images(2), images(2))
    with pytest.raises(InputError, match="Known: mlp"):
        factory_for("resnet", made, 2) and factory_for("resnot", made, 2)
    with pytest.raises(InputError, match="no width"):
        factory_for("resnet20", made, 2, width=8)
