"""When the last epochs of a training are believed, and what it says then."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaffinch.diagnosis.dynamics import (
    LEAST_EPOCHS,
    doubt_of,
    late_share,
    separation,
    training_view,
)
from chaffinch.diagnosis.fusion import own_spread
from chaffinch.scorers.dynamics.aum import area_under_margin
from chaffinch.scorers.dynamics.loss import mean_loss


@given(st.integers(2, 40), st.integers(0, 10_000))
def test_separation_is_the_chance_that_a_doubted_sample_scores_higher(samples, seed):
    random = np.random.default_rng(seed)
    scores = random.permutation(samples).astype(float)
    doubted = random.uniform(size=samples)
    hit = total = 0.0
    for i in range(samples):
        for j in range(samples):
            pair = doubted[i] * (1 - doubted[j])
            total += pair
            hit += pair * (1.0 if scores[i] > scores[j] else 0.5 if i == j else 0.0)
    assert separation(scores, doubted) == pytest.approx(hit / total, abs=1e-9)


@pytest.mark.parametrize("doubt", [0.0, 1.0])
def test_separation_without_two_sides_is_that_of_a_guess(doubt):
    assert separation(np.arange(4.0), np.full(4, doubt)) == 0.5


def margins(heights, samples=4000, share=0.2, seed=0):
    """(E, N, 2) logits whose margin is lower for wrong labels by ``heights[e]``; codes, wrong."""
    random = np.random.default_rng(seed)
    wrong = np.arange(samples) < share * samples
    codes = random.integers(0, 2, samples)
    logits = np.zeros((len(heights), samples, 2))
    for epoch, height in enumerate(heights):
        gap = random.normal(size=samples) + 1 - height * wrong
        logits[epoch, np.arange(samples), codes] = gap
    return logits, codes, wrong


RISING = np.minimum(np.linspace(0.5, 4, 12), 3)
FALLING = np.concatenate([np.linspace(1, 3, 4), np.linspace(3, 0.3, 8)])


def test_the_end_counts_where_doubted_labels_stay_behind():
    logits, codes, wrong = margins(RISING)
    assert late_share(logits, codes, 0.1 + 0.6 * wrong) > 0.8


def test_the_end_does_not_count_where_doubted_labels_were_learned_by_heart():
    logits, codes, wrong = margins(FALLING)
    assert late_share(logits, codes, 0.1 + 0.6 * wrong) == 0.0


def test_the_end_does_not_count_where_nothing_tells_when_the_network_was_best():
    logits, codes, wrong = margins(RISING)
    assert late_share(None, codes, wrong * 0.5) == 0.0
    assert late_share(logits[: LEAST_EPOCHS - 1], codes, wrong * 0.5) == 0.0
    blind = np.random.default_rng(1).uniform(size=len(codes))
    assert late_share(logits, codes, blind) == 0.0


@pytest.fixture
def case(synthetic):
    made = synthetic(num_samples=200, num_classes=3, seed=0).only("logits", "held_out_logits")
    codes = made.labels.codes
    posterior = np.clip(mean_loss(made.logits, codes) / 5, 0.01, 0.99)
    return made, posterior


@pytest.mark.parametrize("late", [0.0, 0.4, 1.0])
def test_the_view_is_the_mean_of_the_epochs_and_of_their_end(case, late):
    made, posterior = case
    codes, everyone = made.labels.codes, np.ones(200, dtype=bool)
    last = max(1, len(made.logits) // 4)
    loss, area, end = (
        own_spread(scores)
        for scores in (
            mean_loss(made.logits, codes),
            -area_under_margin(made.logits, codes),
            -area_under_margin(made.logits[-last:], codes),
        )
    )
    expected = (1 - late) * (loss + area) / 2 + late * end
    np.testing.assert_allclose(training_view(made, everyone, posterior, late), expected)


def test_a_view_speaks_of_the_usual_samples_only_in_their_own_spread(case):
    made, posterior = case
    usual = np.arange(200) % 3 > 0
    short = replace(
        made,
        ids=made.ids[usual],
        labels=replace(made.labels, codes=made.labels.codes[usual]),
        logits=made.logits[:, usual],
        held_out_logits=None,
    )
    np.testing.assert_allclose(
        training_view(made, usual, posterior[usual], 0.5),
        training_view(short, np.ones(usual.sum(), dtype=bool), posterior[usual], 0.5),
    )


def test_training_that_contradicts_the_held_out_predictions_does_not_count(case):
    made, posterior = case
    everyone = np.ones(200, dtype=bool)
    against = 1 - posterior
    assert not training_view(made, everyone, against, 0.0).any()
    blank = replace(made, logits=None)
    assert training_view(blank, everyone, posterior, 0.0) is None


def test_doubt_is_what_the_sources_leave_of_the_label():
    sources = [np.log([[0.8, 0.2], [0.3, 0.7]]), np.log([[0.6, 0.4], [0.5, 0.5]])]
    np.testing.assert_allclose(doubt_of(sources, np.asarray([0, 0])), [0.3, 0.6])
