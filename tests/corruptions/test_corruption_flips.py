import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaffinch import corruptions
from chaffinch.core.errors import InputError
from chaffinch.corruptions.flip import round_to_total

FLIPS = [corruptions.uniform_flips, corruptions.class_dependent_flips, corruptions.pair_flips]


def shuffled(sizes, seed=0):
    return np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))


@pytest.mark.parametrize("flip", FLIPS, ids=lambda flip: flip.__name__)
@given(
    sizes=st.lists(st.integers(1, 30), min_size=2, max_size=6),
    rate=st.floats(0, 1),
    seed=st.integers(0, 100),
)
def test_flips_are_exact_and_every_flip_flips(flip, sizes, rate, seed):
    truth = shuffled(sizes, seed)
    before = truth.copy()
    labels, errors = flip(truth, rate, seed)
    assert (truth == before).all()
    assert errors.sum() == round(rate * len(truth))
    assert ((labels != truth) == errors).all()
    assert set(labels) <= set(truth)
    again, same = flip(truth, rate, seed)
    assert (again == labels).all()
    assert (same == errors).all()


@given(sizes=st.lists(st.integers(1, 30), min_size=2, max_size=6), seed=st.integers(0, 2**32))
def test_uniform_flips_keep_the_draws_of_published_figures(sizes, seed):
    truth = shuffled(sizes, seed % 7)
    random = np.random.default_rng(seed)
    rows = random.choice(len(truth), round(0.3 * len(truth)), replace=False)
    expected = truth.copy()
    expected[rows] = (truth[rows] + random.integers(1, len(sizes), len(rows))) % len(sizes)
    assert (corruptions.uniform_flips(truth, 0.3, seed)[0] == expected).all()


def test_uniform_flips_reach_every_other_class_alike():
    truth = np.repeat(np.arange(4), 3000)
    labels, errors = corruptions.uniform_flips(truth, 0.5, 1)
    shift = (labels - truth)[errors] % 4
    counts = np.bincount(shift, minlength=4)
    assert counts[0] == 0
    assert (abs(counts[1:] - 2000) < 5 * np.sqrt(2000)).all()


def test_class_dependent_flips_have_one_partner_a_class_and_all_are_partners():
    truth = shuffled([50, 60, 70, 80])
    labels, errors = corruptions.class_dependent_flips(truth, 0.5, 3)
    pairs = {(int(a), int(b)) for a, b in zip(truth[errors], labels[errors], strict=True)}
    assert len(pairs) == 4
    assert {one for one, _ in pairs} == {other for _, other in pairs} == {0, 1, 2, 3}


def test_given_partners_leave_other_classes_alone():
    truth = np.array(["cat", "dog", "owl"] * 40)
    labels, errors = corruptions.class_dependent_flips(truth, 0.1, 0, {"cat": "dog"})
    assert set(truth[errors]) == {"cat"}
    assert set(labels[errors]) == {"dog"}
    assert errors.sum() == 12


def test_pair_flips_go_to_the_next_class():
    truth = shuffled([30, 30, 30])
    labels, errors = corruptions.pair_flips(truth, 0.4, 0)
    assert (labels[errors] == (truth[errors] + 1) % 3).all()


@given(
    sizes=st.lists(st.integers(1, 40), min_size=2, max_size=5),
    seed=st.integers(0, 1000),
)
def test_a_matrix_gives_its_counts_exactly(sizes, seed):
    truth = shuffled(sizes, seed)
    shares = np.random.default_rng(seed).dirichlet(np.ones(len(sizes)), len(sizes))
    labels, errors = corruptions.flips_by_matrix(truth, shares, seed)
    counts = np.zeros((len(sizes), len(sizes)))
    np.add.at(counts, (truth, labels), 1)
    assert (counts.sum(1) == sizes).all()
    assert (abs(counts - shares * np.array(sizes)[:, None]) < 1).all()
    assert ((labels != truth) == errors).all()
    assert (corruptions.flips_by_matrix(truth, shares, seed)[0] == labels).all()


def test_whole_counts_of_a_matrix_are_not_disturbed_by_rounding():
    assert round_to_total(np.array([0.1, 0.2, 0.7]) * 10, 10).tolist() == [1, 2, 7]
    assert round_to_total(np.array([1.5, 1.4, 0.1]), 3).tolist() == [2, 1, 0]


def test_mislabel_is_the_flip_with_a_table():
    x, y = np.arange(40.0)[:, None], shuffled([20, 20])
    labels, errors = corruptions.uniform_flips(y, 0.25, 7)
    corrupted = corruptions.apply("uniform_flips", x, y, 0.25, 7)
    assert (corrupted.labels == labels).all()
    assert corrupted.samples is x
    assert (corrupted.errors == errors).all()
    assert (corrupted.truth == y).all()
    table = corrupted.table
    assert list(table.position) == np.flatnonzero(errors).tolist()
    assert (table.original_label.to_numpy() == y[errors]).all()
    assert (table.given_label.to_numpy() == labels[errors]).all()
    assert set(table.kind) == {"mislabelled"}
    assert set(table.detail) == {"uniform flip"}


@pytest.mark.parametrize("dtype", ["int32", "<U3", "bool", "float64"])
def test_the_type_of_the_labels_stays(dtype):
    y = np.array([0, 1] * 10).astype(dtype)
    given = corruptions.apply("uniform_flips", np.zeros((20, 1)), y, 0.2, 0).labels
    assert given.dtype == y.dtype
    assert (given != y).sum() == 4


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: corruptions.uniform_flips([0, 1], 1.5, 0), "a rate in 0..1; got 1.5"),
        (lambda: corruptions.uniform_flips([0, 0], 0.5, 0), "at least two classes"),
        (lambda: corruptions.uniform_flips([], 0.5, 0), "at least one sample"),
        (
            lambda: corruptions.class_dependent_flips([0, 1], 0.5, 0, {0: 0}),
            "none its own; got 0: 0",
        ),
        (lambda: corruptions.class_dependent_flips([0, 1], 0.5, 0, {0: 2}), "got 0: 2"),
        (
            lambda: corruptions.class_dependent_flips([0, 1], 1.0, 0, {0: 1}),
            "at least 2 samples of",
        ),
        (lambda: corruptions.flips_by_matrix([0, 1], np.ones((2, 2)), 0), "whose rows sum to 1"),
        (lambda: corruptions.flips_by_matrix([0, 1], np.eye(3), 0), r"\(2, 2\) matrix.*\(3, 3\)"),
        (
            lambda: corruptions.mislabel(np.zeros((3, 1)), [0, 1], 0.5, 0),
            "each of 3 samples; got 2",
        ),
        (lambda: corruptions.apply("uniform_flip", [], [], 0.5, 0), "Did you mean 'uniform_flips'"),
    ],
    ids=["rate", "one-class", "empty", "own", "unknown", "few", "rows", "shape", "length", "name"],
)
def test_bad_input_says_what_to_do(call, message):
    with pytest.raises(InputError, match=message):
        call()
