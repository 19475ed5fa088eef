import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaffinch import corruptions
from chaffinch.core.errors import InputError


def case(sizes, seed=0):
    y = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
    return np.arange(2.0 * len(y)).reshape(-1, 2), y


@given(
    sizes=st.lists(st.integers(5, 40), min_size=3, max_size=6),
    rate=st.floats(0, 0.04),
    seed=st.integers(0, 50),
    keep=st.booleans(),
)
def test_a_near_cluster_is_one_class_made_rare(sizes, rate, seed, keep):
    x, y = case(sizes, seed)
    found = corruptions.near_cluster(x, y, rate, seed, keep_label=keep)
    rare = found.errors
    count = round(rate * len(y))
    assert rare.sum() == count
    assert (found.samples == x[found.source]).all()
    assert (np.diff(found.source) > 0).all()
    assert (found.labels[~rare] == y[found.source][~rare]).all()
    gone = np.setdiff1d(y, y[found.source[~rare]])
    assert len(gone) == 1
    assert len(found) == len(y) - (y == gone[0]).sum() + count
    assert (found.truth[rare] == gone[0]).all()
    assert len(set(found.labels[rare])) <= 1
    assert ((found.labels[rare] == gone[0]) == keep).all()
    classes = np.unique(found.labels)
    right = classes[found.truth_codes(classes)]
    assert (right[~rare] == y[found.source[~rare]]).all()
    if count and not keep:
        assert (found.truth_codes(classes)[rare] == -1).all()


def test_the_classes_of_a_near_cluster_can_be_named():
    x, y = case([30, 30, 30])
    found = corruptions.near_cluster(x, y, 0.1, 0, rare=2, label=0)
    assert (y[found.source[found.errors]] == 2).all()
    assert (found.labels[found.errors] == 0).all()
    assert set(found.table.detail) == {"rare class 2"}


def test_a_near_cluster_is_redrawn_by_the_seed():
    x, y = case([30, 30, 30])
    drawn = {tuple(corruptions.near_cluster(x, y, 0.1, seed).source) for seed in range(5)}
    assert len(drawn) == 5


@given(rate=st.floats(0, 1), seed=st.integers(0, 50), named=st.booleans())
def test_a_far_cluster_is_foreign_and_has_one_label(rate, seed, named):
    x, y = case([10, 10, 10], seed)
    foreign = -1 - np.arange(200.0).reshape(-1, 2)
    classes = np.arange(100) % 3 if named else None
    before, others = x.copy(), foreign.copy()
    found = corruptions.far_cluster(x, y, rate, seed, foreign=foreign, foreign_labels=classes)
    assert (x == before).all()
    assert (foreign == others).all()
    new = found.errors
    assert new.sum() == round(rate * 30)
    assert (found.samples[~new] == x[~new]).all()
    assert (found.labels[~new] == y[~new]).all()
    assert (found.samples[new] < 0).all()
    assert len(np.unique(found.samples[new], axis=0)) == new.sum()
    assert len(set(found.labels[new])) <= 1
    assert (found.source == np.where(new, -1, np.arange(30))).all()
    assert all(one is None for one in found.truth[new])
    assert (found.truth_codes(range(3)) == np.where(new, -1, y)).all()
    if named:
        drawn = (-found.samples[new][:, 0] - 1) / 2
        assert len(set(drawn % 3)) <= 1


def test_a_far_cluster_among_texts_and_tables():
    y = ["a", "b"] * 5
    texts = corruptions.far_cluster(list("0123456789"), y, 0.2, 0, foreign=["x", "y", "z"])
    assert sum(text in "xyz" for text in texts.samples) == 2
    frame = pd.DataFrame(
        {"n": range(10), "s": pd.Categorical(list("uvuvuvuvuv"))}, index=range(5, 15)
    )
    other = pd.DataFrame({"n": [90, 91, 92], "s": pd.Categorical(list("uvu"))})
    found = corruptions.far_cluster(frame, y, 0.2, 0, foreign=other)
    assert (found.samples.dtypes == frame.dtypes).all()
    assert (found.samples.index == frame.index).all()
    assert (found.samples.n >= 90).sum() == 2
    pd.testing.assert_frame_equal(found.samples[~found.errors], frame[~found.errors])


@given(
    rate=st.floats(0, 0.5),
    seed=st.integers(0, 50),
    jitter=st.sampled_from([0.0, 0.01]),
    conflict=st.booleans(),
)
def test_near_duplicates_are_copies_of_clean_rows(rate, seed, jitter, conflict):
    x, y = case([10, 10, 10], seed)
    found = corruptions.near_duplicates(x, y, rate, seed, jitter=jitter, conflict=conflict)
    copies = found.errors
    assert copies.sum() == round(rate * 30)
    assert (found.samples[~copies] == x[~copies]).all()
    originals = found.source[copies]
    assert len(set(originals)) == copies.sum()
    assert not copies[originals].any()
    away = abs(found.samples[copies] - x[originals])
    assert (away <= 8 * jitter * x.std(axis=0)).all()
    assert bool((away > 0).all()) == bool(jitter) or not copies.any()
    assert (found.truth[copies] == y[originals]).all()
    assert ((found.labels[copies] != y[originals]) == conflict).all()


@pytest.mark.parametrize("form", ["image", "frame", "texts", "integers"])
def test_near_duplicates_keep_the_type(form):
    random = np.random.default_rng(0)
    samples = {
        "image": random.integers(0, 256, (20, 6, 6, 3)).astype(np.uint8),
        "frame": pd.DataFrame(
            {"f": random.normal(size=20).astype(np.float32), "s": list("ab") * 10}
        ),
        "texts": [f"text number {place}" for place in range(20)],
        "integers": random.integers(0, 9, (20, 3)),
    }[form]
    found = corruptions.near_duplicates(samples, [0, 1] * 10, 0.25, 0, jitter=0.02)
    rows, sources = np.flatnonzero(found.errors), found.source[found.errors]
    if form == "frame":
        assert (found.samples.dtypes == samples.dtypes).all()
        same = found.samples.f.to_numpy()[rows] == samples.f.to_numpy()[sources]
        assert not same.any()
        assert (found.samples.s.to_numpy()[rows] == samples.s.to_numpy()[sources]).all()
    elif form == "texts":
        pairs = zip(rows, sources, strict=True)
        assert all(found.samples[row] != samples[source] for row, source in pairs)
    else:
        assert found.samples.dtype == samples.dtype
        away = abs(found.samples[rows].astype(int) - samples[sources].astype(int))
        assert away.max() <= (40 if form == "image" else 1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x, y: corruptions.near_cluster(x, y % 2, 0.1, 0), "at least 3 classes"),
        (
            lambda x, y: corruptions.near_cluster(x, y, 0.9, 0),
            "a class with at least 27 samples; got 10",
        ),
        (
            lambda x, y: corruptions.near_cluster(x, y, 0.1, 0, rare=7),
            "one of the classes 0, 1, 2; got 7",
        ),
        (
            lambda x, y: corruptions.near_cluster(x, y, 0.1, 0, rare=1, label=1),
            "another class's label",
        ),
        (lambda x, y: corruptions.far_cluster(x, y, 0.5, 0, foreign=x[:3]), "at least 15 foreign"),
        (
            lambda x, y: corruptions.far_cluster(x, y, 0.1, 0, foreign=x[:, :1]),
            "samples like an array",
        ),
        (
            lambda x, y: corruptions.far_cluster(x, y, 0.1, 0, foreign=list("abc")),
            "a list of texts",
        ),
        (
            lambda x, y: corruptions.near_duplicates(x, y, 0.6, 0),
            "at least 18 other samples to copy",
        ),
        (lambda x, y: corruptions.near_duplicates(x, y, 0.1, 0, jitter=-1), "jitter of 0 or more"),
        (lambda x, y: corruptions.near_duplicates(x, 0 * y, 0.1, 0, conflict=True), "two classes"),
    ],
    ids=["binary", "few", "rare", "own", "foreign", "shape", "form", "half", "jitter", "conflict"],
)
def test_bad_clusters_say_what_to_do(call, message):
    with pytest.raises(InputError, match=message):
        call(*case([10, 10, 10]))
