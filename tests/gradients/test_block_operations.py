import numpy as np
import pytest
import torch
from gradient_truth import agree, check_operations, draw
from hypothesis import given, settings
from hypothesis import strategies as st

from chaffinch.core.errors import InputError
from chaffinch.gradients import GradientBlock, outer
from chaffinch.gradients import factored as factored_module
from chaffinch.gradients import rows as rows_module
from chaffinch.gradients.factored import Factored
from chaffinch.gradients.lookup import Lookup
from chaffinch.gradients.piece import Dense, Mixed
from chaffinch.gradients.positions import Positions

few = settings(max_examples=12, deadline=None)
small = st.integers(1, 5)


def outer_products(d, h):
    return torch.einsum("ngto,ngti->ngoi", d, h).flatten(1)


@few
@given(st.integers(0, 6), st.integers(1, 3), st.integers(0, 9), small, small, st.integers(1, 2))
def test_factored_operations_equal_dense_ones(count, groups, positions, outputs, inputs, uses):
    sources, dense = [], 0
    for use in range(uses):
        d = draw(count, groups, positions, outputs, seed=use)
        h = draw(count, groups, positions, inputs, seed=use + 10)
        sources.append(Positions(d, h))
        dense = dense + outer_products(d, h)
    piece = Factored(sources, (groups * outputs, inputs), groups)
    check_operations(GradientBlock({"weight": piece}), dense)


@few
@given(st.integers(1, 6), st.integers(1, 8), small, small)
def test_lookup_operations_equal_dense_ones(count, positions, height, width):
    indices = torch.randint(height, (count, positions), generator=torch.Generator().manual_seed(0))
    errors = draw(count, positions, width)
    dense = torch.zeros(count, height, width, dtype=torch.float64)
    for n in range(count):
        for t in range(positions):
            dense[n, indices[n, t]] += errors[n, t]
    piece = Lookup(indices, errors, (height, width))
    check_operations(GradientBlock({"weight": piece}), dense.flatten(1))


@few
@given(st.integers(1, 5), small, small)
def test_a_parameter_used_in_two_ways_adds_up(count, height, width):
    d, h = draw(count, 1, 3, height), draw(count, 1, 3, width, seed=1)
    indices = torch.randint(height, (count, 4), generator=torch.Generator().manual_seed(2))
    table = Lookup(indices, draw(count, 4, width, seed=3), (height, width))
    linear = Factored([Positions(d, h)], (height, width))
    block = GradientBlock({"tied": Mixed([table, linear])})
    dense = outer_products(d, h) + table.dense()
    check_operations(block, dense)
    agree(block.dot(GradientBlock({"tied": linear})), dense @ outer_products(d, h).T)
    agree(block.dot(GradientBlock({"tied": table})), dense @ table.dense().T)
    for kind in ("gaussian", "sjlt", "kronecker"):
        twin = GradientBlock.from_dense(dense, {"tied": (height, width)})
        agree(block.sketch(6, kind), twin.sketch(6, kind))


@few
@given(st.integers(0, 6), small, small, st.booleans())
def test_a_last_layer_is_errors_times_features(count, classes, width, bias):
    errors, features = draw(count, classes), draw(count, width, seed=1)
    block = GradientBlock.from_last_layer(errors.numpy(), features.numpy(), bias, name="head")
    ones = torch.ones(count, int(bias), dtype=torch.float64)
    weight = torch.einsum("nc,ni->nci", errors, features).flatten(1)
    check_operations(block, torch.cat([weight, errors * ones] if bias else [weight], 1))
    assert list(block) == ["head.weight", "head.bias"][: 1 + bias]
    assert block.layers == {"head": tuple(block)}


def test_row_blocks_of_any_size_give_the_same(monkeypatch):
    d, h = draw(7, 1, 6, 3), draw(7, 1, 6, 4, seed=1)
    dense = outer_products(d, h)
    block = GradientBlock({"weight": Factored([Positions(d, h)], (3, 4))})
    monkeypatch.setattr(rows_module, "BLOCK_FLOATS", 5)
    monkeypatch.setattr(rows_module.row_blocks, "__defaults__", (5,))
    check_operations(block, dense)
    indices = torch.arange(42).reshape(7, 6) % 5
    table = Lookup(indices, draw(7, 6, 2), (5, 2))
    check_operations(GradientBlock({"table": table}), table.dense())


@pytest.mark.parametrize("height", [3, 400])
def test_embedding_dots_by_gram_and_by_common_rows_agree(height):
    indices = torch.randint(height, (6, 5), generator=torch.Generator().manual_seed(0))
    table = Lookup(indices, draw(6, 5, 3), (height, 3))
    agree(table.dot(table.take([4, 1])), table.dense() @ table.dense()[[4, 1]].T)


def test_numpy_arrays_are_shared_even_if_read_only():
    errors, features = np.ones((4, 2), np.float32), np.ones((4, 3), np.float32)
    features.setflags(write=False)
    block = GradientBlock.from_last_layer(errors, features)
    assert block.pieces["bias"].values.data_ptr() == errors.ctypes.data
    _, inputs = block.pieces["weight"].factors()
    assert inputs.data_ptr() == features.ctypes.data
    assert block.floats_per_sample == 2 + 3 + 2


def test_features_are_not_copied_for_errors_of_another_type():
    errors, features = np.ones((4, 2)), np.ones((4, 3), np.float32)
    block = GradientBlock.from_last_layer(errors, features)
    assert block.pieces["weight"].factors()[1].data_ptr() == features.ctypes.data
    assert block.dtype == block.norm(2).dtype == torch.float32
    half = GradientBlock.from_last_layer(errors, torch.ones(4, 3, dtype=torch.bfloat16))
    assert torch.equal(half.norm(1), torch.full((4,), 8.0))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_added_up_in_single(dtype):
    d, h = draw(50, 1, 20, 4).to(dtype), draw(50, 1, 20, 5, seed=1).to(dtype)
    block = GradientBlock({"weight": Factored([Positions(d, h)], (4, 5))})
    dense = outer_products(d.double(), h.double())
    assert block.norm(2).dtype == block.dtype == torch.float32
    for found, true in [
        (block.self_dot(), dense.square().sum(1)),
        (block.norm(1), dense.abs().sum(1)),
        (block.dot(block), dense @ dense.T),
        (block.weighted_sum(), dense.sum(0)),
        (block @ torch.ones(20), dense.sum(1)),
        (block.columns([1, 2], [3, 4]), dense[[1, 2], [3, 4]]),
    ]:
        assert (found - true).abs().max() <= 2e-6 * true.abs().max()


def test_forms_of_one_parameter_have_the_same_dots():
    d, h = draw(5, 1, 2, 3), draw(5, 1, 2, 4, seed=1)
    factored, dense = Factored([Positions(d, h)], (3, 4)), Dense(outer_products(d, h), (3, 4))
    truth = outer_products(d, h) @ outer_products(d, h)[:3].T
    for left in (factored, dense):
        for right in (factored, dense):
            agree(left.dot(right.take(slice(0, 3))), truth)


@few
@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 30))
def test_gram_matrices_are_chosen_where_they_take_fewer_operations(positions, outputs, inputs):
    gram = positions**2 * (outputs + inputs + 1)
    materialised = positions * outputs * inputs + outputs * inputs
    assert outer.gram_is_cheaper(positions, outputs, inputs) == (gram <= materialised)


def test_norms_by_gram_never_materialise(monkeypatch):
    d, h = draw(3, 1, 2, 50), draw(3, 1, 2, 60, seed=1)
    piece, truth = Factored([Positions(d, h)], (50, 60)), outer_products(d, h)
    monkeypatch.setattr(outer, "materialise", None)
    agree(piece.self_dot(), truth.square().sum(1))
    agree(piece.dot(piece), truth @ truth.T)
    agree(piece.take([0]).self_dot(), truth[:1].square().sum(1))


def test_wide_products_are_cut_into_columns(monkeypatch):
    monkeypatch.setattr(factored_module, "_MAPPED_FLOATS", 7)
    errors, features = draw(6, 3), draw(6, 4, seed=1)
    block = GradientBlock.from_last_layer(errors, features)
    for count in (9, 200):
        matrix = draw(15, count)
        agree(block @ matrix, block.dense() @ matrix)


def test_concatenate_and_select():
    d, h = draw(5, 3), draw(5, 4, seed=1)
    block = GradientBlock.from_last_layer(d, h)
    parts = [block.take(slice(0, 2)), block.take(slice(2, 5))]
    agree(GradientBlock.concatenate(parts).dense(), block.dense())
    agree(block.select(["bias"]).dense(), d)
    assert block.parameter_slices == {"weight": slice(0, 12), "bias": slice(12, 15)}
    assert "5 samples x 15 parameters" in repr(block)
    assert block.to(torch.float32).dtype == torch.float32


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda b: b.norm(3), "norm of order 1 or 2"),
        (lambda b: b @ torch.ones(3), "15 rows"),
        (lambda b: b.weighted_sum(torch.ones(4)), "5 weights"),
        (lambda b: b.column(15), "below 15"),
        (lambda b: b.columns([0], [15]), "columns from 0 to 14"),
        (lambda b: b.select(["nobody"]), "nobody"),
        (lambda b: b.dot(b.select(["bias"])), "same model"),
        (lambda b: b.sketch(0), "at least one"),
        (lambda b: b.sketch(4, "gausian"), "Did you mean 'gaussian'"),
        (lambda b: GradientBlock.from_last_layer(torch.ones(2, 3), torch.ones(3, 3)), "one row"),
        (lambda b: GradientBlock.from_dense(torch.ones(2, 3), {"a": (2,)}), "3 numbers"),
        (lambda b: GradientBlock({}), "at least one parameter"),
        (
            lambda b: GradientBlock({"a": Dense(draw(1, 2), (2,)), "b": Dense(draw(2, 2), (2,))}),
            "same samples",
        ),
    ],
)
def test_errors_say_what_to_do(act, words):
    with pytest.raises(InputError, match=words):
        act(GradientBlock.from_last_layer(draw(5, 3), draw(5, 4)))
