import warnings

import pytest
import torch
from gradient_truth import agree, check_operations, draw, settle, squares, truth
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from chaffinch.gradients import GradientFallbackWarning, capture, squared_norms

few = settings(max_examples=10, deadline=None)
batch = st.integers(1, 5)


class Tied(nn.Module):
    """One layer used twice, and an embedding table that is the output weight as well."""

    def __init__(self, words=6, width=4):
        super().__init__()
        self.table = nn.Embedding(words, width)
        self.mix = nn.Conv1d(width, width, 3, padding=1)
        self.twice = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, words)
        self.out.weight = self.table.weight

    def forward(self, x):
        z = self.mix(self.mix(self.table(x).mT).sin()).mT
        z = self.norm(self.twice(self.norm(self.twice(z)).sin()))
        return self.out(z.sin()).sin()


@few
@given(batch, st.integers(1, 9))
def test_layers_and_parameters_used_several_times(count, positions):
    model = settle(Tied())
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randint(6, (count, positions), generator=generator), draw(count)
    dense = truth(model, x, y, squares)
    for form in ("factored", "auto"):
        block = capture(model, (x, y), loss=squares, batch_size=2, form=form)
        check_operations(block, dense)
    agree(squared_norms(model, (x, y), loss=squares), dense.square().sum(1))


class Everything(nn.Module):
    """All layers with a rule, and some without."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3))
        self.body = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1, bias=False),
            nn.BatchNorm2d(4),
            nn.ReLU(inplace=True),
            nn.Conv2d(4, 6, 3, stride=2, groups=2, padding="valid", padding_mode="reflect"),
            nn.GroupNorm(2, 6),
            nn.PReLU(6),
            nn.ConvTranspose2d(6, 4, 2),
            nn.InstanceNorm2d(4, affine=True),
            nn.Flatten(2),
        )
        self.attend = nn.MultiheadAttention(4, 2, batch_first=True)
        self.norm = nn.LayerNorm(4)
        self.root = nn.RMSNorm(4)
        self.word = nn.Embedding(5, 4)
        self.bag = nn.EmbeddingBag(5, 4, mode="sum")
        self.recur = nn.GRU(4, 4, batch_first=True)
        self.pair = nn.Bilinear(4, 4, 4)
        self.unused = nn.Linear(2, 2)
        self.frozen = nn.Linear(4, 4).requires_grad_(False)
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        z = self.body(x * self.scale[:, None, None]).mT
        z = z + self.attend(z, z, z, need_weights=False)[0]
        words = (x[:, 0, 0, :4].abs() * 10).long() % 5
        z = self.root(self.norm(z)) + self.word(words).sum(1, keepdim=True)
        z = self.recur(z)[0] + self.bag(words)[:, None]
        return self.head(self.frozen(self.pair(z, z)).relu_().sin().mean(1))


@pytest.mark.parametrize("count", [1, 5])
def test_a_net_of_all_layers(count):
    model = settle(Everything())
    x, y = draw(count, 3, 6, 6), torch.arange(count) % 3
    loss = nn.CrossEntropyLoss(reduction="none")
    dense = truth(model, x, y, loss)
    with pytest.warns(GradientFallbackWarning) as caught:
        block = capture(model, (x, y), batch_size=2)
    message = str(caught[0].message)
    for kind in (
        "PReLU",
        "ConvTranspose2d",
        "InstanceNorm2d",
        "MultiheadAttention",
        "GRU",
        "Bilinear",
        "EmbeddingBag",
        "Everything",
    ):
        assert kind in message
    assert "scale" in message
    agree(block.dense(), dense)
    check_operations(block, dense)
    assert float(block.select(["unused.weight"]).norm(2).sum()) == 0


def test_dead_units_have_zero_gradients():
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)).double()
    with torch.no_grad():
        model[0].bias.fill_(-100)
    x, y = draw(4, 3), torch.tensor([0, 1, 0, 1])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        block = capture(model, (x, y))
    agree(block.dense(), truth(model, x, y, nn.CrossEntropyLoss(reduction="none")))
    assert float(block.select(["0.weight", "0.bias"]).norm(1).sum()) == 0


class Folded(nn.Module):
    """Positions folded into the rows of the batch, samples first, or samples second."""

    def __init__(self, samples_first):
        super().__init__()
        self.first = samples_first
        self.linear = nn.Linear(3, 3)
        self.conv = nn.Conv1d(1, 2, 2)
        self.norm = nn.LayerNorm(3)
        self.table = nn.Embedding(4, 3)

    def forward(self, x):
        z = x if self.first else x.transpose(0, 1)
        words = self.table((z.flatten(0, 1)[:, 0].abs() * 9).long() % 4)
        z = self.norm(self.linear(z.flatten(0, 1)).sin() + words).unflatten(0, z.shape[:2])
        z = z if self.first else z.transpose(0, 1)
        return self.conv(z.flatten(0, 1)[:, None]).sin().unflatten(0, x.shape[:2])


@pytest.mark.parametrize("samples_first", [True, False])
def test_rows_that_are_positions(samples_first):
    model = settle(Folded(samples_first))
    x, y = draw(5, 4, 3), draw(5)
    dense = truth(model, x, y, squares)
    if samples_first:
        block = capture(model, (x, y), loss=squares, batch_size=2, form="factored")
    else:
        with pytest.warns(GradientFallbackWarning, match=r"linear\.weight"):
            block = capture(model, (x, y), loss=squares, batch_size=2, form="factored")
    check_operations(block, dense)


class Growing(nn.Module):
    """A layer that is used more often, or not at all, for some batches."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 3)
        self.extra = nn.Linear(3, 3)

    def forward(self, x):
        z = self.linear(x).sin()
        for _ in range(int(x[0, 0, 0] > 0) * 2):
            z = self.extra(z).sin()
        return z


def test_batches_that_use_layers_differently_are_joined():
    model = settle(Growing())
    x = torch.cat([-draw(2, 4, 3).abs(), draw(3, 4, 3).abs()])
    y = draw(5)
    block = capture(model, (x, y), loss=squares, batch_size=2, form="factored")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check_operations(block, truth(model, x, y, squares))
