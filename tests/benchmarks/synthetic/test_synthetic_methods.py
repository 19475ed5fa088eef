"""The influence methods and the published baselines against slow twins."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import entropy

from benchmarks.catalogue import load_catalogue
from benchmarks.method import METHODS
from chaffinch.core.labels import Labels

load_catalogue()

HARM = ("influence_exact", "influence_lissa", "influence_datainf", "influence_gradient")
OWN = ("self_influence_exact", "self_influence_lissa", "self_influence_datainf")
LABELS = (
    "published self_confidence",
    "published normalized_margin",
    "published weighted_entropy",
)


def scores(name, situation):
    assert METHODS[name].runs_on(situation)
    return METHODS[name].function(situation, 0).scores


def relabelled(situation):
    given = Labels(1 - situation.evidence.labels.codes, np.arange(2))
    return replace(situation, evidence=replace(situation.evidence, labels=given))


@pytest.fixture(scope="module")
def damping(sigmoid_gradients):
    return np.square(sigmoid_gradients).mean() / 10


def test_published_exact_is_the_fisher_matrix_and_flags_what_helps(
    situation, sigmoid_gradients, damping
):
    g = sigmoid_gradients
    fisher = sum(np.outer(row, row) for row in g) / len(g) + damping * np.eye(g.shape[1])
    influence = -g @ np.linalg.inv(fisher) @ g.mean(0)  # as the released engine defines it
    assert np.allclose(scores("published exact", situation), -influence, rtol=1e-3, atol=1e-4)


def test_published_tracing_is_the_product_with_the_mean_gradient(situation, sigmoid_gradients):
    g = sigmoid_gradients
    expected = [np.mean([float(one @ other) for other in g]) for one in g]
    found = scores("published gradient tracing", situation)
    assert np.allclose(found, expected, rtol=1e-3, atol=1e-5)


def test_published_datainf_is_its_sum_over_samples(situation, sigmoid_gradients, damping):
    g, target = sigmoid_gradients, sigmoid_gradients.mean(0)
    solved = np.mean(
        [(target - one * (one @ target) / (damping + one @ one)) / damping for one in g], axis=0
    )
    assert np.allclose(scores("published datainf", situation), g @ solved, rtol=1e-3, atol=1e-4)


def test_published_lissa_subtracts_the_damping_in_ten_steps(situation, sigmoid_gradients, damping):
    g, target = sigmoid_gradients, sigmoid_gradients.mean(0)
    wrong = g.T @ g / len(g) - damping * np.eye(g.shape[1])
    solved = sum(np.linalg.matrix_power(np.eye(len(target)) - wrong, k) for k in range(11)) @ target
    assert np.allclose(scores("published lissa", situation), g @ solved, rtol=1e-2, atol=1e-4)


@pytest.mark.parametrize("name", LABELS)
def test_published_label_quality_does_not_look_at_the_given_labels(situation, name):
    assert np.array_equal(scores(name, situation), scores(name, relabelled(situation)))


def test_published_label_quality_in_words(situation):
    logits = situation.evidence.logits[-1].astype(float)
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    top = p.max(1)
    confidence, margin, weighted = (scores(name, situation) for name in LABELS)
    assert np.allclose(confidence, 1 - top)
    assert np.allclose(margin, (1 - top) - top)
    assert np.allclose(weighted, [entropy(row, base=2) / row.max() for row in p])


@pytest.mark.parametrize("name", [*HARM, "influence_tracin"])
def test_harm_to_validation_points_at_flips_and_turns_with_the_targets(situation, name):
    found = scores(name, situation)
    assert found[situation.errors].mean() > found[~situation.errors].mean()
    inputs, codes = situation.validation
    turned = scores(name, replace(situation, validation=(inputs, 1 - codes)))
    assert turned[situation.errors].mean() < turned[~situation.errors].mean()


@pytest.mark.parametrize("name", OWN)
def test_self_influence_of_flips_is_large(situation, name):
    found = scores(name, situation)
    assert found[situation.errors].mean() > found[~situation.errors].mean()


def test_methods_stay_away_from_what_they_cannot_use(situation):
    blind = replace(situation, validation=None, checkpoints=())
    assert not any(METHODS[name].runs_on(blind) for name in (*HARM, "influence_tracin"))
    with_bias = replace(situation, evidence=replace(situation.evidence, bias=True))
    assert not METHODS["published exact"].runs_on(with_bias)
    assert METHODS["published exact"].origin == "paper"


def test_neighbours_by_distance_count_other_labels(situation):
    rows, codes = situation.evidence.embeddings, situation.evidence.labels.codes
    expected = []
    for i, row in enumerate(rows):
        nearest = np.argsort(np.linalg.norm(rows - row, axis=1))[1:11]
        assert i not in nearest
        expected.append(np.mean(codes[nearest] != codes[i]))
    assert np.allclose(scores("knn by distance", situation), expected)
