import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from influence_truth import (
    CURVATURES,
    all_names,
    bilinear,
    close,
    default_damping,
    fisher,
    gauss_newton,
    gradients,
    make_case,
    mean_hessian,
)

import chaffinch.influence as ci
from chaffinch.core.errors import InputError
from chaffinch.influence.product import curvature_product
from chaffinch.influence.solvers import lissa
from chaffinch.influence.solvers.lissa import series
from chaffinch.influence.task import Task

SHAPES = {
    "samples": st.integers(1, 25),
    "targets": st.integers(1, 5),
    "inputs": st.integers(1, 6),
    "classes": st.integers(2, 5),
    "bias": st.booleans(),
    "seed": st.integers(0, 1000),
}


@pytest.mark.parametrize("name", ["exact", "ggn", "fisher"])
@given(**SHAPES, dead=st.booleans(), single=st.booleans())
@settings(max_examples=15, deadline=None)
def test_last_layer_inverse_equals_dense_solve(name, dead, single, **shape):
    case = make_case(**shape)
    if dead:
        case.data[0][:, 0], case.targets[0][:, 0] = 0, 0
    if single:
        case.targets[1][:] = 0
    g, g2 = (gradients(case, case.names, data) for data in (case.data, case.targets))
    curvature = CURVATURES[name](case, case.names)
    found = ci.attribute(case.model, case.data, case.targets, name, damping=0.02)
    assert close(found, bilinear(curvature, g, g2, 0.02))
    own = ci.self_influence(case.model, case.data, name, "last", damping=0.02)
    assert close(own, bilinear(curvature, g, g, 0.02).diagonal())


@pytest.mark.parametrize("name", ["exact", "ggn", "fisher"])
def test_dense_inverse_of_all_layers_equals_dense_solve(name):
    case = make_case(samples=20, inputs=3, hidden=4)
    names = all_names(case)
    g, g2 = (gradients(case, names, data) for data in (case.data, case.targets))
    curvature = CURVATURES[name](case, names)
    found = ci.attribute(case.model, case.data, case.targets, name, "all", damping=1.0)
    assert close(found, bilinear(curvature, g, g2, 1.0))
    own = ci.self_influence(case.model, case.data, name, "all", damping=1.0)
    assert close(own, bilinear(curvature, g, g, 1.0).diagonal())


def test_default_damping_is_a_tenth_of_the_mean_fisher_diagonal():
    case = make_case()
    tasks = ci.CheckpointedTasks(case.model, case.data)
    found = ci.estimate(tasks, ci.Targets(case.targets), "exact")
    g = gradients(case, case.names, case.data)
    assert found.diagnostics.damping["all"] == pytest.approx(default_damping(g))


@given(**SHAPES)
@settings(max_examples=15, deadline=None)
def test_gauss_newton_of_a_last_layer_is_its_hessian_but_not_its_fisher(**shape):
    case = make_case(**shape)
    assert close(gauss_newton(case, case.names), mean_hessian(case, case.names))
    exact, ggn, other = (
        ci.self_influence(case.model, case.data, name, "last", damping=0.1)
        for name in ("exact", "ggn", "fisher")
    )
    assert torch.equal(exact, ggn)
    assert not torch.allclose(exact, other)


@pytest.mark.parametrize("curvature", ["hessian", "ggn", "fisher"])
@pytest.mark.parametrize("layers", ["last", "all"])
def test_curvature_products_equal_the_matrix(curvature, layers):
    case = make_case(samples=9, hidden=4)
    names = case.names if layers == "last" else all_names(case)
    matrix = {"hessian": mean_hessian, "ggn": gauss_newton, "fisher": fisher}[curvature]
    task = Task(case.model, case.data, layers, batch_size=4)
    vectors = torch.randn(task.block.num_parameters, 3).double()
    found = curvature_product(task, curvature)(vectors)
    assert close(found, matrix(case, names) @ vectors)


@pytest.mark.parametrize("preconditioner", ["none", "diagonal"])
@given(**SHAPES)
@settings(max_examples=10, deadline=None)
def test_cg_equals_dense_solve(preconditioner, **shape):
    case = make_case(**shape)
    g, g2 = (gradients(case, case.names, data) for data in (case.data, case.targets))
    options = {"damping": 0.05, "tolerance": 1e-12, "preconditioner": preconditioner}
    truth = mean_hessian(case, case.names)
    found = ci.attribute(case.model, case.data, case.targets, "cg", **options)
    assert close(found, bilinear(truth, g, g2, 0.05))
    own = ci.self_influence(case.model, case.data, "cg", "last", **options)
    assert close(own, bilinear(truth, g, g, 0.05).diagonal())


@pytest.mark.parametrize("curvature", ["ggn", "fisher"])
def test_cg_of_all_layers_equals_dense_solve(curvature):
    case = make_case(samples=20, inputs=3, hidden=4)
    names = all_names(case)
    g, g2 = (gradients(case, names, data) for data in (case.data, case.targets))
    truth = {"ggn": gauss_newton, "fisher": fisher}[curvature](case, names)
    found = ci.attribute(
        case.model, case.data, case.targets, "cg", "all",
        damping=0.05, tolerance=1e-12, curvature=curvature,
    )  # fmt: skip
    assert close(found, bilinear(truth, g, g2, 0.05))


def test_cg_says_when_iterations_run_out_and_when_curvature_is_negative():
    case = make_case(hidden=6)
    with pytest.warns(ci.InfluenceWarning, match="cg: did not converge"):
        ci.attribute(case.model, case.data, case.targets, "cg", damping=1e-6, iterations=2)
    with pytest.warns(ci.InfluenceWarning, match="negative curvature"):
        ci.attribute(case.model, case.data, case.targets, "cg", "all", damping=1e-6)


def test_exact_says_when_the_hessian_is_indefinite():
    case = make_case(hidden=6)
    with pytest.warns(ci.InfluenceWarning, match="not positive definite"):
        ci.attribute(case.model, case.data, case.targets, "exact", "all", damping=1e-6)


@given(**SHAPES)
@settings(max_examples=5, deadline=None)
def test_lissa_converges_to_the_dense_solve(**shape):
    case = make_case(**shape)
    g, g2 = (gradients(case, case.names, data) for data in (case.data, case.targets))
    found = ci.attribute(
        case.model, case.data, case.targets, "lissa", damping=0.5, depth=300
    )  # fmt: skip
    assert close(found, bilinear(mean_hessian(case, case.names), g, g2, 0.5), 1e-6)


def test_lissa_damping_makes_the_series_contract():
    # On the zero matrix the series is geometric in 1 - damping / scale; a wrong sign grows.
    vectors = torch.ones(4, 1).double()
    found = series(torch.zeros_like, vectors, damping=0.5, scale=1.0, depth=100)
    assert found is not None
    assert torch.allclose(found, vectors / 0.5)


def test_lissa_on_mini_batches_is_close_and_repeatable():
    case = make_case(samples=200)
    g, g2 = (gradients(case, case.names, data) for data in (case.data, case.targets))
    truth = bilinear(mean_hessian(case, case.names), g, g2, 0.5)
    options = {"damping": 0.5, "depth": 300, "repeats": 10, "batch": 100, "seed": 3}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ci.InfluenceWarning)
        first, second = (
            ci.attribute(case.model, case.data, case.targets, "lissa", **options) for _ in range(2)
        )
    assert torch.equal(first, second)
    assert close(first, truth, 0.1)


def test_lissa_detects_divergence_and_rescales_itself():
    case = make_case()
    case.data[0].mul_(10)
    with pytest.raises(InputError, match="LiSSA series that converges"):
        ci.attribute(case.model, case.data, case.targets, "lissa", scale=0.01)
    diverging = series(lambda x: 5 * x, torch.ones(3, 1), damping=0.0, scale=1.0, depth=50)
    assert diverging is None


def test_lissa_rescales_itself_until_it_converges(monkeypatch):
    case = make_case()
    g, g2 = (gradients(case, case.names, data) for data in (case.data, case.targets))
    actual = lissa.largest_eigenvalue

    def far_too_low(*arguments):
        return actual(*arguments) / 50

    monkeypatch.setattr(lissa, "largest_eigenvalue", far_too_low)
    options = {"damping": 0.01, "depth": 3000}
    tasks = ci.CheckpointedTasks(case.model, case.data)
    found = ci.estimate(tasks, ci.Targets(case.targets), "lissa", **options)
    assert close(found.values, bilinear(mean_hessian(case, case.names), g, g2, 0.01), 1e-5)
    assert found.diagnostics.converged


@given(**SHAPES)
@settings(max_examples=10, deadline=None)
def test_full_arnoldi_equals_the_dense_solve(**shape):
    case = make_case(**shape)
    g, g2 = (gradients(case, case.names, data) for data in (case.data, case.targets))
    truth = mean_hessian(case, case.names)
    options = {"damping": 0.1, "iterations": 99, "top": 99}
    # The random start has parts along every eigenvector that a gradient can have.
    found = ci.attribute(case.model, case.data, case.targets, "arnoldi", **options)
    inside = torch.linalg.matrix_rank(truth, hermitian=True)
    if inside == len(truth):
        assert close(found, bilinear(truth, g, g2, 0.1), 1e-6)
    own = ci.self_influence(case.model, case.data, "arnoldi", "last", **options)
    again = ci.attribute(case.model, case.data, case.data, "arnoldi", **options)
    assert close(own, again.diagonal())


def test_arnoldi_keeps_the_top_eigenvectors():
    case = make_case(samples=40)
    g, g2 = (gradients(case, case.names, data) for data in (case.data, case.targets))
    values, vectors = torch.linalg.eigh(mean_hessian(case, case.names))
    top = vectors[:, -4:]
    truth = (g @ top) / (values[-4:] + 0.1) @ (g2 @ top).T
    found = ci.attribute(
        case.model, case.data, case.targets, "arnoldi", damping=0.1, iterations=99, top=4
    )
    assert close(found, truth, 1e-6)
