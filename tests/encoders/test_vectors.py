import numpy as np
import pandas as pd
import pytest

import chaffinch as cf
from chaffinch.core.errors import InputError

N, M = 150, 30


@pytest.fixture(scope="module")
def case():
    """Vectors of three classes, rows that say nothing of them, and labels with some flips."""
    random = np.random.default_rng(0)
    truth = np.arange(N + M) % 3
    vectors = (random.normal(size=(N + M, 8)) + 4 * np.eye(3, 8)[truth]).astype(np.float32)
    frame = pd.DataFrame(
        {"key": [f"k{row}" for row in range(N + M)], "noise": random.random(N + M)}
    )
    labels, flipped = cf.corruptions.uniform_flips(truth[:N], 0.1, seed=1)
    frame["label"] = np.concatenate([labels, truth[N:]])
    return frame, vectors, flipped


def found_share(run, flipped):
    flagged = run.table["flagged"].to_numpy()
    return 2 * (flagged & flipped).sum() / (flagged.sum() + flipped.sum())


@pytest.mark.slow
def test_embeddings_by_row_find_flips_with_validation_behind(case, tmp_path):
    frame, vectors, flipped = case
    run = cf.scan(
        frame[:N], embeddings=vectors, validation=frame[N:], id_column="key", out=tmp_path / "run"
    )
    assert found_share(run, flipped) > 0.9
    assert run.info.model.validation_accuracy > 0.95
    assert run.info.configuration["embeddings"] == "<ndarray in memory>"
    outcome = run.verify(seeds=2, ablate=False, control=False)
    assert outcome.difference.mean > -0.05
    with pytest.raises(InputError, match=r"the encoder of the run.*encoder=\.\.\."):
        cf.Run.open(tmp_path / "run").verify(data=frame[:N], validation=frame[N:])


@pytest.mark.parametrize("form", ["npy", "npz", "wide.parquet", "lists.parquet"])
def test_vectors_in_files_by_row_and_by_id(case, tmp_path, form):
    frame, vectors, _ = case
    file = tmp_path / f"vectors.{form}"
    order = np.random.default_rng(1).permutation(N + M)
    keys = frame["key"].to_numpy()
    if form == "npy":
        np.save(file, vectors[:N])
    elif form == "npz":
        np.savez(file, embeddings=vectors[order], ids=keys[order].astype(str))
    elif form == "wide.parquet":
        wide = pd.DataFrame(vectors[order]).rename(columns=str).assign(id=keys[order])
        wide.to_parquet(file)
    else:
        pd.DataFrame({"key": keys[order], "v": list(vectors[order])}).to_parquet(file)
    found = cf.encode(frame[:N], file, id_column="key")
    np.testing.assert_array_equal(found, vectors[:N])
    with pytest.raises(InputError, match=r"a vector for each|none for 30 of 30"):
        cf.encode(frame[N:].assign(key="other" + frame["key"]), file, id_column="key")


def test_a_scan_takes_vectors_by_id_and_those_of_validation_samples(case, tmp_path):
    frame, vectors, flipped = case
    order = np.random.default_rng(1).permutation(N + M)
    file = tmp_path / "vectors.npz"
    np.savez(file, embeddings=vectors[order], ids=frame["key"].to_numpy()[order].astype(str))
    how = {"id_column": "key", "epochs": 20, "batch_size": 16, "folds": 2}
    run = cf.scan(frame[:N], encoder=file, validation=frame[N:], **how)
    assert found_share(run, flipped) > 0.85
    assert run.info.model.validation_accuracy > 0.95


def test_vectors_by_row_are_those_of_all_rows_also_of_unlabelled_ones(case):
    frame, vectors, flipped = case
    some = frame[:N].assign(label=frame["label"][:N].astype(object))
    some.loc[[0, 5], "label"] = None
    run = cf.scan(some, embeddings=vectors[:N], id_column="key", epochs=20, folds=2)
    assert run.table.loc[[0, 5], "kind"].tolist() == ["unlabelled"] * 2
    assert run.table.loc[[0, 5], "suggested_label"].tolist() == [0, 2]
    judged = ~run.table["kind"].eq("unlabelled").to_numpy()
    assert (run.table["flagged"].to_numpy() & flipped)[judged].sum() > 0.8 * flipped[judged].sum()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda v: v[:-1], r"a vector for each of 150 samples in embeddings; got 149 vectors"),
        (lambda v: np.where(np.arange(N)[:, None] == 7, np.nan, v), r"finite vectors.*the first 7"),
        (lambda v: v[0], r"vectors of shape \(N, K\)"),
        (lambda v: v.astype(str) + "x", "vectors of numbers"),
    ],
)
def test_unusable_embeddings_are_told(case, change, told):
    frame, vectors, _ = case
    with pytest.raises(InputError, match=told):
        cf.scan(frame[:N], embeddings=change(vectors[:N]), id_column="key")


def test_vectors_of_other_ids_or_repeated_ones_are_told(case, tmp_path):
    frame, vectors, _ = case
    file = tmp_path / "vectors.npz"
    np.savez(file, embeddings=vectors, ids=np.arange(N + M))
    with pytest.raises(InputError, match=r"none for 150 of 150, such as .*--id"):
        cf.encode(frame[:N], file)
    np.savez(file, embeddings=vectors, ids=np.arange(N + M) // 2)
    with pytest.raises(InputError, match="a different id for each"):
        cf.encode(frame[:N], file)


@pytest.mark.parametrize("name", ["vectors.npy", "vectors.npz", "vectors.parquet"])
def test_a_damaged_file_is_told(tmp_path, name):
    (tmp_path / name).write_bytes(b"no vectors")
    with pytest.raises(InputError, match=f"vectors in {name}"):
        cf.encode(np.zeros((3, 4, 4), np.uint8), tmp_path / name)


def test_a_table_with_words_or_several_arrays_are_told(case, tmp_path):
    frame, vectors, _ = case
    pd.DataFrame({"id": frame["key"], "word": "x"}).to_parquet(tmp_path / "words.parquet")
    with pytest.raises(InputError, match=r"columns of numbers or one of lists.*word"):
        cf.encode(frame, tmp_path / "words.parquet")
    np.savez(tmp_path / "two.npz", first=vectors, second=vectors)
    with pytest.raises(InputError, match=r"one array of vectors in two\.npz"):
        cf.encode(frame, tmp_path / "two.npz")
