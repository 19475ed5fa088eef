import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from influence_truth import close

from chaffinch.influence import class_pairs


@given(
    samples=st.integers(1, 12),
    inputs=st.integers(1, 9),
    size=st.integers(1, 4),
    bias=st.booleans(),
    blocks=st.sampled_from([(1, 1), (5, 2), (3, 4), (1024, 64)]),
    seed=st.integers(0, 1000),
)
@settings(max_examples=60, deadline=None)
def test_class_pairs_equal_the_dense_sums(samples, inputs, size, bias, blocks, seed):
    torch.manual_seed(seed)
    h, d = torch.randn(samples, inputs).double(), torch.randn(samples, size).double()
    w = torch.randn(samples, size, size).double()
    w = w + w.mT
    wide = torch.cat([h, torch.ones(samples, 1).double()], 1) if bias else h
    rows, strip = class_pairs._ROWS, class_pairs._STRIP
    try:
        class_pairs._ROWS, class_pairs._STRIP = blocks
        matrix = class_pairs.assemble(h, bias, lambda one: w[one], size)
        forms = class_pairs.quadratic_forms(matrix, h, bias, d)
        direct = class_pairs.forms_of_sum(h, bias, d, lambda one: w[one])
    finally:
        class_pairs._ROWS, class_pairs._STRIP = rows, strip
    truth = torch.einsum("nab,ni,nj->aibj", w, wide, wide).reshape(matrix.shape)
    g = torch.einsum("na,ni->nai", d, wide).flatten(1)
    assert close(matrix, truth)
    assert close(forms, ((g @ truth) * g).sum(1))
    assert close(direct, ((g @ truth) * g).sum(1))


@given(classes=st.integers(2, 9))
def test_the_centred_basis_is_orthonormal_and_sums_to_zero(classes):
    basis = class_pairs.centred_basis(classes, torch.zeros(1).double())
    assert torch.allclose(basis.T @ basis, torch.eye(classes - 1).double())
    assert torch.allclose(basis.sum(0), torch.zeros(classes - 1).double(), atol=1e-12)
