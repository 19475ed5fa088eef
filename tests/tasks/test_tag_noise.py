"""The model of missing and invented tags against dense twins, and against known rates."""

import numpy as np
import pytest
import tag_sample
from scipy.optimize import approx_fprime

from chaffinch.tasks.multilabel.noise import TagNoise, _Posterior, _prior
from chaffinch.tasks.multilabel.tags import UNKNOWN, Tags


def posterior(apart=0.5, width=3, unknown=0.0):
    tags, _, logits = tag_sample.draw(80, width, 0.2, 0.05)
    random = np.random.default_rng(1)
    values = np.where(random.random(tags.values.shape) < unknown, UNKNOWN, tags.values)
    sources = np.stack([logits, logits + random.normal(size=logits.shape)])
    return _Posterior.of(sources, Tags(values.astype(np.int8), tags.names), apart, 0)


def vector_of(found, seed=0):
    middle, scale = _prior(*found.size)
    drawn = np.random.default_rng(seed).normal(middle, scale / 4)
    drawn[-2:] += 2
    return drawn


@pytest.mark.parametrize("unknown", [0.0, 0.3])
def test_the_gradient_is_that_of_finite_differences(unknown):
    found = posterior(unknown=unknown)
    vector = vector_of(found)
    slow = approx_fprime(vector, lambda v: found.cost(v)[0], 1e-7)
    np.testing.assert_allclose(found.cost(vector)[1], slow, atol=2e-6)


def test_the_cost_is_the_likelihood_and_the_prior_in_loops():
    found = posterior(unknown=0.2)
    vector = vector_of(found)
    offsets, weights, missing, invented = found._parts(vector)
    total = 0.0
    for row in range(found.sources.shape[1]):
        for k in range(3):
            if not found.known[row, k]:
                continue
            odds = offsets[k] + sum(weights[r, k] * found.sources[r, row, k] for r in range(2))
            holds = 1 / (1 + np.exp(-odds))
            told = (1 - missing[k]) * holds + invented[k] * (1 - holds)
            total += np.log(told if found.present[row, k] else 1 - told)
    middle, scale = _prior(*found.size)
    total -= (((vector - middle) / scale) ** 2).sum() / 2
    np.testing.assert_allclose(found.cost(vector)[0] * 80, -total, rtol=1e-10)


def test_the_evidence_is_that_of_the_whole_matrix_of_curvatures():
    found = posterior()
    vector = found.maximum(-2.0, -3.0)
    size = found.sources.shape[1]
    step = 1e-4 * np.eye(len(vector))
    dense = [found.cost(vector + s)[1] - found.cost(vector - s)[1] for s in step]
    dense = np.asarray(dense) * size / 2e-4
    _, logdet = np.linalg.slogdet((dense + dense.T) / 2)
    wanted = -found.cost(vector)[0] * size - logdet / 2
    np.testing.assert_allclose(found.evidence(vector), wanted, atol=1e-3)


@pytest.mark.parametrize(("missing", "invented"), [(0.2, 0.0), (0.05, 0.05), (0.0, 0.0)])
def test_rates_are_found(missing, invented):
    tags, right, logits = tag_sample.draw(2000, 4, missing, invented)
    found = TagNoise.fit(logits[None], tags)
    np.testing.assert_allclose(found.missing, missing, atol=0.05)
    np.testing.assert_allclose(found.invented, invented, atol=0.03)
    wrong = np.where(
        tags.values == 1, 1 - found.holds(logits[None], tags), found.holds(logits[None], tags)
    )
    assert abs(wrong.sum() - (right != tags.values).sum()) < 80


def test_tags_of_very_different_rates_are_told_apart():
    tags, _, logits = tag_sample.draw(1500, 6, 0.0)
    random = np.random.default_rng(2)
    lost = random.random(tags.values.shape) < np.asarray([0.5, 0.4, 0, 0, 0, 0])
    given = Tags(np.where(lost, 0, tags.values).astype(np.int8), tags.names)
    found = TagNoise.fit(logits[None], given)
    assert found.apart > 0.5
    np.testing.assert_allclose(found.missing, [0.5, 0.4, 0, 0, 0, 0], atol=0.08)


def test_unknown_tags_count_nothing():
    tags, _, logits = tag_sample.draw(600, 3, 0.2)
    values = np.concatenate([tags.values, np.full((50, 3), UNKNOWN, np.int8)])
    longer = np.concatenate([logits, np.full((50, 3), 9.0)])
    alone = TagNoise.fit(logits[None], tags)
    beside = TagNoise.fit(longer[None], Tags(values, tags.names))
    np.testing.assert_allclose(beside.missing, alone.missing, atol=5e-3)
    np.testing.assert_allclose(beside.likelihood, alone.likelihood, atol=1e-3)


def test_what_is_given_is_told_through_the_errors():
    tags, _, logits = tag_sample.draw(2000, 4, 0.3, 0.05)
    found = TagNoise.fit(logits[None], tags)
    np.testing.assert_allclose(
        found.given(logits[None]).mean(axis=0), tags.values.mean(axis=0), atol=0.02
    )
