import numpy as np
import pandas as pd
import pytest

import chaffinch as cf
from chaffinch.checks.drift import classifier_test, column_drift
from chaffinch.checks.order import label_order_test, order_statistics, order_test

RANDOM = np.random.default_rng(0)
NOISE = RANDOM.normal(size=(2000, 5)).astype(np.float32)


def test_the_order_of_independent_samples_is_no_issue():
    p_values = [order_test(NOISE[RANDOM.permutation(2000)], seed)[1] for seed in range(10)]
    assert min(p_values) > 1e-3


def test_slow_trends_and_alike_neighbours_are_found():
    trend = NOISE.copy()
    trend[:, 2] += np.linspace(0, 1, 2000)
    effect, p_value = order_test(trend, 0)
    assert effect > 0.05
    assert p_value < 1e-4
    walk = NOISE.copy()
    walk[1:, 0] += 0.7 * walk[:-1, 0]
    assert order_test(walk, 0)[1] < 1e-4


def test_the_limits_are_those_of_permutations():
    random = np.random.default_rng(1)
    values = np.stack(
        [random.normal(size=400), random.random(400) < 0.3, random.random(400)], axis=1
    )
    values = (values - values.mean(axis=0)) / values.std(axis=0)
    drawn = [order_statistics(random.permutation(values)) for _ in range(2000)]
    neighbours, between = (np.stack(one) * 400 for one in zip(*drawn, strict=True))
    np.testing.assert_allclose(neighbours.var(axis=0), 400, rtol=0.1)
    np.testing.assert_allclose(between.mean(axis=0), 19, rtol=0.05)
    np.testing.assert_allclose(between.var(axis=0), 2 * 19, rtol=0.15)


def test_the_p_value_of_labels_is_that_of_permutations():
    random = np.random.default_rng(2)
    codes = random.choice(3, 60, p=[0.6, 0.3, 0.1])
    effects = np.asarray([label_order_test(random.permutation(codes)) for _ in range(4000)])
    assert effects[:, 0].mean() == pytest.approx(0, abs=0.01)
    for level in (0.05, 0.3):
        assert np.mean(effects[:, 1] <= level) == pytest.approx(level, abs=0.03)


def test_a_few_rows_that_stand_together_by_chance_are_no_order():
    rare = np.zeros((2000, 40), np.float32)
    rare[np.repeat(np.arange(40) * 49, 2) + np.tile([0, 1], 40), np.repeat(np.arange(40), 2)] = 1
    assert order_test(rare, 0) == (0.0, 1.0)


def test_the_effect_of_neighbours_is_the_ratio_of_von_neumann():
    walk = np.cumsum(RANDOM.normal(size=(500, 1)), axis=0).astype(np.float32)
    exact = walk[:, 0].astype(np.float64)
    ratio = (np.diff(exact) ** 2).mean() / 2 / exact.var()
    effect = order_test(walk, 0)[0]
    # Between blocks lies more of a random walk's variance than is lost between neighbours.
    assert effect == pytest.approx(1 - ratio, abs=0.05)


def test_sorted_and_alternating_labels_are_told_from_shuffled_ones():
    codes = np.repeat([0, 1, 2], 100)
    assert label_order_test(codes)[0] == pytest.approx(1, abs=0.02)
    assert label_order_test(codes)[1] < 1e-6
    alternate = np.tile([0, 1], 150)
    assert label_order_test(alternate)[0] == pytest.approx(-1, abs=0.01)
    assert label_order_test(alternate)[1] < 1e-6
    assert label_order_test(RANDOM.permutation(codes))[1] > 1e-3


def test_data_without_a_trend_are_too_few_to_test():
    assert order_test(NOISE[:10], 0) == (0.0, 1.0)
    assert order_test(np.zeros((100, 2), np.float32), 0) == (0.0, 1.0)


def test_a_classifier_tells_shifted_splits_apart_and_no_others():
    assert classifier_test(NOISE[:1000], NOISE[1000:], 0)[1] > 1e-3
    auroc, p_value = classifier_test(NOISE[:1000], NOISE[1000:] + 0.5, 0)
    assert 0.7 < auroc < 0.9
    assert p_value < 1e-6
    assert classifier_test(NOISE[:10], NOISE[10:], 0) == (0.5, 1.0)


def test_drift_of_a_column_is_the_largest_gap_of_the_distributions():
    one, other = pd.Series([0.0] * 50 + [1.0] * 50), pd.Series([0.0] * 80 + [1.0] * 20)
    assert column_drift(one, other)[0] == pytest.approx(0.3)
    effect, p_value = column_drift(pd.Series(["a"] * 90 + ["b"] * 10), pd.Series(["b"] * 100))
    assert effect > 0.8
    assert p_value < 1e-6
    assert column_drift(one[:5], other) == (0.0, 1.0)


def splits(shift):
    train = pd.DataFrame(NOISE[:1000], columns=list("abcde")).assign(
        label=RANDOM.integers(0, 2, 1000)
    )
    test = pd.DataFrame(NOISE[1000:], columns=list("abcde")).assign(
        label=RANDOM.integers(0, 2, 1000)
    )
    return train, test.assign(b=test["b"] + shift)


def test_drift_between_splits_names_the_column():
    train, test = splits(1.0)
    found = cf.check({"train": train, "test": test}).issues.set_index("issue")
    assert set(found.index) == {"drift", "split_difference"}
    assert [name[0] for name in found.loc["drift", "names"]] == ["b"]


def test_splits_of_one_distribution_do_not_drift():
    train, test = splits(0.0)
    found = cf.check({"train": train, "test": test})
    assert found.issues.empty, found.summary()
