import pytest
import torch
from gradient_truth import agree, draw, net, truth
from torch import nn

from chaffinch.core.errors import InputError
from chaffinch.gradients import GradientFallbackWarning, capture, rules, squared_norms, stream

cross_entropy = nn.CrossEntropyLoss(reduction="none")
X, Y = draw(7, 2, 4, 4), torch.arange(7) % 3


def hooks_of(model):
    return [
        len(store)
        for module in model.modules()
        for name, store in vars(module).items()
        if name.endswith("_hooks")
    ]


def state_of(model):
    modes = [module.training for module in model.modules()]
    flags = [parameter.requires_grad for parameter in model.parameters()]
    grads = [parameter.grad for parameter in model.parameters()]
    buffers = [buffer.clone() for buffer in model.buffers()]
    return hooks_of(model), modes, flags, grads, [b.tolist() for b in buffers]


def test_the_model_is_left_as_it_was():
    model = net().train()
    model[1].eval()
    model[5].bias.requires_grad_(False)
    before = state_of(model)
    block = capture(model, (X, Y), batch_size=3)
    assert state_of(model) == before
    assert "5.bias" not in list(block)
    model.zero_grad()
    model(X).sum().backward()
    kept = [None if p.grad is None else p.grad.clone() for p in model.parameters()]
    capture(model, (X, Y))
    for parameter, grad in zip(model.parameters(), kept, strict=True):
        assert (parameter.grad is None) == (grad is None)
        assert grad is None or torch.equal(parameter.grad, grad)


class Broken(nn.Module):
    """Fails at a call, in the forward or the backward pass."""

    def __init__(self, at, backward=False):
        super().__init__()
        self.calls, self.at, self.backward = 0, at, backward

    def forward(self, x):
        self.calls += 1
        if self.calls < self.at:
            return x
        if not self.backward:
            raise RuntimeError("broken")
        x.register_hook(self._fail)
        return x

    def _fail(self, _):
        raise RuntimeError("broken")


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("at", [1, 2, 3, 4, 5, 6, 7])
def test_hooks_come_off_and_modes_come_back_after_an_exception(at, backward):
    model = nn.Sequential(*net(), Broken(at, backward)).train()
    before = state_of(model)
    with pytest.raises((RuntimeError, InputError), match="broken"):
        capture(model, (X, Y), "last", batch_size=2)
    assert state_of(model) == before
    assert not any(hooks_of(model))


def test_a_rule_that_fails_leaves_no_hook(monkeypatch):
    def fail(*_):
        raise RuntimeError("broken rule")

    rule = rules.RULES["Linear"]
    monkeypatch.setitem(rules.RULES._items, "Linear", rules.Rule(rule.layer, fail, rule.covers))
    model = net().train()
    before = state_of(model)
    with pytest.raises(RuntimeError, match="broken rule"):
        capture(model, (X, Y))
    assert state_of(model) == before


def test_streams_leave_the_model_alone_between_batches():
    model = net().train()
    before = state_of(model)
    seen = 0
    for block in stream(model, (X, Y), batch_size=2):
        assert state_of(model) == before
        seen += len(block)
        if seen >= 4:
            break
    assert state_of(model) == before
    with torch.no_grad():
        agree(capture(model, (X, Y)).dense(), truth(model, X, Y, cross_entropy))


class ViewOfContiguous(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 3)
        self.head = nn.Linear(12, 3)

    def forward(self, x):
        return self.head(self.conv(x).view(len(x), -1))


def test_models_that_need_channels_first_memory():
    model = ViewOfContiguous().double()
    agree(capture(model, (X, Y)).dense(), truth(model, X, Y, cross_entropy))


class SharesBatch(nn.Module):
    """Samples see one another: the gradient of each alone is wanted."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 3)

    def forward(self, x):
        z = self.linear(x)
        return z - z.mean(0)[None] / 2


def test_samples_that_see_one_another_take_the_fallback():
    model, x = SharesBatch().double(), draw(5, 4)
    with pytest.warns(GradientFallbackWarning, match=r"linear\.weight, linear\.bias \(in Linear\)"):
        block = capture(model, (x, Y[:5]))
    agree(block.dense(), truth(model, x, Y[:5], cross_entropy))


class Loops(nn.Module):
    """Control flow on the data, which vmap refuses."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(4, dtype=torch.float64))
        self.head = nn.Linear(4, 3).double()

    def forward(self, x):
        if float(x.detach()[0, 0]) > 0:
            x = x * self.scale
        return self.head(x)


def test_what_vmap_refuses_is_done_one_by_one():
    model, x = Loops(), draw(6, 4)
    with pytest.warns(GradientFallbackWarning, match="scale"):
        block = capture(model, (x, Y[:6]), batch_size=1)
    agree(block.dense(), truth(model, x, Y[:6], cross_entropy))


def test_a_subclass_with_another_forward_has_no_rule():
    class Doubled(nn.Linear):
        def forward(self, x):
            return 2 * super().forward(x)

    class Renamed(nn.Linear):
        pass

    assert rules.rule_for(Doubled(2, 2)) is None
    assert rules.rule_for(Renamed(2, 2)) is rules.RULES["Linear"]
    assert rules.rule_for(nn.BatchNorm1d(2, track_running_stats=False)) is None
    assert rules.rule_for(nn.Embedding(2, 2, scale_grad_by_freq=True)) is None


def test_nothing_is_kept_of_a_batch_that_is_only_normed():
    model, x, y = net(), X.repeat(8, 1, 1, 1), Y.repeat(8)
    dense = truth(model, x, y, cross_entropy)
    agree(squared_norms(model, (x, y), batch_size=5), dense.square().sum(1))
    agree(squared_norms(model, (x, y), "last"), dense[:, -18:].square().sum(1))
