import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch import nn

from chaffinch.core.errors import InputError
from chaffinch.models.defaults import MLP, BagOfTerms, SmallResNet
from chaffinch.models.inputs import SparseInputs
from chaffinch.models.layers import InputListener, evaluation, last_linear

BATCH = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))


class Own(nn.Module):
    """Layers in an order that the attributes do not tell."""

    def __init__(self, tail=None):
        super().__init__()
        self.head = nn.Linear(5, 2)
        self.body = nn.Linear(4, 5)
        self.unused = nn.Linear(2, 2)
        self.tail = tail or nn.Identity()

    def forward(self, x):
        return self.tail(self.head(torch.relu(self.body(x))))


def hooks(model):
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())


@pytest.mark.parametrize("model", [MLP(4, 3), BagOfTerms(4, 3)], ids=["MLP", "BagOfTerms"])
def test_the_head_of_the_defaults_is_found(model):
    assert last_linear(model, BATCH) is model.head


@pytest.mark.parametrize("tail", [nn.Identity(), nn.Dropout(0.5), nn.Flatten()], ids=str)
def test_the_head_is_the_layer_whose_output_comes_out(tail):
    model = Own(tail)
    assert last_linear(model, BATCH) is model.head


@pytest.mark.parametrize(
    "tail",
    [nn.Softmax(1), nn.ReLU(), nn.ReLU(inplace=True), nn.LogSoftmax(1), nn.BatchNorm1d(2)],
    ids=str,
)
def test_a_net_that_ends_in_something_else_has_no_head(tail):
    torch.manual_seed(0)
    assert last_linear(Own(tail), BATCH) is None


def test_a_net_without_linear_layers_has_no_head():
    assert last_linear(nn.Sequential(nn.Flatten(), nn.Softmax(1)), BATCH) is None


def test_a_net_that_answers_with_something_else_has_no_head():
    class Pair(Own):
        def forward(self, x):
            return super().forward(x), None

    assert last_linear(Pair(), BATCH) is None


def test_a_linear_layer_over_positions_is_no_head():
    assert last_linear(nn.Linear(4, 2), BATCH[None]) is None


def test_a_head_in_lower_precision_is_found():
    class Cast(Own):
        def forward(self, x):
            return super().forward(x.bfloat16()).float()

    model = Cast().bfloat16()
    assert last_linear(model, BATCH) is model.head


def test_hooks_come_off_and_modes_come_back():
    model = Own(nn.Dropout(0.5))
    model.body.eval()
    last_linear(model, BATCH)
    assert hooks(model) == 0
    assert [model.training, model.body.training, model.tail.training] == [True, False, True]


def test_hooks_come_off_and_modes_come_back_after_an_error():
    class Broken(nn.Module):
        def forward(self, x):
            raise KeyError("inside")

    model = Own(Broken())
    model.body.eval()
    with pytest.raises(InputError, match=r"\(Own\).*KeyError: 'inside'") as told:
        last_linear(model, BATCH)
    assert isinstance(told.value.__cause__, KeyError)
    with pytest.raises(KeyError), InputListener(model.head):
        model(BATCH)
    assert hooks(model) == 0
    assert [model.training, model.body.training] == [True, False]


def test_evaluation_is_eval_mode_and_back():
    model = Own(nn.Dropout(0.5)).eval()
    model.head.train()
    with evaluation(model):
        assert not any(module.training for module in model.modules())
    assert model.head.training
    assert not model.training


def test_a_listener_keeps_the_latest_input():
    model = Own()
    with InputListener(model.head) as listener, torch.no_grad():
        assert listener.latest is None
        model(BATCH[:1])
        model(BATCH)
        assert torch.equal(listener.latest, torch.relu(model.body(BATCH)))
    assert listener.latest is None
    assert hooks(model) == 0
    with InputListener(None) as deaf:
        model(BATCH)
        assert deaf.latest is None


@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("size", [(1, 1), (2, 5), (15, 16), (16, 16), (28, 28), (1, 64), (64, 64)])
def test_the_residual_net_takes_images_of_any_size(channels, size):
    model = SmallResNet((channels, *size), num_classes=4, width=4)
    logits = model(torch.rand(3, channels, *size))
    assert logits.shape == (3, 4)
    assert torch.isfinite(logits).all()
    logits.sum().backward()
    assert last_linear(model, torch.rand(1, channels, *size)) is model.head


@pytest.mark.parametrize("model", [MLP(6, 3), BagOfTerms(6, 3)], ids=["MLP", "BagOfTerms"])
def test_nets_over_terms_take_sparse_batches(model):
    matrix = sp.random(5, 6, 0.5, "csr", np.float32, np.random.default_rng(0))
    index = torch.tensor([4, 1, 1])
    model.eval()
    sparse = model(SparseInputs(matrix).batch(index))
    dense = model(SparseInputs(matrix, dense=True).batch(index))
    assert sparse.shape == (3, 3)
    torch.testing.assert_close(sparse, dense)


def test_the_mlp_flattens():
    assert MLP(24, 3)(torch.rand(2, 4, 6)).shape == (2, 3)
