"""`layers="last"` is the last layer by its values and gradients, whatever stands around it."""

import contextlib
import warnings

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations

import chaffinch as cf
from chaffinch.core.errors import InputError
from chaffinch.influence import ESTIMATORS
from chaffinch.influence.last_layer import find_last_layer

GENERATOR = torch.Generator().manual_seed(0)
DATA = (
    torch.randn(20, 4, generator=GENERATOR).double(),
    torch.randint(0, 3, (20,), generator=GENERATOR),
)


class Net(nn.Module):
    """A body, a head, and what is made of the head's output."""

    def __init__(self, head, after=lambda z: z, beside=None):
        super().__init__()
        self.body = nn.Linear(4, 6)
        self.head = head
        self.after = after
        self.beside = beside

    def forward(self, x):
        hidden = torch.tanh(self.body(x))
        logits = self.after(self.head(hidden))
        if self.beside is not None:
            self.beside(hidden)
        return logits


class Tripled(nn.Linear):
    def forward(self, x):
        return F.linear(x, 3 * self.weight, self.bias)


class Gained(nn.Linear):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.gain = nn.Parameter(torch.full((1,), 2.0))

    def forward(self, x):
        return super().forward(x) * self.gain


class Reversed(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return -2 * gradient


def head():
    torch.manual_seed(0)
    return nn.Linear(6, 3)


def zero_head():
    made = head()
    nn.init.zeros_(made.weight)
    nn.init.zeros_(made.bias)
    return made


def with_hook():
    made = head()
    made.register_forward_hook(lambda _module, _inputs, output: 2 * output)
    return made


def with_pre_hook():
    made = head()
    made.register_forward_pre_hook(lambda _module, inputs: (2 * inputs[0],))
    return made


NETS = {
    "plain": lambda: Net(head()),
    "divided in place": lambda: Net(head(), lambda z: z.div_(0.25)),
    "clamped in place": lambda: Net(head(), lambda z: z.clamp_(-0.5, 0.5)),
    "divided": lambda: Net(head(), lambda z: z / 0.25),
    "zeros that are scaled": lambda: Net(zero_head(), lambda z: z * 3),
    "reversed gradients": lambda: Net(head(), Reversed.apply),
    "a forward of its own": lambda: Net(Tripled(6, 3)),
    "a parameter more": lambda: Net(Gained(6, 3)),
    "a hook on the output": lambda: Net(with_hook()),
    "a hook on the input": lambda: Net(with_pre_hook()),
    "weight norm": lambda: Net(parametrizations.weight_norm(head())),
    "spectral norm": lambda: Net(parametrizations.spectral_norm(head())),
    "an idle layer beside": lambda: Net(head(), beside=nn.Linear(6, 5)),
    "an idle layer beside a scaled one": lambda: Net(
        head(), lambda z: z.mul_(2), beside=nn.Linear(6, 5)
    ),
}


def head_gradients(model, data):
    """(N, P) of all parameters of the head, one sample at a time."""
    model.eval()
    own, rows = list(model.head.parameters()), []
    for i in range(len(data[1])):
        loss = F.cross_entropy(model(data[0][i : i + 1]), data[1][i : i + 1])
        rows.append(torch.cat([g.flatten() for g in torch.autograd.grad(loss, own)]))
    model.train()
    return torch.stack(rows)


@pytest.mark.parametrize("name", NETS)
def test_the_gradients_are_those_of_the_head(name):
    model = NETS[name]().double()
    truth, targets = head_gradients(model, DATA), (DATA[0][:5], DATA[1][:5])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = cf.attribute(model, DATA, targets, "grad_dot")
        own = cf.self_influence(model, DATA, "grad_dot", "last")
        # More data than one pass takes: a clamp may act in the second one alone.
        many = DATA[0].repeat(15, 1) * torch.linspace(0.01, 1, 300)[:, None], DATA[1].repeat(15)
        far = cf.self_influence(model, many, "grad_dot", "last")
    torch.testing.assert_close(found, truth @ truth[:5].T)
    torch.testing.assert_close(own, truth.square().sum(1))
    torch.testing.assert_close(far, head_gradients(model, many).square().sum(1))


def test_a_plain_head_is_read_in_a_forward_pass():
    found = {name: find_last_layer(make().double(), DATA) for name, make in NETS.items()}
    taken = {"plain", "a hook on the input", "an idle layer beside"}
    assert {name for name, layer in found.items() if layer == "head"} - {
        "clamped in place"
    } == taken


def quiet(make):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make()


OPTIONS = {
    "exact": {"damping": 1.0},
    "lissa": {"curvature": "ggn", "depth": 3, "repeats": 1},
    "cg": {"curvature": "ggn", "iterations": 3},
    "gex": {"members": 2, "steps": 2},
    "arnoldi": {"iterations": 3},
}
MODES = [
    (torch.inference_mode, estimator, layers)
    for estimator in ESTIMATORS
    for layers in ("last", "all")
    if (estimator, layers) != ("representer", "all")
]
MODES += [(torch.no_grad, "grad_dot", "all"), (torch.no_grad, "ggn", "all")]


@pytest.mark.parametrize(("mode", "estimator", "layers"), MODES)
def test_without_gradients_around_the_numbers_are_the_same(mode, estimator, layers):
    model, options = Net(head()).double(), OPTIONS.get(estimator, {})

    def act(data):
        targets = data[0][:3], data[1][:3]
        return quiet(lambda: cf.attribute(model, data, targets, estimator, layers, **options))

    expected = act(DATA)
    with mode():
        found = act((DATA[0].clone(), DATA[1].clone()))
        block = cf.gradients.capture(model, DATA)
    assert expected.abs().max() > 0
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(block.dense(), cf.gradients.capture(model, DATA).dense())


def test_a_model_made_in_inference_mode_is_refused():
    with torch.inference_mode():
        model = nn.Linear(4, 3).double()
    with pytest.raises(InputError, match=r"made in torch\.inference_mode"):
        cf.self_influence(model, DATA)
    model = Net(head()).double()
    with torch.inference_mode():
        model.scale = torch.ones(6, dtype=torch.float64)
    model.body.register_forward_hook(lambda _m, _i, output: output * model.scale)
    with pytest.raises(InputError, match=r"made in torch\.inference_mode"):
        cf.self_influence(model, DATA, layers="all")


class Sequence(nn.Module):
    def __init__(self, core, run=lambda core, x: core(x)):
        super().__init__()
        self.core, self.run = core, run
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        return self.head(self.run(self.core, x).mean(1))


SEQUENCES = {
    "MultiheadAttention": lambda: Sequence(
        nn.MultiheadAttention(4, 2, batch_first=True),
        lambda core, x: core(x, x, x, need_weights=False)[0],
    ),
    "TransformerEncoderLayer": lambda: Sequence(
        nn.TransformerEncoderLayer(4, 2, 6, batch_first=True, activation="gelu")
    ),
    "scaled_dot_product_attention": lambda: Sequence(
        nn.Linear(4, 12),
        lambda core, x: F.scaled_dot_product_attention(*core(x).chunk(3, -1), is_causal=True),
    ),
    "LSTM": lambda: Sequence(nn.LSTM(4, 4, batch_first=True), lambda core, x: core(x)[0]),
}
TEXTS = (
    torch.randn(8, 5, 4, generator=torch.Generator().manual_seed(1)),
    torch.tensor([0, 1, 2, 0, 1, 2, 0, 1]),
)


@pytest.mark.parametrize("name", SEQUENCES)
def test_curvature_of_attention_equals_plain_differences(name):
    """The Hessian times a vector against differences of gradients, and every solver runs."""
    torch.manual_seed(0)
    model = SEQUENCES[name]().double().eval()
    data = TEXTS[0].double(), TEXTS[1]
    from chaffinch.influence.product import curvature_product
    from chaffinch.influence.task import Task

    task = Task(model, data, "all")
    names = list(quiet(lambda: task.block))
    own = [dict(model.named_parameters())[one] for one in names]
    vector = torch.randn(sum(p.numel() for p in own), generator=GENERATOR).double()
    product = quiet(lambda: curvature_product(task, "hessian")(vector[:, None]))[:, 0]

    def gradient(step):
        parts = torch.split(vector * step, [p.numel() for p in own])
        with torch.no_grad():
            for p, part in zip(own, parts, strict=True):
                p += part.view_as(p)
        found = torch.autograd.grad(F.cross_entropy(model(data[0]), data[1]), own)
        with torch.no_grad():
            for p, part in zip(own, parts, strict=True):
                p -= part.view_as(p)
        return torch.cat([g.flatten() for g in found])

    slope = (gradient(1e-5) - gradient(-1e-5)) / 2e-5
    torch.testing.assert_close(product, slope, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("estimator", ["ggn", "exact", "cg", "arnoldi", "lissa"])
def test_the_solvers_run_on_attention(estimator):
    torch.manual_seed(0)
    model, data = SEQUENCES["MultiheadAttention"](), (TEXTS[0][:4], TEXTS[1][:4])
    options = OPTIONS.get(estimator, {})
    found = quiet(lambda: cf.attribute(model, data, data, estimator, "all", **options))
    assert torch.isfinite(found).all()
    assert found.abs().max() > 0


def test_an_operation_without_a_second_derivative_is_named():
    model = Sequence(nn.Linear(4, 4), lambda core, x: torch.cdist(core(x), x)[..., :4]).double()
    data = TEXTS[0].double(), TEXTS[1]
    with (
        contextlib.suppress(UserWarning),
        pytest.raises(InputError, match=r"differentiated twice; got .*cdist.*curvature='fisher'"),
    ):
        quiet(lambda: cf.self_influence(model, data, "ggn", "all"))
