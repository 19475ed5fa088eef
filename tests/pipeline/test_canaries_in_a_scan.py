"""Canaries in a scan: how they are made, and that nothing of them is left but figures."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch

import chaffinch as cf
from chaffinch.core.kinds import FAR_CLUSTER, MISLABELLED, OUTLIER
from chaffinch.core.labels import Labels
from chaffinch.models.inputs import DenseInputs, SparseInputs
from chaffinch.pipeline.canaries import joined, make_canaries
from chaffinch.store import EvidenceFolder

SIZE = 600


def inputs_of(form):
    random = np.random.default_rng(0)
    if form == "sparse":
        return SparseInputs(sp.random(SIZE, 50, 0.2, "csr", np.float32, random_state=0))
    shape = {"table": (SIZE, 7), "image": (SIZE, 1, 9, 8), "bytes": (SIZE, 3, 8, 8)}[form]
    values = random.integers(0, 256, shape)
    if form == "bytes":
        return DenseInputs(torch.from_numpy(values.astype(np.uint8)), scale=True)
    return DenseInputs(torch.from_numpy(values.astype(np.float32)))


LABELS = Labels(np.arange(SIZE) % 3, np.arange(4))  # no sample has the fourth class
FORMS = pytest.mark.parametrize("form", ["table", "image", "bytes", "sparse"])


@FORMS
def test_every_kind_is_made_in_the_form_of_the_data(form):
    inputs = inputs_of(form)
    made = make_canaries(inputs, LABELS, 0)
    assert len(made) == len(made.inputs) == 36
    assert made.inputs.shape == inputs.shape
    assert type(made.inputs) is type(inputs)
    assert dict(zip(*np.unique(made.kinds, return_counts=True), strict=True)) == {
        MISLABELLED: 12,
        OUTLIER: 12,
        FAR_CLUSTER: 12,
    }
    flips = made.kinds == MISLABELLED
    assert (made.codes[flips] != LABELS.codes[made.sources[flips]]).all()
    odd = made.kinds == OUTLIER
    assert (made.codes[odd] == LABELS.codes[made.sources[odd]]).all()
    assert len(set(made.codes[made.kinds == FAR_CLUSTER].tolist())) == 1
    assert made.codes.max() < 3


@FORMS
def test_the_same_seed_makes_the_same_canaries(form):
    inputs = inputs_of(form)
    first, second, other = (make_canaries(inputs, LABELS, seed) for seed in (1, 1, 2))
    rows = torch.arange(36)
    same, again, unlike = (dense(one.inputs.batch(rows)) for one in (first, second, other))
    torch.testing.assert_close(same, again, rtol=0, atol=0)
    assert not torch.equal(same, unlike)
    assert (first.codes == second.codes).all()


def dense(batch):
    return batch.to_dense() if batch.layout is torch.sparse_csr else batch


@FORMS
def test_no_flip_is_a_copy(form):
    inputs = inputs_of(form)
    made = make_canaries(inputs, LABELS, 0)
    flips = torch.from_numpy(np.flatnonzero(made.kinds == MISLABELLED))
    sources = torch.from_numpy(made.sources[made.kinds == MISLABELLED])
    own, before = dense(made.inputs.batch(flips)), dense(inputs.batch(sources))
    assert (own != before).flatten(1).any(dim=1).all()


@FORMS
def test_joined_inputs_give_the_rows_of_either(form):
    inputs = inputs_of(form)
    made = make_canaries(inputs, LABELS, 0)
    both = joined(inputs, made.inputs)
    index = torch.tensor([SIZE, 3, SIZE + 35, 0, SIZE - 1])
    found = dense(both.batch(index))
    expected = [
        dense(inputs.batch(index[[1, 3, 4]])),
        dense(made.inputs.batch(index[[0, 2]] - SIZE)),
    ]
    torch.testing.assert_close(found[[1, 3, 4]], expected[0], rtol=0, atol=0)
    torch.testing.assert_close(found[[0, 2]], expected[1], rtol=0, atol=0)
    assert len(both) == SIZE + 36
    assert both.shape == inputs.shape
    assert len(both.embedding()) == len(both)


def test_few_samples_get_none():
    few = Labels(LABELS.codes[:499], LABELS.classes)
    assert make_canaries(DenseInputs(torch.zeros(499, 3)), few, 0) is None


@pytest.fixture(name="data", scope="module")
def make_data():
    random = np.random.default_rng(0)
    y = np.arange(SIZE) % 2
    x = random.normal(size=(SIZE, 4)).astype(np.float32)
    x[:, 0] += 4 * y
    return x, y


OPTIONS = {"epochs": 2, "folds": 2, "scorers": ["aum"]}


def test_findings_hold_figures_and_no_canary(data, tmp_path):
    found = cf.scan(data, out=tmp_path / "run", **OPTIONS)
    assert len(found) == SIZE
    figures = found.details["canaries"]
    assert set(figures) == {MISLABELLED, OUTLIER, FAR_CLUSTER}
    assert {one["count"] for one in figures.values()} == {10}  # 1 % would be 6
    evidence = EvidenceFolder(tmp_path / "run" / "evidence").load()
    assert len(evidence) == SIZE
    assert evidence.logits.shape[1] == SIZE
    alone = cf.scan(data, canaries=False, out=tmp_path / "alone", **OPTIONS)
    assert "canaries" not in alone.details
    # Fold models never see one, so what they say is the same, bit for bit.
    without = EvidenceFolder(tmp_path / "alone" / "evidence").load()
    np.testing.assert_array_equal(evidence.held_out_logits, without.held_out_logits)
    assert not np.array_equal(evidence.logits, without.logits)


def test_kept_weights_have_learned_none(data, tmp_path):
    found = cf.scan(data, out=tmp_path / "run", keep_checkpoints=True, **OPTIONS)
    assert "canaries" not in found.details


def test_a_model_of_ones_own_learns_none(data):
    found = cf.scan(data, model=torch.nn.Linear(4, 2), train=False)
    assert "canaries" not in found.details


def test_one_training_alone_is_judged_by_them(data):
    found = cf.scan(data, **{**OPTIONS, "folds": 0})
    assert "mislabelled on purpose" in " ".join(found.notes)
    assert found.table["flagged"].mean() <= 0.02  # nothing is wrong
