import pytest
import torch
from gradient_truth import agree, draw, relative_error
from hypothesis import given, settings
from hypothesis import strategies as st

from chaffinch.gradients import SKETCHES, GradientBlock
from chaffinch.gradients.factored import Factored
from chaffinch.gradients.lookup import Lookup
from chaffinch.gradients.piece import Dense
from chaffinch.gradients.positions import Positions
from chaffinch.gradients.sketch import Projection, factor_pair
from chaffinch.gradients.windows import Geometry, Windows

KINDS = list(SKETCHES)
SHAPES = {"table": (7, 3), "linear": (4, 5), "conv": (4, 2, 3, 2), "bias": (4,)}


def block_of(count=6, positions=3):
    geometry = Geometry((3, 2), (1, 2), (1, 1), (1, 0, 1, 1), "constant", groups=2)
    windows = Windows(draw(count, 4, 4, 3), draw(count, 4, 4, 5, seed=1), geometry)
    indices = torch.arange(count * positions).reshape(count, positions) % 7
    linear = Positions(draw(count, 1, positions, 4), draw(count, 1, positions, 5, seed=1))
    return GradientBlock(
        {
            "table": Lookup(indices, draw(count, positions, 3, seed=2), SHAPES["table"]),
            "linear": Factored([linear], SHAPES["linear"]),
            "conv": Factored([windows], SHAPES["conv"], groups=2),
            "bias": Dense(draw(count, 4, seed=3), SHAPES["bias"]),
        }
    )


def projection_matrix(kind, k, seed):
    """(P, K) by linearity: the sketch of the identity."""
    size = 7 * 3 + 4 * 5 + 4 * 2 * 6 + 4
    identity = GradientBlock.from_dense(torch.eye(size, dtype=torch.float64), SHAPES)
    return identity.sketch(k, kind, seed)


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(KINDS), st.integers(1, 40), st.integers(0, 3))
def test_a_sketch_is_the_product_with_its_projection(kind, k, seed):
    block = block_of()
    found = block.sketch(k, kind, seed)
    agree(found, block.dense() @ projection_matrix(kind, k, seed))
    assert torch.equal(found, block.sketch(k, kind, seed))
    agree(block.take(slice(2, 4)).sketch(k, kind, seed), found[2:4])


@pytest.mark.parametrize("kind", KINDS)
def test_another_seed_gives_another_sketch(kind):
    block = block_of()
    assert not torch.equal(block.sketch(16, kind, 0), block.sketch(16, kind, 1))


@pytest.mark.parametrize("kind", KINDS)
def test_inner_products_are_kept_on_average(kind):
    block = block_of(count=3)
    truth = block.dot(block)
    draws = torch.stack([block.sketch(24, kind, seed) for seed in range(300)])
    products = draws @ draws.mT
    # About five standard errors of the mean, estimated from the draws themselves.
    gap = (products.mean(0) - truth).abs() / (products.std(0) / len(draws) ** 0.5)
    assert gap.max() < 5
    assert relative_error(products.mean(0), truth) < 0.25


def test_a_kronecker_sketch_is_a_kronecker_product():
    d, h = draw(5, 1, 2, 6), draw(5, 1, 2, 9, seed=1)
    block = GradientBlock({"weight": Factored([Positions(d, h)], (6, 9))})
    p_out, p_in = factor_pair(Projection("kronecker", 12, 7, 0, 54), 6, 9)
    assert (len(p_out), len(p_in)) == (3, 4)
    agree(block.sketch(12, "kronecker", 7), block.dense() @ torch.kron(p_out, p_in).T)


@pytest.mark.parametrize("kind", KINDS)
def test_the_element_type_does_not_change_the_projection(kind):
    block = block_of()
    single = block.to(torch.float32).sketch(8, kind)
    assert single.dtype == torch.float32
    assert relative_error(single.double(), block.sketch(8, kind)) < 1e-5


def test_an_empty_block_has_an_empty_sketch():
    for kind in KINDS:
        assert block_of().take(slice(0, 0)).sketch(8, kind).shape == (0, 8)
