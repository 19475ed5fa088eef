import importlib

import pytest
import torch
from gradient_truth import agree, check_operations, draw, settle, squares, truth
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from chaffinch.gradients import RULES, capture, squared_norms
from chaffinch.gradients.rules import rule_for
from chaffinch.gradients.rules.rms_norm import ALIKE

few = settings(max_examples=10, deadline=None)
batch = st.integers(1, 5)


class Bent(nn.Module):
    """A layer between two bends, so that errors and inputs differ at every position."""

    def __init__(self, layer):
        super().__init__()
        self.layer = settle(layer)

    def forward(self, x):
        return self.layer(x).sin()


def check(layer, x, operations=True):
    model = Bent(layer)
    y = draw(len(x), seed=9)
    dense = truth(model, x, y, squares)
    for form in ("factored", "auto", "dense"):
        block = capture(model, (x, y), loss=squares, batch_size=2, form=form)
        assert list(block) == [name for name, _ in model.named_parameters()]
        agree(block.dense(), dense)
        if operations and form == "factored":
            check_operations(block, dense)
    agree(squared_norms(model, (x, y), loss=squares, batch_size=3), dense.square().sum(1))


@few
@given(
    batch,
    st.lists(st.integers(1, 4), max_size=2),
    st.integers(1, 5),
    st.integers(1, 5),
    st.booleans(),
)
def test_linear(count, positions, inputs, outputs, bias):
    check(nn.Linear(inputs, outputs, bias), draw(count, *positions, inputs))


class TransposedLinear(nn.Module):
    """As the Conv1D of transformers, known to its rule by name."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x):
        return torch.addmm(self.bias, x.reshape(-1, x.shape[-1]), self.weight).view(
            *x.shape[:-1], -1
        )


@few
@given(batch, st.lists(st.integers(1, 4), max_size=2), st.integers(1, 5), st.integers(1, 5))
def test_the_transposed_linear_layer_of_transformers(count, positions, inputs, outputs):
    kind = type(
        "Conv1D",
        (TransposedLinear,),
        {"__module__": "transformers.pytorch_utils", "__qualname__": "Conv1D"},
    )
    layer = kind(inputs, outputs)
    assert rule_for(layer) is RULES["Conv1D"]
    assert rule_for(TransposedLinear(1, 1)) is None
    check(layer, draw(count, *positions, inputs))


@st.composite
def convolutions(draw_value):
    """Any axes, groups, kernel, stride, dilation and padding; the input is large enough."""
    axes = draw_value(st.integers(1, 3))

    def sizes(low, high):
        return tuple(draw_value(st.integers(low, high)) for _ in range(axes))

    groups = draw_value(st.integers(1, 3))
    channels = (groups * draw_value(st.integers(1, 2)), groups * draw_value(st.integers(1, 3)))
    kernel, dilation = sizes(1, 3), sizes(1, 2)
    padding = draw_value(st.sampled_from(["same", "valid", "amounts"]))
    stride = (1,) * axes if padding == "same" else sizes(1, 3)
    mode = draw_value(st.sampled_from(["zeros", "circular", "reflect", "replicate"]))
    kind = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[axes - 1]
    amounts = sizes(0, 2) if padding == "amounts" else padding
    space = [step * (size - 1) + 2 for size, step in zip(kernel, dilation, strict=True)]
    options = {"padding_mode": mode, "bias": draw_value(st.booleans()), "groups": groups}
    layer = kind(*channels, kernel, stride, amounts, dilation, **options)
    return layer, [max(size, 3) for size in space]


@settings(max_examples=40, deadline=None)
@given(batch, convolutions())
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
def test_convolution(count, drawn):
    layer, space = drawn
    check(layer, draw(count, layer.in_channels, *space))


@few
@given(
    batch,
    st.lists(st.integers(1, 4), min_size=1, max_size=2),
    st.integers(2, 5),
    st.sampled_from([None, 0, 1]),
    st.booleans(),
)
def test_embedding(count, positions, height, padding, sparse):
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(height, (count, *positions), generator=generator)
    model = nn.Embedding(height, 3, padding_idx=padding, sparse=sparse)
    twin = nn.Embedding(height, 3, padding_idx=padding)
    bent, y = Bent(model), draw(count, seed=9)
    dense = truth(Bent(twin), x, y, squares)
    for form in ("factored", "auto"):
        block = capture(bent, (x, y), loss=squares, batch_size=2, form=form)
        check_operations(block, dense)


@few
@given(
    batch,
    st.lists(st.integers(1, 3), max_size=2),
    st.lists(st.integers(2, 4), min_size=1, max_size=2),
    st.booleans(),
)
def test_layer_norm_and_rms_norm(count, positions, shape, affine):
    x = draw(count, *positions, *shape)
    check(nn.LayerNorm(shape, bias=affine), x)
    check(nn.RMSNorm(shape), x)


@pytest.mark.parametrize("name", ALIKE)
def test_root_mean_square_norms_of_transformers(name):
    pytest.importorskip("transformers")
    place = f"transformers.models.{name.lower()}.modeling_{name.lower()}"
    layer = getattr(importlib.import_module(place), f"{name}RMSNorm")(4)
    model = Bent(layer)
    x, y = draw(3, 2, 4).float().double(), draw(3)  # the layer itself goes through float32
    found = capture(model, (x, y), loss=squares).dense()
    true = truth(model, x, y, squares)
    assert float((found - true).abs().max()) <= 1e-6 * float(true.abs().max())


@few
@given(batch, st.integers(1, 3), st.integers(1, 2), st.lists(st.integers(2, 3), max_size=3))
def test_group_norm(count, groups, each, space):
    check(nn.GroupNorm(groups, groups * each), draw(count, groups * each, *(space or [2])))


@few
@given(batch, st.integers(1, 3), st.integers(0, 3))
def test_batch_norm_with_running_statistics(count, channels, axes):
    kind = [nn.BatchNorm1d, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d][axes]
    check(kind(channels), draw(count, channels, *[2] * axes))


class Adapted(nn.Module):
    """A frozen linear layer and a pair of low-rank ones, as adapters of language models are."""

    def __init__(self, width, rank):
        super().__init__()
        self.base = nn.Linear(width, width).requires_grad_(False)
        self.lora_a = nn.Linear(width, rank, bias=False)
        self.lora_b = nn.Linear(rank, width, bias=False)

    def forward(self, x):
        return self.base(x) + 2 * self.lora_b(self.lora_a(x))


@few
@given(batch, st.integers(1, 4), st.integers(1, 3))
def test_low_rank_adapters_are_linear_layers(count, positions, rank):
    model = Bent(Adapted(4, rank))
    x, y = draw(count, positions, 4), draw(count)
    block = capture(model, (x, y), loss=squares)
    assert list(block) == ["layer.lora_a.weight", "layer.lora_b.weight"]
    check_operations(block, truth(model, x, y, squares))


def test_every_registered_rule_has_a_test_above():
    tested = {
        "Linear",
        "Conv1D",
        "Conv1d",
        "Conv2d",
        "Conv3d",
        "Embedding",
        "LayerNorm",
        "RMSNorm",
        "GroupNorm",
        "BatchNorm1d",
        "BatchNorm2d",
        "BatchNorm3d",
        *(f"{name}RMSNorm" for name in ALIKE),
    }
    assert set(RULES) == tested
