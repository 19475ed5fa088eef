"""Scorers from last-layer gradients against gradients that are formed."""

import math
from dataclasses import replace

import numpy as np
import pytest
import slow_twin as slow
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn.ensemble import IsolationForest

from chaffinch.core.evidence import Evidence
from chaffinch.core.labels import Labels
from chaffinch.scorers import SCORERS
from chaffinch.scorers.outliers.isolation_forest import (
    VirtualColumns,
    gradient_columns,
    isolation_scores,
    mean_path_length,
)
from chaffinch.scorers.signals.self_influence import traced_self_influence

LETTERS = st.fixed_dictionaries(
    {
        "epochs": st.integers(1, 3),
        "samples": st.integers(1, 6),
        "classes": st.integers(2, 4),
        "inputs": st.integers(1, 5),
        "targets": st.integers(1, 4),
        "bias": st.booleans(),
        "seed": st.integers(0, 10_000),
    }
)


def draw(size):
    """Evidence of a random net, and its features in every epoch (E, N, I)."""
    random = np.random.default_rng(size["seed"])
    epochs, samples, classes = size["epochs"], size["samples"], size["classes"]
    features = random.normal(size=(epochs, samples, size["inputs"]))
    evidence = Evidence(
        np.arange(samples).astype(str),
        Labels(random.integers(0, classes, samples), np.arange(classes)),
        logits=random.normal(size=(epochs, samples, classes)) * 2,
        features=features[-1],
        feature_norms=np.linalg.norm(features, axis=2),
        learning_rates=random.uniform(0.001, 1, epochs),
        validation_logits=random.normal(size=(size["targets"], classes)),
        validation_features=random.normal(size=(size["targets"], size["inputs"])),
        validation_codes=random.integers(0, classes, size["targets"]),
        bias=size["bias"],
    )
    return evidence, features


def gradients(evidence, epoch, features):
    """(N, C, I or I + 1) explicit gradients."""
    rows = zip(
        evidence.logits[epoch].tolist(), evidence.labels.codes, features.tolist(), strict=True
    )
    return [slow.gradient(logits, code, inputs, evidence.bias) for logits, code, inputs in rows]


def expect(got, wanted):
    np.testing.assert_allclose(got, wanted, rtol=2e-4, atol=1e-5)


@given(LETTERS)
def test_norms(size):
    evidence, features = draw(size)
    formed = gradients(evidence, -1, features[-1])
    expect(SCORERS["gradient_l1"](evidence), [np.abs(g).sum() for g in formed])
    expect(SCORERS["gradient_l2"](evidence), [math.sqrt((g**2).sum()) for g in formed])


@given(LETTERS)
def test_self_influence(size):
    evidence, features = draw(size)
    wanted = np.zeros(len(evidence))
    for epoch, rate in enumerate(evidence.learning_rates):
        for n, gradient in enumerate(gradients(evidence, epoch, features[epoch])):
            flat = gradient.ravel()
            wanted[n] += rate * sum(value * value for value in flat)
    expect(SCORERS["self_influence"](evidence), wanted)
    parts = (evidence.logits, evidence.feature_norms, evidence.labels.codes)
    expect(traced_self_influence(*parts, evidence.learning_rates, evidence.bias), wanted)


@given(LETTERS)
def test_validation_influence(size):
    evidence, features = draw(size)
    ours = gradients(evidence, -1, features[-1])
    targets = [
        slow.gradient(logits, code, inputs, evidence.bias)
        for logits, code, inputs in zip(
            evidence.validation_logits.tolist(),
            evidence.validation_codes,
            evidence.validation_features.tolist(),
            strict=True,
        )
    ]
    wanted = [-slow.mean(float((g * target).sum()) for target in targets) for g in ours]
    expect(SCORERS["validation_influence"](evidence), wanted)


@pytest.mark.parametrize("bias", [True, False])
def test_validation_influence_is_what_a_step_adds_to_the_validation_loss(bias):
    evidence, _ = draw(
        {
            "epochs": 1,
            "samples": 8,
            "classes": 3,
            "inputs": 4,
            "targets": 5,
            "bias": bias,
            "seed": 1,
        }
    )
    random = np.random.default_rng(0)
    weight, offset = random.normal(size=(3, 4)), random.normal(size=3) * bias
    evidence = replace(
        evidence,
        logits=(evidence.features @ weight.T + offset)[None],
        validation_logits=evidence.validation_features @ weight.T + offset,
    )

    def validation_loss(change):
        w = weight + change[:, :4]
        b = offset + (change[:, 4] if bias else 0)
        logits = (evidence.validation_features @ w.T + b).tolist()
        return slow.mean(map(slow.cross_entropy, logits, evidence.validation_codes))

    step = 1e-4
    at_rest = validation_loss(np.zeros((3, 5)))
    wanted = [
        (validation_loss(-step * gradient) - at_rest) / step
        for gradient in gradients(evidence, 0, evidence.features)
    ]
    np.testing.assert_allclose(SCORERS["validation_influence"](evidence), wanted, atol=2e-3)


@given(LETTERS)
def test_virtual_columns_are_those_of_the_formed_matrix(size):
    evidence, features = draw(size)
    columns = gradient_columns(evidence)
    matrix = np.asarray([g.ravel() for g in gradients(evidence, -1, features[-1])])
    assert columns.count == matrix.shape[1]
    rows = np.arange(len(evidence))[::-1]
    for column in range(columns.count):
        expect(columns.values(column, rows), matrix[rows, column])


# By hand: H(n - 1) by ln(n - 1) + 0.5772156649, then 2 H(n - 1) - 2 (n - 1) / n.
@pytest.mark.parametrize(
    ("size", "length"),
    [(0, 0), (1, 0), (2, 1), (3, 1.2073923), (10, 3.7488806), (256, 10.2447709)],
)
def test_mean_path_length(size, length):
    assert float(mean_path_length(size)) == pytest.approx(length, abs=1e-6)


def test_mean_path_length_of_an_array():
    np.testing.assert_allclose(mean_path_length(np.asarray([1, 2, 256])), [0, 1, 10.2447709])


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("samples", "classes"), [(200, 2), (700, 4)])
def test_the_forest_ranks_as_that_of_scikit_learn(synthetic, seed, samples, classes):
    made = synthetic(num_samples=samples, num_classes=classes, seed=seed)
    columns = gradient_columns(made.evidence)
    everyone = np.arange(samples)
    dense = np.column_stack([columns.values(j, everyone) for j in range(columns.count)])
    other = IsolationForest(n_estimators=100, max_samples=min(256, samples), random_state=seed)
    theirs = -other.fit(dense).score_samples(dense)
    ours = isolation_scores(columns, seed)
    assert spearmanr(ours, theirs).statistic >= 0.9
    assert np.abs(ours - theirs).max() < 0.1  # the same scale, not only the same order


def test_a_far_outlier_is_isolated_first():
    inputs = np.ones((1, 100), np.float32)
    errors = np.random.default_rng(0).normal(size=(1, 100)).astype(np.float32)
    errors[0, 42] = 50
    scores = isolation_scores(VirtualColumns(errors, inputs), seed=0)
    assert scores.argmax() == 42
    assert scores[42] > 0.75
    assert np.median(scores) < 0.5


def test_a_tree_skips_columns_that_are_constant():
    # One column in nine differs; trees that gave up at the first constant one would be blind.
    inputs = np.concatenate([np.random.default_rng(0).normal(size=(1, 64)), np.ones((8, 64))])
    scores = isolation_scores(VirtualColumns(np.ones((1, 64)), inputs), seed=0)
    order = np.argsort(-np.abs(inputs[0] - np.median(inputs[0])))
    assert np.isin(scores.argmax(), order[:3])
    assert scores.std() > 0.01


def test_without_any_difference_everyone_is_as_normal_as_can_be():
    scores = isolation_scores(VirtualColumns(np.ones((2, 30)), np.ones((3, 30))), seed=0)
    np.testing.assert_allclose(scores, 0.5, rtol=1e-12)
