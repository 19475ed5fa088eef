"""`judge` with tables: columns are matched by class name, rows by index."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.sparse as sp
import torch

import chaffinch as cf
from chaffinch.core.errors import InputError
from chaffinch.pipeline.judge_inputs import JudgeInputs, by_class, validation_records

NAMES = np.array(["owl", "cat", "dog", "ant"])


@pytest.fixture(scope="module")
def case():
    random = np.random.default_rng(0)
    truth = random.integers(0, 4, 200)
    p = 0.05 * random.dirichlet(np.ones(4), 200) + 0.95 * np.eye(4)[truth]
    given = truth.copy()
    given[:12] = (given[:12] + 1) % 4
    return NAMES[given], pd.DataFrame(p, columns=NAMES)


def plain(labels, table):
    return cf.judge(labels, table[sorted(NAMES)].to_numpy()).table["suspicion"].to_numpy()


def test_columns_are_matched_by_name(case):
    labels, table = case
    expected = plain(labels, table)
    found = cf.judge(labels, table)
    assert np.allclose(found.table["suspicion"], expected)
    assert found.table["flagged"].sum() == 12
    assert "matched by class name" in found.notes[0]
    logits = np.log(table)
    assert cf.judge(labels, logits=logits).table["flagged"].sum() == 12
    assert np.allclose(cf.judge(labels, pa.Table.from_pandas(table)).table["suspicion"], expected)
    tidy = cf.judge(labels, table[sorted(NAMES)])
    assert not any("matched" in note for note in tidy.notes)


def test_rows_are_matched_by_index(case):
    labels, table = case
    expected = plain(labels, table)
    ids = np.array([f"s{n}" for n in range(200)])
    order = np.random.default_rng(1).permutation(200)
    mixed = table.set_axis(ids).iloc[order]
    found = cf.judge(labels, mixed, ids=ids)
    assert np.allclose(found.table["suspicion"], expected)
    assert any("by index" in note for note in found.notes)
    series = pd.Series(labels, index=ids)
    assert np.allclose(cf.judge(series, mixed).table["suspicion"], expected)
    counted = table.iloc[order]  # its index is the old position
    assert np.allclose(cf.judge(labels, counted, ids=range(200)).table["suspicion"], expected)
    # Without ids and without an index of the labels, rows are in order.
    assert np.allclose(
        cf.judge(labels[order], counted).table["suspicion"].to_numpy(), expected[order]
    )


def test_rows_are_matched_with_a_plain_index_of_labels(case):
    labels, table = case
    expected = plain(labels, table)
    order = np.random.default_rng(1).permutation(200)
    series = pd.Series(labels)
    found = cf.judge(series, table.iloc[order])
    assert np.allclose(found.table["suspicion"], expected)
    assert any("by index" in note for note in found.notes)
    ids = pd.Series([f"s{n}" for n in range(200)])
    found = cf.judge(series, table.to_numpy()[:, np.argsort(NAMES)], ids=ids.iloc[order])
    assert found.table["id"].tolist() == ids.tolist()
    assert np.allclose(found.table["suspicion"], expected)
    # A part of a larger table, whose labels were counted anew, is in order.
    moved = table.set_axis(order + 7)
    assert np.allclose(cf.judge(series, moved).table["suspicion"], expected)
    pairs = pd.MultiIndex.from_arrays([np.arange(200) % 3, np.arange(200)])
    mixed = table.set_axis(pairs).iloc[order]
    found = cf.judge(series.set_axis(pairs), mixed)
    assert np.allclose(found.table["suspicion"], expected)


@pytest.mark.parametrize("form", ["probabilities", "logits", "embeddings"])
def test_labels_in_another_order_than_a_counted_table_are_refused(case, form):
    labels, table = case
    series = pd.Series(labels, index=range(199, -1, -1))
    with pytest.raises(InputError, match=r"order is clear.*table.set_axis\(labels.index\)"):
        cf.judge(series, **{form: table})


def test_validation_rows_are_matched_by_index(case):
    labels, table = case
    order = np.random.default_rng(1).permutation(200)
    right = {"labels": pd.Series(labels), "probabilities": table, "embeddings": table}
    mixed = {**right, "probabilities": table.iloc[order], "embeddings": table.iloc[order[::-1]]}
    notes: list[str] = []
    judged = JudgeInputs(labels, None).labels
    expected = validation_records(right, judged, [])
    for name, record in validation_records(mixed, judged, notes).items():
        assert np.array_equal(record, expected[name]), name
    assert len(notes) == 2


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        (lambda t: t.rename(columns={"owl": "Owl"}), {}, r"Did you mean 'Owl' by 'owl'\?"),
        (lambda t: t[["owl", "cat", "dog"]], {}, "none for 'ant'"),
        (lambda t: t.set_axis(["owl", "cat", "dog", "dog"], axis=1), {}, "'dog' more than once"),
        (lambda t: t.set_axis([f"r{n}" for n in range(200)]), {"ids": range(200)}, "without a row"),
        (lambda t: t, {"ids": range(199, -1, -1)}, r"whose order is clear.*set_axis\(ids\)"),
        (lambda t: np.ma.masked_less(t[sorted(NAMES)].to_numpy(), 1e-3), {}, "masked entries"),
    ],
)
def test_names_that_do_not_match_are_one_error(case, change, options, words):
    labels, table = case
    with pytest.raises(InputError, match=words):
        cf.judge(labels, change(table), **options)


def test_classes_without_a_sample_have_a_column():
    table = pd.DataFrame([[0.1, 0.8, 0.1]] * 4, columns=["z", "b", "a"])
    labels, array, _ = by_class(table, JudgeInputs(list("abab"), None).labels, "probabilities")
    assert labels.names == ["a", "b", "z"]
    assert labels.values.tolist() == list("abab")
    assert array[0].tolist() == [0.1, 0.8, 0.1]
    numbers = pd.DataFrame([[0.5, 0.3, 0.2]] * 2, columns=[2, 0, 1])
    labels, array, _ = by_class(numbers, JudgeInputs([0, 2], None).labels, "probabilities")
    assert labels.classes.tolist() == [0, 1, 2]
    assert array[0].tolist() == [0.3, 0.2, 0.5]


def test_arrays_of_other_libraries(case):
    labels, table = case
    p = table[sorted(NAMES)].to_numpy()
    expected = plain(labels, table)
    for form in (torch.tensor(p, requires_grad=True), sp.csr_matrix(p), np.ma.masked_array(p)):
        assert np.allclose(cf.judge(labels, form).table["suspicion"], expected)
    forms = (pa.chunked_array([labels.tolist()]), pd.Series(labels, dtype="category"))
    for form in forms:
        assert np.allclose(cf.judge(form, p).table["suspicion"], expected)


@pytest.mark.parametrize("size", [3e38, 1e39, 1e300])
def test_huge_numbers_stay_finite(case, size):
    labels, _ = case
    random = np.random.default_rng(0)
    codes = np.unique(labels, return_inverse=True)[1]
    near = np.eye(4)[codes] + 0.05 * random.normal(size=(200, 4))
    small = cf.judge(labels, embeddings=near)
    huge = cf.judge(labels, embeddings=near / np.abs(near).max() * size)
    assert np.isfinite(huge.table["suspicion"].to_numpy()).all()
    assert any("divided by the same number" in note for note in huge.notes)
    gap = np.abs(small.table["suspicion"] - huge.table["suspicion"])
    assert gap.max() < 0.05
    logits = np.where(np.eye(4)[codes] > 0, 3e38, -3e38).astype(np.float32)
    assert np.isfinite(cf.judge(labels, logits=logits).table["suspicion"].to_numpy()).all()
