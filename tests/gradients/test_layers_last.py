"""``layers="last"`` where the last weight matrix is read by the model, not called as a module."""

import warnings

import pytest
import torch
import torch.nn.functional as F
from gradient_truth import agree, draw
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from chaffinch.core.errors import InputError
from chaffinch.gradients import GradientFallbackWarning, capture
from chaffinch.influence.last_layer import find_last_layer

X, Y = draw(6, 5), torch.arange(6) % 3


class Made(nn.Module):
    """Parts by name, and a forward pass that is given."""

    def __init__(self, run, **parts):
        super().__init__()
        self.body, self.run = nn.Linear(5, 4), run
        for name, part in parts.items():
            setattr(self, name, part)
        self.double()

    def forward(self, x):
        return self.run(self, torch.tanh(self.body(x)))


def head():
    return nn.Linear(4, 3)


def table(rows, columns):
    return nn.Parameter(torch.randn(rows, columns))


READ_LAST = {
    "cosine": (Made(lambda m, h: F.linear(F.normalize(h), F.normalize(m.o.weight)), o=head()), "o"),
    "parametrized": (Made(lambda m, h: F.linear(h, m.o.weight), o=weight_norm(head())), "o"),
    "forward": (Made(lambda m, h: m.o.forward(h), o=head()), "o"),
    "a parameter": (Made(lambda m, h: h @ m.w, w=table(4, 3)), "w"),
    "tied to a table that is called": (
        Made(lambda m, h: F.linear(h + m.o(Y[: len(h)]), m.o.weight), o=nn.Embedding(3, 4)),
        "o",
    ),
    "after a recurrent layer": (
        Made(lambda m, h: F.linear(m.r(h[:, None])[1][0], m.o.weight), r=nn.GRU(4, 4), o=head()),
        "o",
    ),
}
CALLED_LAST = {
    "positions of the model": Made(lambda m, h: m.o(h + m.p), o=head(), p=table(1, 4)),
    "offset": Made(lambda m, h: m.o(h) + m.p, o=head(), p=table(1, 3)),
    "penalty": Made(lambda m, h: m.o(h) + 0.1 * m.body.weight.sum(), o=head()),
    "parametrized": Made(lambda m, h: m.o(h), o=weight_norm(head())),
    "with attention": Made(
        lambda m, h: m.o(m.a(h[:, None], h[:, None], h[:, None])[0][:, 0]),
        o=head(),
        a=nn.MultiheadAttention(4, 2, batch_first=True),
    ),
}


def last(model, loss=None):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GradientFallbackWarning)
        return capture(model, (X, Y), "last", loss, batch_size=1)


@pytest.mark.parametrize("name", READ_LAST)
def test_a_matrix_that_is_read_last_is_the_last_layer(name):
    model, owner = READ_LAST[name]
    block = last(model)
    assert all(one.split(".")[0] == owner for one in block)
    assert any(float(block.pieces[one].dense().norm()) for one in block)
    assert find_last_layer(model, (X[:1], Y[:1])) is None or name == "forward"


@pytest.mark.parametrize("name", CALLED_LAST)
def test_a_matrix_that_is_read_beside_is_not(name):
    assert {one.split(".")[0] for one in last(CALLED_LAST[name])} == {"o"}


def test_gradients_of_a_matrix_that_is_read():
    model, _ = READ_LAST["cosine"]
    rows = []
    for x, y in zip(X, Y, strict=True):
        loss = F.cross_entropy(model(x[None]), y[None])
        rows.append(torch.autograd.grad(loss, model.o.weight)[0].flatten())
    agree(last(model).pieces["o.weight"].dense(), torch.stack(rows))


def test_several_matrices_that_are_read_need_a_name():
    model = Made(
        lambda m, h: F.linear(F.linear(h, m.a.weight), m.o.weight), a=nn.Linear(4, 4), o=head()
    )
    with pytest.raises(InputError, match=r"calls of their modules: a\.weight, o\.weight.*name"):
        last(model)


def test_matrices_in_the_loss():
    model = Made(lambda _, h: h, o=head())

    def proxies(outputs, targets):
        return F.cross_entropy(F.linear(outputs, model.o.weight), targets, reduction="none")

    def penalised(outputs, targets):
        loss = F.cross_entropy(outputs, targets, reduction="none")
        return loss + model.o.weight.square().sum()

    assert set(last(model, proxies)) == {"o.weight", "o.bias"}
    assert set(last(model, penalised)) == {"body.weight", "body.bias"}
