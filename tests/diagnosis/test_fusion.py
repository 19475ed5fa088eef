import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from chaffinch.diagnosis.fusion import (
    calibrate,
    common_scale,
    fuse,
    knowledge,
    log_odds,
    own_spread,
)
from chaffinch.diagnosis.mixture import upper_heap

SAMPLES = st.tuples(st.integers(3, 60), st.integers(0, 10_000))


def draw(size):
    """Scores and the probabilities behind them."""
    samples, seed = size
    random = np.random.default_rng(seed)
    scores = random.normal(size=samples)
    posterior = 1 / (1 + np.exp(3 - 2 * scores - random.normal(size=samples)))
    return scores, posterior


def test_log_odds_are_finite():
    wanted = [-np.log(1e9), 0, np.log(3), np.log(1e9)]
    np.testing.assert_allclose(log_odds(np.asarray([0, 0.5, 0.75, 1])), wanted, rtol=1e-6)


@given(SAMPLES)
def test_calibration_keeps_the_order_and_the_mean(size):
    scores, posterior = draw(size)
    probabilities = calibrate(scores, posterior)
    assert (np.diff(probabilities[np.argsort(scores)]) >= 0).all()
    assert ((probabilities >= 0) & (probabilities <= 1)).all()
    assert probabilities.mean() == pytest.approx(posterior.mean(), abs=1e-3)


@given(SAMPLES)
def test_calibration_keeps_the_order_even_against_the_targets(size):
    scores, posterior = draw(size)
    probabilities = calibrate(-scores, posterior)
    assert (np.diff(probabilities[np.argsort(-scores)]) >= 0).all()
    assert probabilities.mean() == pytest.approx(posterior.mean(), abs=1e-3)


@pytest.mark.parametrize(("slope", "shift"), [(1.0, -2.0), (5.0, -1.0), (0.2, -3.0)])
def test_calibration_finds_the_curve_that_made_the_targets(slope, shift):
    scores = np.random.default_rng(0).normal(size=300)
    posterior = 1 / (1 + np.exp(-slope * scores - shift))
    np.testing.assert_allclose(calibrate(scores, posterior), posterior, atol=2e-3)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_calibration_on_targets_that_are_all_alike(value):
    probabilities = calibrate(np.arange(5.0), np.full(5, value))
    np.testing.assert_allclose(probabilities, value, atol=1e-3)


@given(SAMPLES, st.floats(0.1, 100), st.floats(-100, 100))
def test_the_common_scale_has_the_median_at_0_and_the_expected_error_at_1(size, factor, shift):
    scores, posterior = draw(size)
    scaled = common_scale(factor * scores + shift, posterior)
    if not scaled.any():
        assert (scores * posterior).sum() / posterior.sum() <= np.median(scores) + 1e-9
        return
    assert np.median(scaled) == pytest.approx(0, abs=1e-6)
    assert (scaled * posterior).sum() / posterior.sum() == pytest.approx(1, abs=1e-6)


def test_scores_that_point_the_wrong_way_or_nowhere_do_not_count():
    posterior = np.asarray([0.0, 0, 0, 1])
    assert not common_scale(np.asarray([1.0, 2, 3, 0]), posterior).any()
    assert not common_scale(np.ones(4), posterior).any()


@given(SAMPLES, st.floats(0.1, 100), st.floats(-100, 100))
def test_own_spread_has_the_median_at_0_and_deviation_1(size, factor, shift):
    scores, _ = draw(size)
    scaled = own_spread(factor * scores + shift)
    assert np.median(scaled) == pytest.approx(0, abs=1e-6)
    assert scaled.std() == pytest.approx(1, abs=1e-6)
    assert not own_spread(np.full(5, shift)).any()


def test_without_training_the_posterior_decides_alone():
    _, posterior = draw((50, 0))
    fused = fuse(posterior, None, known=0.2)
    np.testing.assert_array_equal(np.argsort(fused), np.argsort(posterior))


def test_training_tells_apart_what_the_posterior_leaves_alike():
    posterior = np.asarray([0.01] * 8 + [0.9] * 2)
    training = np.asarray([0.0, 0.1, 0.2, 0.3, 0, 0.1, 0.2, 0.3, 2, 3])
    fused = fuse(posterior, training, known=0.9)
    assert fused.argmax() == 9
    assert fused[8] > fused[:8].max()


@pytest.mark.parametrize(
    ("known", "late", "trainings", "weight"),
    [
        (1.0, 0.0, 1, 0.75),
        (0.0, 0.0, 1, 0.5),
        (0.4, 0.0, 1, 0.7),
        (0.4, 0.0, 4, 0.7),  # what all learned by heart is no better known for being learned again
        (0.6, 1.0, 1, 0.6),
        (0.5, 1.0, 4, 0.2),
        (0.0, 1.0, 1, 0.0),
    ],
)
def test_the_less_held_out_predictions_know_the_more_training_counts(
    known, late, trainings, weight
):
    _, posterior = draw((40, 1))
    training = np.random.default_rng(2).normal(size=40)
    expected = weight * own_spread(log_odds(posterior)) + (1 - weight) * training
    fused = fuse(posterior, training, known, late, trainings)
    np.testing.assert_allclose(fused, expected, atol=1e-12)


@given(st.integers(2, 8), st.integers(0, 100))
def test_knowledge_is_one_minus_the_entropy_in_units_of_a_guess(classes, seed):
    shares = np.random.default_rng(seed).dirichlet(np.ones(classes), size=5)
    by_hand = [1 + sum(p * np.log(p) for p in row if p > 0) / np.log(classes) for row in shares]
    known = knowledge(np.log(np.maximum(shares, 1e-300)))
    assert known == pytest.approx(np.clip(np.mean(by_hand), 0, 1), abs=1e-9)
    assert knowledge(np.zeros((3, 1))) == 1.0


def heaps(share, distance, samples=1000, seed=0):
    random = np.random.default_rng(seed)
    upper = random.uniform(size=samples) < share
    return random.normal(size=samples) + distance * upper, upper


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5])
def test_two_heaps_are_told_apart(share):
    scores, upper = heaps(share, 6)
    probability = upper_heap(scores)
    assert probability.sum() == pytest.approx(upper.sum(), rel=0.1)
    assert (probability > 0.5)[upper].mean() > 0.97
    assert (probability > 0.5)[~upper].mean() < 0.02


def test_the_probability_is_bayes_rule_for_two_normal_heaps():
    scores, _ = heaps(0.3, 4, samples=20_000)
    above, below = 0.3 * norm.pdf(scores, 4), 0.7 * norm.pdf(scores, 0)
    between = (scores > 0.5) & (scores < 3.5)
    wanted = (above / (above + below))[between]
    np.testing.assert_allclose(upper_heap(scores)[between], wanted, atol=0.05)


@pytest.mark.parametrize("seed", range(5))
def test_one_heap_holds_no_wrong_label(seed):
    scores, _ = heaps(0, 0, seed=seed)
    assert not upper_heap(scores).any()


@given(st.integers(0, 10_000), st.floats(0.1, 5), st.floats(0.05, 0.95))
def test_a_higher_score_is_never_less_suspicious(seed, width, share):
    random = np.random.default_rng(seed)
    count = max(2, round(60 * share))
    scores = np.concatenate([random.normal(size=60), width * random.normal(size=count) + 3])
    probability = upper_heap(scores, seed=seed)
    assert (np.diff(probability[np.argsort(scores, kind="stable")]) >= 0).all()
    assert ((probability >= 0) & (probability <= 1)).all()


def test_a_wide_upper_heap_does_not_reach_below_the_narrow_one():
    random = np.random.default_rng(0)
    scores = np.concatenate([0.1 * random.normal(size=900), 5 + random.normal(size=100), [-1.0]])
    probability = upper_heap(scores)
    # So far below, the density of the wide heap is the higher one.
    assert probability[-1] == 0
    assert (probability[900:1000] > 0.99).all()


def test_scale_and_shift_do_not_matter():
    scores, _ = heaps(0.2, 6)
    np.testing.assert_allclose(upper_heap(scores), upper_heap(1e3 * scores - 5e4), atol=1e-6)


@pytest.mark.parametrize("scores", [np.ones(100), np.asarray([0.0, 1, 5])])
def test_constant_or_hardly_any_scores(scores):
    np.testing.assert_array_equal(upper_heap(scores), np.zeros(len(scores)))


@pytest.mark.parametrize("seed", range(3))
def test_one_skewed_heap_holds_no_wrong_label(seed):
    # Losses of clean samples look like this: two normal heaps describe them better than one.
    scores = np.random.default_rng(seed).exponential(size=1000)
    assert not upper_heap(scores).any()
