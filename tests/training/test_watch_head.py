"""Gradient norms are recorded where the outputs are those of a linear layer, batch by batch."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations
from watch_twin import make_data

import chaffinch as cf
from chaffinch.core.errors import InputError

X, Y = make_data()


class Tempered(nn.Module):
    """A head whose logits are divided by a temperature, in place or not."""

    def __init__(self, head=None, in_place=False):
        super().__init__()
        torch.manual_seed(0)
        self.body, self.head = nn.Linear(5, 7), head or nn.Linear(7, 3)
        self.in_place, self.temperature = in_place, 1.0
        self.double()

    def forward(self, x):
        logits = self.head(torch.tanh(self.body(x)))
        if self.in_place:
            logits /= self.temperature
            return logits
        return logits if self.temperature == 1 else logits / self.temperature


class Tripled(nn.Linear):
    def forward(self, x):
        return 3 * super().forward(x)


def norms_of(model):
    rows = []
    for i in range(len(Y)):
        loss = F.cross_entropy(model(X[i : i + 1]), Y[i : i + 1])
        own = torch.autograd.grad(loss, list(model.head.parameters()))
        rows.append(float(torch.cat([g.flatten() for g in own]).norm()))
    return np.asarray(rows)


def watched(model, temperatures, **options):
    """One epoch at each temperature, in four batches."""
    with cf.watch(model, 24, **options) as watch:
        for epoch in watch.epochs(len(temperatures)):
            model.temperature = temperatures[epoch]
            for ids in torch.arange(24).split(6):
                watch.loss(model(X[ids]), Y[ids], ids).backward()
    return watch.history("gradient_norm"), watch.history("feature_norm")


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("policy", ["observe", "rebalance"])
def test_a_temperature_that_changes_is_noticed(in_place, named, policy, caplog):
    model = Tempered(in_place=in_place)
    options = {"layer": model.head} if named else {}
    norms, lengths = watched(model, [1, 1, 0.25, 1, 4], policy=policy, **options)
    truth = norms_of(Tempered())
    known = np.isfinite(norms)
    if not in_place:
        assert known[[0, 1, 3]].all()
    np.testing.assert_allclose(norms[known], np.tile(truth, (5, 1))[known], rtol=1e-5)
    assert not known[[2, 4]].any()
    assert "not those of its last linear layer" in caplog.text or in_place
    if named:
        # Where autograd had kept the inputs till then, the batch that shows it has none.
        assert np.isfinite(lengths).mean() > 0.85


@pytest.mark.parametrize(
    "head",
    [
        lambda: Tripled(7, 3),
        lambda: parametrizations.weight_norm(nn.Linear(7, 3)),
        lambda: parametrizations.spectral_norm(nn.Linear(7, 3)),
    ],
    ids=["subclass", "weight norm", "spectral norm"],
)
def test_a_head_that_is_not_linear_in_its_parameters_has_no_norms(head, caplog):
    norms, _ = watched(Tempered(head()), [1, 1])
    assert np.isnan(norms).all()
    assert "does not end in a linear layer" in caplog.text


def test_a_head_that_starts_at_zero_is_found_once_it_shows():
    model = Tempered()
    with torch.no_grad():
        model.head.weight.zero_()
        model.head.bias.zero_()
    with cf.watch(model, 24) as watch:
        watch.loss(2 * model(X), Y, torch.arange(24))
    assert np.isnan(watch.history("gradient_norm")).all()
    with cf.watch(model, 24) as watch:
        watch.loss(model(X), Y, torch.arange(24))
    np.testing.assert_allclose(watch.history("gradient_norm")[0], norms_of(model), rtol=1e-5)


def test_other_outputs_in_evaluation_mode_are_refused():
    class Probable(Tempered):
        def forward(self, x):
            logits = super().forward(x)
            return logits if self.training else logits.softmax(1)

    model = Probable()
    with (
        pytest.raises(InputError, match="validation samples are those of its last linear layer"),
        cf.watch(model, 24, validation=(X[:4], Y[:4]), influence=1.0) as watch,
    ):
        watch.loss(model(X), Y, torch.arange(24))


def test_a_first_pass_in_inference_mode_leaves_the_records_as_they_are():
    plain, early = Tempered(), Tempered()
    expected, _ = watched(plain, [1, 1], policy="sift")
    with cf.watch(early, 24, policy="sift") as watch:
        with torch.inference_mode():
            mean = watch.loss(early(X[:5]), Y[:5], torch.arange(5))
        for _ in watch.epochs(2):
            for ids in torch.arange(24).split(6):
                watch.loss(early(X[ids]), Y[ids], ids).backward()
            with torch.inference_mode():
                watch.loss(early(X[:5]), Y[:5], torch.arange(5))
    assert float(mean) == pytest.approx(float(F.cross_entropy(early(X[:5]), Y[:5]).detach()))
    np.testing.assert_allclose(watch.history("gradient_norm"), expected)
