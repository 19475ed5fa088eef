"""The noise model against finite differences, Bayes' rule in loops, and planted noise."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from chaffinch.diagnosis import noise_model
from chaffinch.diagnosis.likelihood import centred, cost_of_rate
from chaffinch.diagnosis.noise_model import (
    MAX_FIT_SAMPLES,
    MAX_TRANSITION_SAMPLES,
    NoiseModel,
)

SIZES = st.fixed_dictionaries(
    {
        "sources": st.integers(1, 3),
        "samples": st.integers(1, 8),
        "classes": st.integers(2, 5),
        "seed": st.integers(0, 10_000),
        "rate": st.floats(0.01, 0.45),
    }
)


def draw(size):
    random = np.random.default_rng(size["seed"])
    shape = (size["sources"], size["samples"], size["classes"])
    codes = random.integers(0, size["classes"], size["samples"])
    return random.normal(size=shape) * 2, codes, random.uniform(0.1, 2, size["sources"])


def planted(rate, num_classes, num_samples=6000, sharpness=0.3, seed=0):
    """Calibrated log-probabilities, and labels drawn from them of which some are then flipped."""
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet(np.full(num_classes, sharpness), num_samples)
    codes = (probabilities.cumsum(1) > random.uniform(size=(num_samples, 1))).argmax(1)
    wrong = random.uniform(size=num_samples) < rate
    codes[wrong] = (codes[wrong] + random.integers(1, num_classes, wrong.sum())) % num_classes
    return np.log(np.maximum(probabilities, 1e-6)), codes, wrong


@given(SIZES)
def test_the_gradient_is_that_of_thecost_of_rate(size):
    sources, codes, weights = draw(size)
    stack = np.stack([centred(source) for source in sources])
    at = np.append(weights, size["rate"])
    _, gradient = cost_of_rate(at, stack, codes)
    step = 1e-6
    for position, slope in enumerate(gradient):
        move = step * np.eye(len(at))[position]
        rise = cost_of_rate(at + move, stack, codes)[0] - cost_of_rate(at - move, stack, codes)[0]
        assert slope == pytest.approx(rise / (2 * step), rel=1e-4, abs=1e-6)


@given(SIZES)
def test_the_cost_is_the_negative_log_likelihood_of_the_labels(size):
    sources, codes, weights = draw(size)
    stack = np.stack([centred(source) for source in sources])
    cost, _ = cost_of_rate(np.append(weights, size["rate"]), stack, codes)
    num_classes, total = size["classes"], 0.0
    for n, code in enumerate(codes):
        powers = [
            math.exp(sum(w * s[n, k] for w, s in zip(weights, stack, strict=True)))
            for k in range(num_classes)
        ]
        seen = sum(
            power
            / sum(powers)
            * (1 - size["rate"] if k == code else size["rate"] / (num_classes - 1))
            for k, power in enumerate(powers)
        )
        total -= math.log(seen)
    assert cost == pytest.approx(total / len(codes), rel=1e-9)


@given(SIZES)
def test_the_posterior_is_bayes_rule(size):
    sources, codes, weights = draw(size)
    model = NoiseModel(weights, size["rate"], 0.0)
    posterior = model.posterior(sources, codes)
    np.testing.assert_allclose(posterior.sum(axis=1), 1, rtol=1e-12)
    num_classes = size["classes"]
    for n, code in enumerate(codes):
        prior = [1.0] * num_classes
        for weight, source in zip(weights, sources, strict=True):
            powers = [math.exp(z) for z in source[n].tolist()]
            for k in range(num_classes):
                prior[k] *= max(powers[k] / sum(powers), 1e-6) ** weight
        joint = [
            p * (1 - size["rate"] if k == code else size["rate"] / (num_classes - 1))
            for k, p in enumerate(prior)
        ]
        np.testing.assert_allclose(posterior[n], np.asarray(joint) / sum(joint), rtol=1e-9)


@given(SIZES)
def test_predictions_are_log_probabilities(size):
    sources, _, weights = draw(size)
    predicted = NoiseModel(weights, size["rate"], 0.0).predict(sources)
    np.testing.assert_allclose(np.exp(predicted).sum(axis=1), 1, rtol=1e-12)


def test_no_class_is_impossible():
    cut = centred(np.asarray([[0.0, -1e5], [1e5, 0.0]]))
    np.testing.assert_allclose(cut, [[0, math.log(1e-6)], [0, math.log(1e-6)]], atol=1e-12)


def test_sources_are_left_as_they_are():
    sources, codes, _ = draw({"sources": 2, "samples": 40, "classes": 3, "seed": 0, "rate": 0.1})
    before = sources.copy()
    NoiseModel.fit(sources, codes).posterior(sources, codes)
    np.testing.assert_array_equal(sources, before)


@pytest.mark.parametrize("num_classes", [2, 3, 10])
@pytest.mark.parametrize("rate", [0.03, 0.1, 0.25, 0.4])
def test_a_planted_rate_is_recovered(rate, num_classes):
    source, codes, wrong = planted(rate, num_classes)
    model = NoiseModel.fit([source], codes)
    assert model.rate == pytest.approx(wrong.mean(), abs=0.025)
    assert model.weights[0] == pytest.approx(1, abs=0.2)  # they are calibrated as they are


@pytest.mark.parametrize("num_classes", [2, 3, 10])
def test_clean_labels_have_a_rate_near_zero(num_classes):
    source, codes, _ = planted(0, num_classes)
    assert NoiseModel.fit([source], codes).rate < 0.01


def test_the_posterior_is_calibrated():
    source, codes, wrong = planted(0.2, 3)
    model = NoiseModel.fit([source], codes)
    doubt = 1 - model.posterior([source], codes)[np.arange(len(codes)), codes]
    for low, high in [(0, 0.1), (0.1, 0.4), (0.4, 0.7), (0.7, 1)]:
        inside = (doubt >= low) & (doubt <= high)
        assert inside.sum() > 100
        assert doubt[inside].mean() == pytest.approx(wrong[inside].mean(), abs=0.05)


def test_overconfident_predictions_are_softened():
    source, codes, _ = planted(0.1, 3)
    soft = 3 * source
    model = NoiseModel.fit([soft], codes)
    assert model.weights[0] == pytest.approx(1 / 3, abs=0.1)


def test_a_source_that_knows_nothing_gets_no_weight():
    source, codes, _ = planted(0.1, 3)
    noise = np.random.default_rng(1).normal(size=source.shape)
    model = NoiseModel.fit([source, noise], codes)
    assert model.weights[1] < 0.1 < 0.8 < model.weights[0]


def test_the_likelihood_is_that_of_the_fit():
    source, codes, _ = planted(0.1, 3, num_samples=500)
    model = NoiseModel.fit([source], codes)
    cost, gradient = cost_of_rate(
        np.append(model.weights, model.rate), centred(source)[None], codes
    )
    assert model.likelihood == pytest.approx(-cost, rel=1e-12)
    np.testing.assert_allclose(gradient, 0, atol=1e-3)  # both are inside of their bounds


def test_many_samples_are_fitted_on_a_part_of_them_that_the_seed_chooses(monkeypatch):
    source, codes, wrong = planted(0.1, 2, num_samples=MAX_FIT_SAMPLES + 10_000)
    counts = []

    def spy(parameters, stack, chosen):
        counts.append((stack.shape[1], len(chosen)))
        return cost_of_rate(parameters, stack, chosen)

    monkeypatch.setattr(noise_model, "cost_of_rate", spy)
    first, again = NoiseModel.fit([source], codes, 3), NoiseModel.fit([source], codes, 3)
    other = NoiseModel.fit([source], codes, 4)
    # The rate rests on the larger part; one rate and a transition are compared on the smaller.
    parts = (MAX_FIT_SAMPLES, MAX_TRANSITION_SAMPLES)
    assert set(counts) == {(size, size) for size in parts}
    assert first.rate == again.rate != other.rate
    for model in (first, other):  # labels and predictions still belong together
        assert model.rate == pytest.approx(wrong.mean(), abs=0.02)


def most_likely(source, codes, rate):
    """Log-likelihood of N labels under the best weight for a rate, found by bisection."""

    def cost(weight):
        return cost_of_rate(np.asarray([weight, rate]), centred(source)[None], codes)[0]

    return -len(codes) * minimize_scalar(cost, bounds=(0, 20), method="bounded").fun


@pytest.mark.parametrize("wanted", [0.001, 0.45])
def test_another_rate_is_taken_as_far_as_the_labels_allow(wanted):
    source, codes, _ = planted(0.15, 2, num_samples=500)
    model = NoiseModel.fit([source], codes)
    moved = model.toward(wanted, [source], codes)
    most, edge = (most_likely(source, codes, one.rate) for one in (model, moved))
    beyond = most_likely(source, codes, moved.rate + 0.1 * (wanted - moved.rate))
    assert abs(moved.rate - wanted) < abs(model.rate - wanted)
    assert most - edge <= 1.92 + 0.01
    assert most - beyond > 1.92
    assert moved.likelihood * len(codes) == pytest.approx(edge, abs=1e-3)


def test_a_rate_that_the_labels_allow_is_taken():
    source, codes, _ = planted(0.15, 2, num_samples=150)
    model = NoiseModel.fit([source], codes)
    near = model.rate + 0.01
    assert model.toward(near, [source], codes).rate == pytest.approx(near)


def test_many_labels_leave_no_choice():
    source, codes, _ = planted(0.1, 3)
    model = NoiseModel.fit([source], codes)
    assert model.toward(0.4, [source], codes).rate == pytest.approx(model.rate, abs=0.03)


def test_class_dependent_noise_is_left_as_it_is():
    source, codes, _ = planted(0.1, 2, num_samples=50)
    model = NoiseModel(np.ones(1), 0.1, -1.0, np.eye(2))
    assert model.toward(0.3, [source], codes) is model
