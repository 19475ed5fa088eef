import numpy as np
import pytest
import scipy.sparse as sp
import torch

from chaffinch.core.errors import InputError
from chaffinch.models.encoding import TensorEncoder, TextEncoder, encode_pixels
from chaffinch.models.inputs import EMBEDDING_WIDTH, DenseInputs, SparseInputs

TEXTS = ("good fine film!", "bad film", "fine good actors", "bad bad plot?", "", "good plot")


def test_pixels_become_floats_batch_by_batch():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 4, 6, 3)).astype(np.uint8)
    pixels.setflags(write=False)
    inputs = encode_pixels(pixels)
    assert inputs.shape == (3, 4, 6)
    assert len(inputs) == 5
    assert inputs.tensor.dtype == torch.uint8
    batch = inputs.batch(torch.tensor([4, 0]))
    assert batch.dtype == torch.float32
    assert batch.is_contiguous(memory_format=torch.channels_last)
    wanted = pixels[[4, 0]].transpose(0, 3, 1, 2) / 255
    np.testing.assert_allclose(batch.numpy(), wanted, rtol=1e-6)


def test_tensors_come_as_they_are():
    tensor = torch.arange(12).reshape(4, 3)
    inputs = DenseInputs(tensor)
    assert torch.equal(inputs.batch(torch.tensor([2, 2])), tensor[[2, 2]])


def test_tensors_are_standardised_by_the_training_samples():
    training = torch.tensor([[0.0, 5, 1], [2, 5, 3]])
    encoder = TensorEncoder(training)
    assert encoder.encode(training).tensor.tolist() == [[-1, 0, -1], [1, 0, 1]]
    later = torch.tensor([[1, 6, 1_000_000]], dtype=torch.int32)
    assert encoder.encode(later).tensor.tolist() == [[0, 1, 10]]


def test_texts_give_the_same_batches_sparse_and_dense():
    sparse, dense = (TextEncoder(TEXTS, dense=flag).encode(TEXTS) for flag in (False, True))
    assert sparse.shape == dense.shape
    assert len(sparse) == len(TEXTS)
    index = torch.tensor([3, 0, 4])
    batches = sparse.batch(index), dense.batch(index)
    assert batches[0].layout == torch.sparse_csr
    assert batches[1].layout == torch.strided
    assert torch.equal(batches[0].to_dense(), batches[1])
    assert batches[1].dtype == torch.float32
    layer = torch.nn.Linear(sparse.shape[0], 2)
    assert torch.allclose(layer(batches[0]), layer(batches[1]), atol=1e-6)


def test_texts_have_two_sorts_of_terms_of_unit_length():
    inputs = TextEncoder(TEXTS).encode(TEXTS)
    squares = inputs.matrix.multiply(inputs.matrix).sum(axis=1)
    np.testing.assert_allclose(np.asarray(squares).ravel()[[0, 1, 2, 3, 5]], 2, rtol=1e-5)
    assert inputs.matrix[4].nnz == 0


def test_terms_of_one_text_only_and_unseen_ones_are_left_out():
    encoder = TextEncoder(["film one", "film two"])
    assert encoder.encode(["one unseen"]).matrix.nnz == 0
    assert encoder.encode(["film"]).matrix.nnz > 0


@pytest.mark.parametrize("texts", [["", ""], ["abc", "xyz"], ["only one"]])
def test_texts_without_a_common_word_are_refused(texts):
    with pytest.raises(InputError, match="texts that share some words; got texts without a word"):
        TextEncoder(texts)


@pytest.mark.parametrize(
    "shape", [(40, 7), (40, 300), (5, 300), (20, 3, 8, 8), (12, 3, 64, 40), (6, 2, 5)]
)
def test_embeddings_of_dense_inputs(shape):
    generator = torch.Generator().manual_seed(0)
    inputs = DenseInputs(torch.randn(shape, generator=generator))
    embedding = inputs.embedding()
    assert embedding.shape[0] == shape[0]
    assert embedding.shape[1] <= EMBEDDING_WIDTH
    assert embedding.dtype == np.float32
    np.testing.assert_array_equal(embedding, inputs.embedding())
    if embedding.shape[1] >= np.prod(shape[1:]):
        np.testing.assert_array_equal(embedding, inputs.tensor.flatten(1).numpy())


def test_embeddings_keep_distances():
    random = np.random.default_rng(0)
    rows = random.normal(size=(60, 4)) @ random.normal(size=(4, 400))
    embedding = DenseInputs(torch.from_numpy(rows)).embedding()
    wanted = np.linalg.norm(rows[:, None] - rows[None], axis=2)
    got = np.linalg.norm(embedding[:, None] - embedding[None], axis=2)
    np.testing.assert_allclose(got, wanted, atol=1e-2)


@pytest.mark.parametrize(("samples", "terms"), [(40, 9), (300, 400), (3, 50), (1, 20)])
def test_embeddings_of_sparse_inputs(samples, terms):
    matrix = sp.random(samples, terms, 0.2, "csr", np.float32, np.random.default_rng(0))
    inputs = SparseInputs(matrix)
    embedding = inputs.embedding()
    assert embedding.shape[0] == samples
    assert embedding.shape[1] <= EMBEDDING_WIDTH
    np.testing.assert_array_equal(embedding, inputs.embedding())


def test_embeddings_of_sparse_inputs_keep_inner_products():
    dense = sp.random(40, 8, 0.3, "csr", np.float32, np.random.default_rng(0)).toarray()
    matrix = sp.csr_matrix(np.concatenate([dense, dense[:, :2]], axis=1))  # of rank 8
    embedding = SparseInputs(matrix).embedding()
    wanted = matrix.toarray() @ matrix.toarray().T
    np.testing.assert_allclose(embedding @ embedding.T, wanted, atol=1e-3)


@pytest.mark.parametrize(
    "shape", [(40, 7), (40, 300), (5, 300), (20, 3, 8, 8), (12, 3, 64, 40), (6, 2, 5)]
)
def test_others_are_embedded_in_the_same_space(shape):
    generator = torch.Generator().manual_seed(0)
    inputs = DenseInputs(torch.randn(shape, generator=generator))
    some = torch.tensor([3, 0])
    other = DenseInputs(inputs.tensor[some])
    np.testing.assert_allclose(
        inputs.embedding_of(other), inputs.embedding()[some.numpy()], atol=1e-3
    )


@pytest.mark.parametrize(("samples", "terms"), [(40, 9), (300, 400), (3, 50), (1, 20)])
def test_other_texts_are_embedded_in_the_same_space(samples, terms):
    matrix = sp.random(samples, terms, 0.2, "csr", np.float32, np.random.default_rng(0))
    inputs = SparseInputs(matrix)
    wanted = inputs.embedding()[::-1]
    np.testing.assert_allclose(inputs.embedding_of(SparseInputs(matrix[::-1])), wanted, atol=1e-4)
    dense = DenseInputs(torch.from_numpy(matrix.toarray()[::-1].copy()))
    np.testing.assert_allclose(inputs.embedding_of(dense), wanted, atol=1e-4)


@pytest.mark.parametrize(
    "inputs", [DenseInputs(torch.ones(4, 3)), SparseInputs(sp.csr_matrix(np.ones((4, 3))))]
)
def test_others_of_another_shape_are_refused(inputs):
    with pytest.raises(InputError, match=r"samples of shape \(3,\); got \(2,\)"):
        inputs.embedding_of(DenseInputs(torch.ones(4, 2)))
