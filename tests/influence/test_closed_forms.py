import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from influence_truth import (
    all_names,
    bilinear,
    close,
    flat,
    gradients,
    losses_at,
    make_case,
    mean_hessian,
)
from test_dense_solvers import SHAPES
from torch import nn

import chaffinch.influence as ci
from chaffinch.influence.inverse import LastLayerInverse, hessian_weights
from chaffinch.influence.solvers import datainf
from chaffinch.influence.solvers.gex import ensemble_influence
from chaffinch.influence.solvers.trak import margin_loss
from chaffinch.influence.task import Task


def naive_datainf(g, g2, parts, damping=None):
    total = torch.zeros(len(g), len(g2), dtype=g.dtype)
    for part in parts:
        a, b = g[:, part], g2[:, part]
        share = float(a.square().mean()) / 10 if damping is None else damping
        for j, v in enumerate(b):
            terms = [(v - gi * (gi @ v) / (share + gi @ gi)) / share for gi in a]
            total[:, j] += a @ torch.stack(terms).mean(0)
    return total


@given(**SHAPES, damping=st.sampled_from([None, 0.3]))
@settings(max_examples=15, deadline=None)
def test_datainf_equals_its_closed_form(damping, **shape):
    case = make_case(**shape, hidden=3)
    names = all_names(case)
    g, g2 = (gradients(case, names, data) for data in (case.data, case.targets))
    split = 3 * shape["inputs"] + 3  # the first layer always has a bias
    parts = [slice(0, split), slice(split, g.shape[1])]
    options = {"layers": "all", "damping": damping}
    found = ci.attribute(case.model, case.data, case.targets, "datainf", **options)
    assert close(found, naive_datainf(g, g2, parts, damping))
    own = ci.self_influence(case.model, case.data, "datainf", **options)
    assert close(own, naive_datainf(g, g, parts, damping).diagonal())


@pytest.mark.parametrize("pairs", [True, False])
def test_datainf_self_influence_is_the_same_by_pairs_and_by_gram(pairs, monkeypatch):
    case = make_case(samples=40, hidden=4)
    g = gradients(case, case.names, case.data)
    monkeypatch.setattr(datainf, "pairs_are_cheaper", lambda _last: pairs)
    monkeypatch.setattr(datainf, "_GRAM_ROWS", 7)
    found = ci.self_influence(case.model, case.data, "datainf", "last")
    assert close(found, naive_datainf(g, g, [slice(None)]).diagonal())


@given(**SHAPES, dimensions=st.sampled_from([4, 1000]))
@settings(max_examples=15, deadline=None)
def test_trak_equals_its_definition(dimensions, **shape):
    case = make_case(**shape)
    x, y = case.data
    task = Task(case.model, case.data)
    blocks = [task.gradients(data, loss=margin_loss) for data in (case.data, case.targets)]
    g = gradients(case, case.names, case.data, loss=margin_loss)
    assert close(blocks[0].dense(), g)
    k = dimensions
    phi, phi2 = (b.dense() if b.num_parameters <= k else b.sketch(k, "rademacher") for b in blocks)
    gram = phi.T @ phi + 0.1 * torch.eye(phi.shape[1]).double()
    miss = 1 - torch.softmax(case.model(x), 1)[torch.arange(len(y)), y].detach()
    truth = miss[:, None] * (phi @ torch.linalg.solve(gram, phi2.T))
    options = {"ridge": 0.1, "dimensions": dimensions}
    assert close(ci.attribute(case.model, case.data, case.targets, "trak", **options), truth)
    own = ci.self_influence(case.model, case.data, "trak", "last", **options)
    assert close(own, miss * (phi * torch.linalg.solve(gram, phi.T).T).sum(1))


def test_trak_averages_kernels_and_weights_apart():
    cases = [make_case(seed=0), make_case(seed=1)]
    base, kernels, misses = cases[0], [], []
    for case in cases:
        g, g2 = (gradients(case, case.names, d, margin_loss) for d in (base.data, base.targets))
        gram = g.T @ g + 0.1 * torch.eye(g.shape[1]).double()
        kernels.append(g @ torch.linalg.solve(gram, g2.T))
        p = torch.softmax(case.model(base.data[0]), 1).detach()
        misses.append(1 - p[torch.arange(len(p)), base.data[1]])
    truth = torch.stack(misses).mean(0)[:, None] * torch.stack(kernels).mean(0)
    states = [case.model.state_dict() for case in cases]
    found = ci.attribute(base.model, base.data, base.targets, "trak", checkpoints=states, ridge=0.1)
    assert close(found, truth)


@given(**SHAPES)
@settings(max_examples=10, deadline=None)
def test_gex_over_the_laplace_approximation_tends_to_the_exact_inverse(**shape):
    case = make_case(**shape)
    g, g2 = (gradients(case, case.names, data) for data in (case.data, case.targets))
    task = Task(case.model, case.data)
    inverse = LastLayerInverse(task.last_layer, hessian_weights, 0.1)
    # Points on the axes have the covariance of the Gaussian without an error of sampling.
    size, spread = inverse.dimensions, 1e-4
    roots = inverse.root(torch.eye(size).double()).T * spread * size**0.5
    found = ensemble_influence(task, [*roots, *-roots], spread)
    (strip,) = found.strips(ci.Targets(case.targets))
    truth = bilinear(mean_hessian(case, case.names), g, g2, 0.1)
    assert close(strip.solve().compute(slice(None)), truth, 1e-3)


@pytest.mark.parametrize("layers", ["last", "all"])
def test_gex_is_the_mean_product_of_loss_changes(layers):
    case = make_case(samples=12, hidden=3)
    names = case.names if layers == "last" else all_names(case)
    theta = flat(case, names)
    offsets = [torch.randn(len(theta)).double() * 0.1 for _ in range(4)]
    changes = []
    for data in (case.data, case.targets):
        moved = [losses_at(case, names, theta + offset, data) for offset in offsets]
        changes.append((torch.stack(moved) - losses_at(case, names, theta, data)).detach())
    found = ensemble_influence(Task(case.model, case.data, layers), offsets)
    (strip,) = found.strips(ci.Targets(case.targets))
    assert close(strip.solve().compute(slice(None)), changes[0].T @ changes[1] / 4)
    assert close(found.diagonal()[0], changes[0].square().mean(0))


@pytest.mark.parametrize("sampler", ["sgd", "laplace"])
@pytest.mark.parametrize("layers", ["last", "all"])
def test_gex_members_come_from_the_seed(sampler, layers):
    case = make_case(hidden=3)
    options = {"sampler": sampler, "layers": layers, "members": 4, "steps": 5}
    first, second, other = (
        ci.self_influence(case.model, case.data, "gex", **options, seed=seed) for seed in (1, 1, 2)
    )
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_gex_fine_tuning_of_a_last_layer_is_that_of_the_general_path():
    case = make_case(hidden=3)
    options = {"members": 3, "steps": 20, "batch": 8, "rate": 0.1}
    short = ci.attribute(case.model, case.data, case.targets, "gex", "last", **options)
    long = ci.attribute(case.model, case.data, case.targets, "gex", "2", **options)
    assert close(short, long, 1e-8)


@example(samples=4, targets=4, inputs=1, classes=4, bias=True, seed=400)
@given(**SHAPES)
@settings(max_examples=10, deadline=None)
def test_representers_add_up_to_the_logits(**shape):
    case = make_case(**shape)
    options = {"damping": 0.1, "iterations": 300}
    every = [
        ci.attribute(
            case.model,
            case.data,
            (case.targets[0], torch.full_like(case.targets[1], c)),
            "representer",
            **options,
        ).sum(0)
        for c in range(shape["classes"])
    ]
    layer = nn.Linear(shape["inputs"], shape["classes"], bias=shape["bias"]).double()
    exact = {"max_iter": 500, "tolerance_grad": 1e-12, "tolerance_change": 0.0}
    solver = torch.optim.LBFGS(layer.parameters(), **exact, line_search_fn="strong_wolfe")

    def closure():
        solver.zero_grad()
        penalty = sum(p.square().sum() for p in layer.parameters())
        loss = nn.functional.cross_entropy(layer(case.data[0]), case.data[1]) + 0.05 * penalty
        loss.backward()
        return loss

    solver.step(closure)
    assert close(torch.stack(every, 1), layer(case.targets[0]).detach(), 1e-4)


@given(**SHAPES)
@settings(max_examples=10, deadline=None)
def test_gradient_products_equal_the_definition(**shape):
    case = make_case(**shape)
    g, g2 = (gradients(case, case.names, data) for data in (case.data, case.targets))
    found = ci.attribute(case.model, case.data, case.targets, "grad_dot")
    assert close(found, g @ g2.T)
    cosine = ci.attribute(case.model, case.data, case.targets, "grad_cos")
    assert close(cosine, nn.functional.cosine_similarity(g[:, None], g2[None], dim=2))


def test_self_influence_defaults_to_squared_norms_of_all_layers():
    case = make_case(hidden=3)
    g = gradients(case, all_names(case), case.data)
    assert close(ci.self_influence(case.model, case.data), g.square().sum(1))


@given(**SHAPES)
@settings(max_examples=10, deadline=None)
def test_counterfactuals_equal_relabelled_gradients(**shape):
    case = make_case(**shape)
    bias, layer = shape["bias"], case.model[0]
    records = [
        ci.LastLayer.from_logits(layer(x).detach(), y, x, bias)
        for x, y in (case.data, case.targets)
    ]
    found = ci.counterfactual_influence(*records)
    g2 = gradients(case, case.names, case.targets)
    x, y = case.data
    for c in range(shape["classes"]):
        g = gradients(case, case.names, (x, torch.full_like(y, c)))
        assert close(found[:, :, c], g @ g2.T)
    blocks = list(ci.counterfactual_rows(*records, budget=1))
    assert len(blocks) == len(x)
    # Blocks of other sizes may be multiplied in another order.
    joined = torch.cat([values for _, values in blocks])
    torch.testing.assert_close(joined, found, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("curvature", ["identity", "exact", "fisher", "datainf"])
def test_bare_evidence_equals_the_model(curvature):
    case = make_case(samples=25, hidden=4)
    x, y = case.data
    features = case.model[1](case.model[0](x)).detach()
    p = torch.softmax(case.model(x), 1).detach()
    found = ci.last_layer_self_influence(
        p.numpy(), y.numpy(), features.numpy(), curvature=curvature
    )
    name = "grad_dot" if curvature == "identity" else curvature
    assert close(found, ci.self_influence(case.model, case.data, name, "last"))
