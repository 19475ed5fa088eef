"""What a user's model raises is one clear error, wherever Chaffinch runs the model."""

import pickle

import numpy as np
import pytest
import torch
from torch import nn

import chaffinch as cf
from chaffinch.core.errors import InputError
from chaffinch.models.forward import copy_of, described, forward

N, K, C = 12, 3, 3
X = (
    torch.randn(N, K, generator=torch.Generator().manual_seed(0))
    + 3 * torch.eye(K)[torch.arange(N) % C]
)
Y = torch.arange(N) % C


class Flaky(nn.Module):
    """Raises an error in its forward pass once some passes went well; copies count on."""

    left = 0

    def __init__(self, hidden=False):
        super().__init__()
        self.body = nn.Linear(K, 4) if hidden else nn.Identity()
        self.head = nn.Linear(4 if hidden else K, C)

    def forward(self, x):
        type(self).left -= 1
        if type(self).left < 0:
            raise LookupError("no such sample\nin my cache")
        return self.head(self.body(x))


def failures_of(call, growth=0.0):
    """The error of a call when the model fails at its first pass, at its second, and so on."""
    passes = 0
    while passes < 10_000:
        Flaky.left = passes
        try:
            call()
        except Exception as error:
            yield error
        if Flaky.left >= 0:  # it went through
            return
        passes += 1 + int(growth * passes)
    raise AssertionError("endless")


def check(call, growth=1.0):
    count = 0
    for error in failures_of(call, growth):
        count += 1
        assert isinstance(error, InputError), error
        assert "Flaky" in error.expected
        assert "float32 (" in error.expected or "of shape (B, 3)" in error.expected
        assert error.got == "LookupError: no such sample in my cache"
        assert isinstance(error.__cause__, LookupError)
    return count


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("estimator", "layers"),
    [
        (estimator, layers)
        for estimator in cf.influence.ESTIMATORS
        for layers in ("all", "last")
        if (estimator, layers) != ("representer", "all")  # is defined for the last layer alone
    ],
)
def test_models_that_fail_under_an_estimator(estimator, layers):
    options = {
        "lissa": {"depth": 2},
        "gex": {"members": 2, "steps": 2},
        "arnoldi": {"iterations": 4},
    }.get(estimator, {})
    model = Flaky(hidden=layers == "last")
    assert check(lambda: cf.self_influence(model, (X, Y), estimator, layers, **options))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_models_that_fail_under_queries_capture_and_forgetting():
    model = Flaky()
    assert check(lambda: cf.attribute(model, (X, Y), (X[:2], Y[:2])))
    assert check(lambda: cf.gradients.capture(model, (X, Y), batch_size=7))
    assert check(lambda: cf.forget(model, (X, Y), np.arange(N) < 3))


@pytest.mark.slow
def test_models_that_fail_in_a_scan():
    options = {"epochs": 1, "folds": 2, "canaries": False, "batch_size": 6}
    assert check(lambda: cf.scan((X.numpy(), Y.numpy()), model=Flaky(), **options)) > 3


def test_models_that_fail_on_the_validation_samples_of_a_watch():
    def train():
        model = nn.Sequential(Flaky())
        with cf.watch(model, num_samples=N, validation=(X, Y), influence=1.0, alarms=True) as watch:
            for _ in watch.epochs(2):
                watch.loss(model[0].head(X), Y, torch.arange(N)).backward()

    for error in failures_of(train, 0.5):
        assert isinstance(error, InputError)
        assert "Sequential" in error.expected


class Swapped(nn.Module):
    """Answers in training mode otherwise than in evaluation mode."""

    def __init__(self, answer):
        super().__init__()
        self.layer, self.answer = nn.Linear(K, C), answer

    def forward(self, x):
        out = self.layer(x)
        return self.answer(out) if self.training else out


class NoWayBack(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, *_):
        raise OSError("no gradients today")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda out: (out, out), "TypeError"),
        (lambda out: out[:, 0], "RuntimeError"),
        (lambda out: out.detach(), "does not require grad"),
        (NoWayBack.apply, "OSError: no gradients today"),
    ],
)
def test_models_that_cannot_be_trained(answer, words):
    with pytest.raises(InputError, match=words) as told:
        cf.scan((X.numpy(), Y.numpy()), model=Swapped(answer), epochs=1, folds=0, canaries=False)
    assert told.value.expected == "a model (Swapped) that can be trained on float32 (12, 3)"
    assert told.value.__cause__ is not None


def test_errors_of_a_backward_pass():
    model = Swapped(NoWayBack.apply)
    model.eval = lambda: model  # stays in training mode
    with pytest.raises(InputError, match="a backward pass; got OSError: no gradients today"):
        cf.gradients.capture(model, (X, Y))


def test_a_factory_that_fails():
    for factory in (lambda: 1 / 0, lambda more: more, len):
        with pytest.raises(InputError, match="a factory"):
            cf.scan((X.numpy(), Y.numpy()), model=factory, epochs=1, folds=0, canaries=False)


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_scripted_models_are_copied_and_trained():
    plain = nn.Sequential(nn.Linear(K, 4), nn.ReLU(), nn.Linear(4, C))
    for model in (torch.jit.trace(plain, X), torch.jit.script(plain)):
        made = copy_of(copy_of(model))
        assert all(one.is_leaf for one in made.parameters())
        assert torch.equal(made(X), plain(X))
        with torch.no_grad():
            next(made.parameters()).zero_()
        assert torch.equal(model(X), plain(X))
        options = {"epochs": 1, "folds": 0, "canaries": False}
        found = cf.scan((X.numpy(), Y.numpy()), model=model, **options).table
        same = cf.scan((X.numpy(), Y.numpy()), model=plain, **options).table
        np.testing.assert_allclose(found["suspicion"], same["suspicion"], atol=0.05)


def test_models_that_cannot_be_copied():
    model = nn.Linear(K, C)
    model.lines = (line for line in "abc")
    with pytest.raises(InputError, match=r"\(Linear\) that can be copied; got TypeError") as told:
        copy_of(model)
    assert isinstance(told.value.__cause__, TypeError | pickle.PicklingError)


def test_errors_made_on_purpose_pass_and_batches_are_described():
    class Picky(nn.Module):
        def forward(self, x):
            raise InputError("another", "this", "Go")

    with pytest.raises(InputError, match=r"^Expected another; got this\. Go\.$"):
        forward(Picky(), X)
    assert described(X) == "float32 (12, 3)"
    assert described((X, {"mask": Y})) == "float32 (12, 3), mask: int64 (12)"
    assert described(None) == "NoneType"
