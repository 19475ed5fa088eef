"""Rates and their intervals: sums by hand, and coverage on simulated data."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaffinch.diagnosis.noise_model import NoiseModel
from chaffinch.diagnosis.rate import interval, rates

PROBABILITIES = st.lists(st.floats(0, 1), min_size=1, max_size=30)


@given(PROBABILITIES)
def test_the_interval_holds_the_estimate(values):
    low, high = interval(np.asarray(values))
    assert 0 <= low <= np.mean(values) <= high <= 1
    assert low < high


@given(st.integers(1, 60), st.integers(0, 1000))
def test_more_confidence_is_a_wider_interval(size, seed):
    values = np.random.default_rng(seed).uniform(size=size)
    inner, outer = interval(values, 0.5), interval(values, 0.99)
    assert outer[0] <= inner[0]
    assert outer[1] >= inner[1]


def test_no_suspicion_at_all_is_a_rate_near_zero_but_not_sure():
    low, high = interval(np.zeros(100))
    assert low == 0
    assert 0.005 < high < 0.05
    assert interval(np.zeros(10_000))[1] < 0.001


@pytest.mark.parametrize("sharpness", [0.5, 2.0])
def test_intervals_hold_the_true_rate_where_probabilities_are_right(sharpness):
    held = []
    for seed in range(200):
        random = np.random.default_rng(seed)
        probabilities = 1 / (1 + np.exp(2 - sharpness * random.normal(size=150)))
        wrong = random.uniform(size=150) < probabilities
        low, high = interval(probabilities)
        held.append(low <= wrong.mean() <= high)
    assert np.mean(held) >= 0.94


def planted(random, rate, size, num_classes=4):
    """Predictions that are calibrated, and labels drawn by them of which some are flipped."""
    probabilities = random.dirichlet(np.full(num_classes, 0.3), size)
    codes = (probabilities.cumsum(1) > random.uniform(size=(size, 1))).argmax(1)
    wrong = random.uniform(size=size) < rate
    codes[wrong] = (codes[wrong] + random.integers(1, num_classes, wrong.sum())) % num_classes
    return np.log(np.maximum(probabilities, 1e-6)), codes, wrong


def test_intervals_hold_the_true_rate_where_the_noise_model_is_fitted():
    everyone, classes = [], []
    for seed in range(12):
        random = np.random.default_rng(seed)
        source, codes, wrong = planted(random, (0.03, 0.1, 0.3)[seed % 3], 400)
        right = NoiseModel.fit([source], codes).posterior([source], codes)
        suspicion = 1 - right[np.arange(len(codes)), codes]
        first, *others = rates(suspicion, codes, range(4))
        everyone.append(first["low"] <= wrong.mean() <= first["high"])
        for code, entry in enumerate(others):
            classes.append(entry["low"] <= wrong[codes == code].mean() <= entry["high"])
    assert np.mean(everyone) >= 0.9
    assert np.mean(classes) >= 0.9


def test_the_entries_are_all_then_classes_then_kinds():
    suspicion = np.asarray([0.5, 0.5, 1.0, 0.0])
    codes = np.asarray([0, 0, 2, 2])
    kinds = {"mislabelled": suspicion, "outlier": np.zeros(4)}
    entries = rates(suspicion, codes, ["ant", "bee", "cow"], kinds)
    assert [(e["of"], e["name"], e["rate"]) for e in entries] == [
        ("all", "all", 0.5),
        ("class", "ant", 0.5),
        ("class", "cow", 0.5),  # nobody is called a bee
        ("kind", "mislabelled", 0.5),
        ("kind", "outlier", 0.0),
    ]
    for entry in entries:
        assert list(entry) == ["of", "name", "rate", "low", "high"]
        assert entry["low"] <= entry["rate"] <= entry["high"]
