import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.people.human import same_order, wrong_by_vote
from benchmarks.people.noise import RECIPES, SOURCES

SIZE, CLASSES = 400, 5
SEEDS = st.integers(0, 10_000)


def codes_of(seed, classes=CLASSES):
    return np.random.default_rng([seed, 99]).permutation(np.arange(SIZE) % classes)


@pytest.mark.parametrize("name", RECIPES)
@given(seed=SEEDS)
def test_an_error_is_a_label_that_changed_and_stays_a_class(name, seed):
    right = codes_of(seed)
    noisy = RECIPES[name].apply(right, seed)
    assert (noisy.errors == (noisy.codes != right)).all()
    assert set(noisy.codes.tolist()) <= set(range(CLASSES))


@pytest.mark.parametrize(
    ("name", "share"),
    [("clean", 0), ("uniform-05", 0.05), ("uniform-40", 0.4), ("class-20", 0.2)],
)
@given(seed=SEEDS)
def test_shares_of_all_samples_are_exact(name, share, seed):
    assert RECIPES[name].apply(codes_of(seed), seed).errors.sum() == share * SIZE


@given(seed=SEEDS)
def test_one_sided_noise_is_a_share_of_one_class_to_all_others(seed):
    right = codes_of(seed)
    noisy = RECIPES["one-sided-20"].apply(right, seed)
    assert noisy.errors.sum() == 0.2 * SIZE / CLASSES
    assert len(set(right[noisy.errors])) == 1
    assert len(set(noisy.codes[noisy.errors])) == CLASSES - 1


@given(seed=SEEDS)
def test_one_sided_noise_between_two_classes(seed):
    right = codes_of(seed, 2)
    noisy = RECIPES["one-sided-20"].apply(right, seed)
    assert noisy.errors.sum() == 0.2 * SIZE / 2
    assert len(set(right[noisy.errors])) == 1


@pytest.mark.parametrize(("name", "share"), [("pair-20", 0.2), ("pair-40", 0.4)])
@given(seed=SEEDS)
def test_a_pair_is_a_share_of_one_class_to_one_other(name, share, seed):
    right = codes_of(seed)
    noisy = RECIPES[name].apply(right, seed)
    assert noisy.errors.sum() == share * SIZE / CLASSES
    assert len(set(right[noisy.errors])) == len(set(noisy.codes[noisy.errors])) == 1


@given(seed=SEEDS)
def test_only_the_bad_source_is_wrong_in_its_exact_share(seed):
    noisy = RECIPES["source-40"].apply(codes_of(seed), seed)
    assert set(noisy.sources.tolist()) == set(range(SOURCES))
    bad = noisy.sources == 0
    assert not noisy.errors[~bad].any()
    assert noisy.errors.sum() == round(0.4 * bad.sum())


def test_another_seed_draws_another_class():
    right = codes_of(0)
    drawn = {right[RECIPES["pair-20"].apply(right, seed).errors][0] for seed in range(20)}
    assert len(drawn) > 2


def test_votes_call_a_label_wrong_by_majority():
    votes = np.array([[0, 5, 0, 0], [1, 1, 2, 1], [3, 1, 1, 0], [0, 2, 0, 3], [0, 1, 2, 2]])
    assert wrong_by_vote(votes).tolist() == [True, True, False, False, True]


def test_rows_in_another_order_near_the_borders_of_folds_are_left_out():
    rows = same_order(50_000)
    assert len(rows) == 42_000
    assert rows[0] == 0
    assert rows[-1] == 49_999
    inner = np.arange(10_000, 50_000, 10_000)
    # A border cuts between two rows: 1,000 rows before it and 1,000 from it on are out.
    assert np.abs(rows[:, None] + 0.5 - inner).min() == 1000.5
