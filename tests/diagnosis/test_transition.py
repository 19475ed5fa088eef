"""Transition matrices: priors against brute force, and classes that are taken for one another."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import betabinom, dirichlet_multinomial

from chaffinch.diagnosis import noise_model
from chaffinch.diagnosis.likelihood import centred, cost_of_weights, right_classes
from chaffinch.diagnosis.noise_model import NoiseModel
from chaffinch.diagnosis.transition import (
    _evidence_of_rates,
    _evidence_of_spread,
    even,
    expected_counts,
    shrunk,
)

SIZES = st.tuples(st.integers(2, 5), st.integers(1, 8), st.integers(0, 10_000))


def planted(matrix, num_samples=2000, sharpness=0.15, seed=0):
    """Predictions of the right class, and given labels drawn by the matrix."""
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet(np.full(len(matrix), sharpness), num_samples)
    truth = (probabilities.cumsum(1) > random.uniform(size=(num_samples, 1))).argmax(1)
    codes = (matrix[truth].cumsum(1) > random.uniform(size=(num_samples, 1))).argmax(1)
    return np.log(np.maximum(probabilities, 1e-6)), codes, truth != codes


@given(SIZES)
def test_expected_counts_by_adding_up(size):
    num_classes, samples, seed = size
    random = np.random.default_rng(seed)
    posterior = random.dirichlet(np.ones(num_classes), samples)
    codes = random.integers(0, num_classes, samples)
    wanted = np.zeros((num_classes, num_classes))
    for row, code in zip(posterior, codes, strict=True):
        wanted[:, code] += row
    np.testing.assert_allclose(expected_counts(posterior, codes), wanted, rtol=1e-12)


@given(SIZES)
def test_rows_of_a_matrix_are_probabilities(size):
    num_classes, samples, seed = size
    counts = np.random.default_rng(seed).gamma(0.3, 20, (num_classes, num_classes)) * samples
    found = shrunk(counts)
    np.testing.assert_allclose(found.matrix.sum(axis=1), 1, rtol=1e-9)
    assert (found.matrix > 0).all()
    assert found.degrees >= 1


def test_evidence_is_that_of_the_textbook_distributions():
    errors, totals = np.asarray([3, 10]), np.asarray([40, 50])
    wanted = [
        betabinom(n, 20 * 0.1, 20 * 0.9).logpmf(k) for k, n in zip(errors, totals, strict=True)
    ]
    other = [betabinom(n, 5 * 0.1, 5 * 0.9).logpmf(k) for k, n in zip(errors, totals, strict=True)]
    ours = [_evidence_of_rates(errors, totals, 0.1, a) for a in (20, 5)]
    # Equal up to the number of orders, which does not depend on the prior.
    assert ours[0] - ours[1] == pytest.approx(sum(wanted) - sum(other), rel=1e-9)
    wrong = np.asarray([[0, 4, 1], [2, 0, 6], [0, 3, 0]])
    rows = [np.asarray([4, 1]), np.asarray([2, 6]), np.asarray([0, 3])]
    sums = [
        sum(dirichlet_multinomial([b, b], row.sum()).logpmf(row) for row in rows) for b in (0.3, 3)
    ]
    ours = [_evidence_of_spread(wrong, b) for b in (0.3, 3)]
    assert ours[0] - ours[1] == pytest.approx(sums[0] - sums[1], rel=1e-9)


def test_even_counts_give_an_even_matrix_with_hardly_a_parameter():
    found = shrunk(1000 * even(0.2, 4))
    np.testing.assert_allclose(found.matrix, even(0.2, 4), atol=1e-3)
    assert found.degrees < 2


def test_uneven_counts_are_followed():
    counts = np.asarray([[900.0, 100, 0], [0, 1000, 0], [20, 20, 960]])
    found = shrunk(counts)
    np.testing.assert_allclose(found.matrix, counts / 1000, atol=0.02)
    assert found.degrees > 3


@given(SIZES)
def test_the_gradient_of_the_weights_is_that_of_the_cost(size):
    num_classes, samples, seed = size
    random = np.random.default_rng(seed)
    stack = np.stack([centred(random.normal(size=(samples, num_classes))) for _ in range(2)])
    codes = random.integers(0, num_classes, samples)
    matrix = random.dirichlet(np.ones(num_classes), num_classes)
    at = random.uniform(0.2, 2, 2)
    _, gradient = cost_of_weights(at, stack, matrix, codes)
    for position, slope in enumerate(gradient):
        move = 1e-6 * np.eye(2)[position]
        rise = (
            cost_of_weights(at + move, stack, matrix, codes)[0]
            - cost_of_weights(at - move, stack, matrix, codes)[0]
        )
        assert slope == pytest.approx(rise / 2e-6, rel=1e-4, abs=1e-6)


@given(SIZES)
def test_the_posterior_is_bayes_rule(size):
    num_classes, samples, seed = size
    random = np.random.default_rng(seed)
    matrix = random.dirichlet(np.ones(num_classes), num_classes) + 1e-3
    matrix /= matrix.sum(axis=1, keepdims=True)
    source = random.normal(size=(samples, num_classes))
    codes = random.integers(0, num_classes, samples)
    model = NoiseModel(np.ones(1), 0.1, 0.0, matrix)
    prior = np.exp(model.predict([source]))
    posterior = model.posterior([source], codes)
    np.testing.assert_allclose(posterior, right_classes(prior, matrix, codes), rtol=1e-9)
    for n, code in enumerate(codes):
        joint = [prior[n, k] * matrix[k, code] for k in range(num_classes)]
        np.testing.assert_allclose(posterior[n], np.asarray(joint) / sum(joint), rtol=1e-9)


PAIRS = 0.8 * np.eye(4) + 0.2 * np.roll(np.eye(4), 1, axis=1)
ONE_CLASS = np.eye(4)
ONE_CLASS[0] = [0.7, 0.1, 0.1, 0.1]


@pytest.mark.parametrize("matrix", [PAIRS, ONE_CLASS], ids=["pairs", "one noisy class"])
@pytest.mark.parametrize("seed", range(2))
def test_classes_taken_for_one_another_are_found(matrix, seed):
    source, codes, wrong = planted(matrix, seed=seed)
    model = NoiseModel.fit([source], codes)
    assert model.transition is not None
    np.testing.assert_allclose(model.transition, matrix, atol=0.06)
    assert model.rate == pytest.approx(wrong.mean(), abs=0.02)
    doubt = 1 - model.posterior([source], codes)[np.arange(len(codes)), codes]
    assert doubt.sum() == pytest.approx(wrong.sum(), rel=0.15)
    assert doubt[wrong].mean() > 5 * doubt[~wrong].mean()


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.3])
@pytest.mark.parametrize("seed", range(3))
def test_one_rate_for_all_stays_one_rate_for_all(rate, seed):
    source, codes, wrong = planted(even(rate, 4), seed=seed)
    model = NoiseModel.fit([source], codes)
    if model.transition is not None:  # chance alone makes the rates of classes differ a little
        np.testing.assert_allclose(model.transition, even(rate, 4), atol=0.05)
    assert model.rate == pytest.approx(wrong.mean(), abs=0.02)


def test_the_matrix_is_fitted_on_a_part_of_many_samples(monkeypatch):
    monkeypatch.setattr(noise_model, "MAX_TRANSITION_SAMPLES", 1000)
    seen = []

    def spy(posterior, codes):
        seen.append((len(posterior), len(codes)))
        return expected_counts(posterior, codes)

    monkeypatch.setattr(noise_model, "expected_counts", spy)
    source, codes, wrong = planted(PAIRS)
    model = NoiseModel.fit([source], codes)
    assert set(seen) == {(1000, 1000)}
    assert model.rate == pytest.approx(wrong.mean(), abs=0.03)


def test_two_classes_that_nothing_tells_apart_are_ambiguous_and_not_noisy():
    random = np.random.default_rng(0)
    right = random.integers(0, 3, 900)
    flipped = random.random(900) < 0.1
    labels = np.where(flipped, (right + random.integers(1, 3, 900)) % 3, right)
    # Predictions know the third class; which of the others they prefer, and how surely, is chance.
    third = 5.0 * (2 * (right == 2) - 1)
    source = np.stack([random.normal(0, 2, 900), random.normal(0, 2, 900), third], axis=1)
    model = NoiseModel.fit([source], labels, 0)
    wrong = 1 - model.posterior([source], labels)[np.arange(900), labels]
    assert wrong.mean() < 0.2
    assert model.rate < 0.2


def test_a_matrix_that_mixes_two_classes_up_does_not_tell_them_apart():
    mixed = np.array([[0.6, 0.4, 0.0], [0.35, 0.65, 0.0], [0.0, 0.0, 1.0]])
    one_way = np.array([[0.6, 0.4, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    assert not NoiseModel(np.ones(1), 0.25, 0.0, mixed).tells_apart
    assert NoiseModel(np.ones(1), 0.13, 0.0, one_way).tells_apart
