import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from influence_truth import close
from torch import nn

import chaffinch.influence as ci
from chaffinch.gradients import capture
from chaffinch.influence.solvers.ekfac import KroneckerInverse
from chaffinch.influence.task import Task


def factors(layer, x, slope):
    """(N, G, T, J) inputs with a 1, (N, G, T, O) output gradients, by unfolding."""
    if isinstance(layer, nn.Linear):
        h, d = x[:, None, None], slope[:, None, None]
    else:
        groups = layer.groups
        h = nn.functional.unfold(x, layer.kernel_size, padding=layer.padding, stride=layer.stride)
        h = h.view(len(x), groups, -1, h.shape[-1]).mT
        d = slope.flatten(2).view(len(x), groups, -1, h.shape[2]).mT
    return torch.cat([h, torch.ones_like(h[..., :1])], 3), d


def naive_inverse(model, data, g, damping):
    """(P, P) inverse, block by block, from explicit Kronecker products of eigenvectors."""
    x, y = data
    kept = {}

    def keep(module, args, output):
        output.retain_grad()
        kept[module] = args[0].detach(), output

    layers = [m for m in model.modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    handles = [layer.register_forward_hook(keep) for layer in layers]
    nn.functional.cross_entropy(model(x), y, reduction="sum").backward()
    for handle in handles:
        handle.remove()
    inverse, start = torch.zeros(g.shape[1], g.shape[1], dtype=g.dtype), 0
    for layer in layers:
        h, d = factors(layer, kept[layer][0], kept[layer][1].grad)
        groups, outputs, width = h.shape[1], d.shape[3], h.shape[3]
        own = g[:, start : start + layer.weight.numel() + layer.bias.numel()]
        weight = own[:, : layer.weight.numel()].reshape(len(g), groups, outputs, width - 1)
        bias = own[:, layer.weight.numel() :].reshape(len(g), groups, outputs, 1)
        place = torch.arange(own.shape[1])
        columns = torch.cat(
            [
                place[: layer.weight.numel()].view(groups, outputs, width - 1),
                place[layer.weight.numel() :].view(groups, outputs, 1),
            ],
            2,
        )
        rotated, bases = [], []
        for group in range(groups):
            right = torch.linalg.eigh(torch.einsum("nti,ntj->ij", h[:, group], h[:, group]))[1]
            left = torch.linalg.eigh(torch.einsum("nti,ntj->ij", d[:, group], d[:, group]))[1]
            bases.append(torch.kron(left, right))
            flat = torch.cat([weight[:, group], bias[:, group]], 2).flatten(1)
            rotated.append((flat @ bases[-1]).square().mean(0))
        share = 0.1 * float(own.square().mean()) if damping is None else damping
        for group in range(groups):
            where = start + columns[group].flatten()
            block = bases[group] / (rotated[group] + share) @ bases[group].T
            inverse[where[:, None], where] = block
        start += own.shape[1]
    model.zero_grad()
    return inverse


def make_net(kind, classes, seed):
    torch.manual_seed(seed)
    if kind == "linear":
        return nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, classes)).double(), (4,)
    groups = 2 if kind == "grouped" else 1
    net = nn.Sequential(
        nn.Conv2d(2, 4, (2, 3), padding=1, stride=2, groups=groups),
        nn.Tanh(),
        nn.Flatten(),
        nn.Linear(4 * 3 * 2, classes),
    )
    return net.double(), (2, 4, 4)


@pytest.mark.parametrize("kind", ["linear", "conv", "grouped"])
@given(
    samples=st.integers(1, 12),
    classes=st.integers(2, 4),
    damping=st.sampled_from([None, 0.2]),
    seed=st.integers(0, 100),
)
@settings(max_examples=8, deadline=None)
def test_ekfac_equals_a_dense_kronecker_reference(kind, samples, classes, damping, seed):
    model, shape = make_net(kind, classes, seed)
    x = torch.randn(samples, *shape).double()
    y = torch.randint(0, classes, (samples,))
    targets = torch.randn(3, *shape).double(), torch.zeros(3, dtype=torch.long)
    g, g2 = (capture(model, data).dense() for data in ((x, y), targets))
    inverse = naive_inverse(model, (x, y), g, damping)
    options = {"layers": "all", "labels": "empirical", "damping": damping}
    found = ci.attribute(model, (x, y), targets, "ekfac", **options)
    # Eigenvectors of equal eigenvalues are not unique; with few samples many are 0.
    moments_are_full = samples > 8 and kind == "linear"
    if moments_are_full or damping is None or samples == 1:
        scale = float((g @ inverse @ g2.T).abs().max())
        assert float((found - g @ inverse @ g2.T).abs().max()) <= 1e-6 * max(scale, 1e-12)
    own = ci.self_influence(model, (x, y), "ekfac", **options)
    again = ci.attribute(model, (x, y), (x.clone(), y), "ekfac", **options)
    assert close(own, again.diagonal())


def test_ekfac_is_exact_where_the_fisher_is_a_kronecker_product():
    """One sample: its gradient lies in one eigenvector, so the form is g^2 / (g^2 + damping)."""
    model, shape = make_net("linear", 3, 0)
    x, y = torch.randn(1, *shape).double(), torch.tensor([1])
    g = capture(model, (x, y)).dense()
    found = ci.self_influence(model, (x, y), "ekfac", labels="empirical", damping=0.5)
    split = 4 * 3 + 3
    truth = sum(float(p @ p) / (float(p @ p) + 0.5) for p in (g[0, :split], g[0, split:]))
    assert float(found[0]) == pytest.approx(truth)


def test_ekfac_samples_labels_by_seed_and_the_same_for_datasets():
    model, shape = make_net("conv", 3, 0)
    x, y = torch.randn(9, *shape).double(), torch.randint(0, 3, (9,))
    options = {"estimator": "ekfac", "layers": "all"}
    first = ci.self_influence(model, (x, y), **options, seed=1)
    assert torch.equal(first, ci.self_influence(model, (x, y), **options, seed=1))
    assert not torch.equal(first, ci.self_influence(model, (x, y), **options, seed=2))
    pairs = torch.utils.data.TensorDataset(x, y)
    assert close(ci.self_influence(model, pairs, **options, seed=1), first)
    empirical = ci.self_influence(model, (x, y), **options, labels="empirical")
    assert not torch.allclose(first, empirical)


def test_ekfac_is_diagonal_for_other_layers_and_says_so():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3), nn.Linear(3, 2)).double()
    data = torch.randn(10, 4).double(), torch.randint(0, 2, (10,))
    tasks = ci.CheckpointedTasks(model, data, "1")
    found = ci.estimate(tasks, None, "ekfac", labels="empirical", damping=0.1)
    assert "diagonal for 1.weight, 1.bias" in " ".join(found.diagnostics.notes)
    g = capture(model, data, "1").dense()
    assert close(found.values, (g.square() / (g.square().mean(0) + 0.1)).sum(1))


def test_ekfac_with_many_samples_matches_the_fisher_in_its_basis():
    model, shape = make_net("linear", 3, 0)
    data = torch.randn(50, *shape).double(), torch.randint(0, 3, (50,))
    block = Task(model, data, "all").gradients(data, "factored")
    inverse = KroneckerInverse(block, block, 0.1)
    eye = inverse.apply(torch.eye(block.num_parameters).double()).values
    assert close(eye, naive_inverse(model, data, block.dense(), 0.1), 1e-7)
