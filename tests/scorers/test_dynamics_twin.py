"""Scorers from training dynamics against their definitions in loops."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import slow_twin as slow
from hypothesis import given
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from sklearn.metrics import roc_auc_score

from chaffinch.core.evidence import Evidence
from chaffinch.core.labels import Labels
from chaffinch.scorers import SCORERS
from chaffinch.scorers.dynamics import gradient_variance as variance
from chaffinch.scorers.dynamics.learning_event import first_learned, forgetting_events
from chaffinch.scorers.dynamics.loss_clusters import cluster_votes, smooth, upper_share
from chaffinch.scorers.dynamics.loss_interval import lower_bounds
from chaffinch.scorers.dynamics.loss_trajectory import area_and_late_change
from chaffinch.scorers.dynamics.threshold_sample import below_threshold, flags_by_threshold
from chaffinch.scorers.probability import early_epochs

drawn = given(
    shape=st.tuples(st.integers(1, 6), st.integers(1, 7), st.integers(2, 4)),
    seed=st.integers(0, 10_000),
)


def expect(got, wanted):
    np.testing.assert_allclose(got, wanted, rtol=1e-8, atol=1e-10)


def evidence_of(logits, codes, **records):
    ids = np.arange(len(codes)).astype(str)
    return Evidence(ids, Labels(codes, np.arange(logits.shape[2])), logits=logits, **records)


def own_probabilities(logits, codes):
    """(N, E) lists of the given label's probability."""
    return [
        [slow.softmax(row)[code] for row in logits[:, n].tolist()] for n, code in enumerate(codes)
    ]


@drawn
def test_data_maps_and_data_iq(shape, seed):
    logits, codes = slow.draw(shape, seed)
    evidence = evidence_of(logits, codes)
    rows = own_probabilities(logits, codes)
    means = [slow.mean(row) for row in rows]
    spread = [
        math.sqrt(slow.mean((p - mean) ** 2 for p in row))
        for row, mean in zip(rows, means, strict=True)
    ]
    aleatoric = [slow.mean(p * (1 - p) for p in row) for row in rows]
    right = [
        slow.mean(float(slow.margin(row, code) > 0) for row in logits[:, n].tolist())
        for n, code in enumerate(codes)
    ]
    expect(SCORERS["data_map_confidence"](evidence), [1 - mean for mean in means])
    expect(SCORERS["data_map_variability"](evidence), spread)
    expect(SCORERS["data_map_correctness"](evidence), [1 - share for share in right])
    expect(SCORERS["data_iq_aleatoric"](evidence), aleatoric)
    hard = [1 - mean - unsure for mean, unsure in zip(means, aleatoric, strict=True)]
    expect(SCORERS["data_iq_hard"](evidence), hard)


@drawn
def test_early_errors(shape, seed):
    logits, codes = slow.draw(shape, seed)
    features = np.random.default_rng(seed).normal(size=(*shape[:2], 3))
    count = max(1, round(shape[0] / 4))
    assert early_epochs(shape[0]) == count
    for bias in (True, False):
        evidence = evidence_of(
            logits, codes, feature_norms=np.linalg.norm(features, axis=2), bias=bias
        )
        el2n, grand = [], []
        for n, code in enumerate(codes):
            rows = logits[:count, n].tolist()
            errors = [slow.gradient(row, code, [], True) for row in rows]
            el2n.append(slow.mean(float(np.sqrt((e**2).sum())) for e in errors))
            formed = [
                slow.gradient(row, code, features[e, n].tolist(), bias)
                for e, row in enumerate(rows)
            ]
            grand.append(slow.mean(float(np.sqrt((g**2).sum())) for g in formed))
        expect(SCORERS["el2n"](evidence), el2n)
        expect(SCORERS["grand"](evidence), grand)


@pytest.mark.parametrize(("epochs", "early"), [(1, 1), (4, 1), (7, 2), (20, 5), (30, 8)])
def test_early_is_the_first_quarter(epochs, early):
    assert early_epochs(epochs) == early


RIGHT = np.asarray(
    [  # one column a sample
        [1, 0, 0, 1, 0],
        [1, 0, 1, 0, 1],
        [1, 0, 1, 1, 1],
        [1, 0, 1, 0, 1],
        [1, 0, 1, 1, 0],
    ],
    dtype=bool,
)


def test_forgetting_counts_losses_and_never_learned_is_worst():
    assert forgetting_events(RIGHT).tolist() == [0, 5, 0, 2, 1]


@pytest.mark.parametrize(
    ("length", "epochs"),
    [(1, [0, 5, 1, 0, 1]), (2, [0, 5, 1, 5, 1]), (3, [0, 5, 1, 5, 1]), (4, [0, 5, 1, 5, 5])],
)
def test_first_learned_begins_a_run_of_right_predictions(length, epochs):
    assert first_learned(RIGHT, length).tolist() == epochs


def test_a_run_is_never_longer_than_the_training():
    assert first_learned(RIGHT[:2], 3).tolist() == [0, 2, 2, 2, 2]


def test_a_tie_of_logits_is_not_learned():
    evidence = evidence_of(np.ones((3, 2, 2)), np.asarray([0, 1]))
    assert SCORERS["first_learned_epoch"](evidence).tolist() == [3, 3]
    assert SCORERS["forgetting"](evidence).tolist() == [3, 3]
    assert SCORERS["first_learned_run"](evidence).tolist() == [3, 3]


@drawn
def test_loss_trajectory(shape, seed):
    losses = np.random.default_rng(seed).gamma(1, 2, shape[:2])
    wanted = []
    for curve in losses.T:
        if len(curve) == 1:
            wanted.append(curve[0])
            continue
        area = slow.mean((a + b) / 2 for a, b in pairwise(curve))
        late = curve[-max(2, math.ceil(len(curve) / 2)) :]
        line = np.polyfit(np.arange(len(late)), late, 1)
        wanted.append(area + abs(line[0]) * (len(late) - 1))
    expect(area_and_late_change(losses), wanted)


def test_late_movement_counts_in_both_directions():
    still, down, up = [1, 1, 1, 1], [1.5, 1.5, 1, 0.5], [0.5, 0.5, 1, 1.5]
    scores = area_and_late_change(np.asarray([still, down, up]).T)
    assert scores[0] == 1
    assert (scores[1:] > 1).all()


@drawn
def test_threshold_samples(shape, seed):
    runs, samples, _ = shape
    random = np.random.default_rng(seed)
    margins = random.normal(size=(runs, samples))
    members = random.random((runs, samples)) < 0.4
    sums = [[] for _ in range(samples)]
    for run, moved in zip(margins.tolist(), members.tolist(), strict=True):
        low = sorted(value for value, one in zip(run, moved, strict=True) if one)
        if not low:
            continue
        place = 0.99 * (len(low) - 1)
        floor = int(place)
        top = low[min(floor + 1, len(low) - 1)]
        threshold = low[floor] + (place - floor) * (top - low[floor])
        for n in range(samples):
            if not moved[n]:
                sums[n].append(threshold - run[n])
    known = [slow.mean(values) for values in sums if values]
    middle = float(np.median(known)) if known else 0.0
    wanted = [slow.mean(values) if values else middle for values in sums]
    expect(below_threshold(margins, members), wanted)
    flags = [bool(values) and slow.mean(values) > 0 for values in sums]
    np.testing.assert_array_equal(flags_by_threshold(margins, members), flags)


@pytest.mark.parametrize("seed", range(3))
def test_wrong_labels_fall_below_the_threshold(synthetic, seed):
    made = synthetic(seed=seed)
    scores = SCORERS["aum_threshold"](made.evidence)
    assert roc_auc_score(made.errors, scores) > 0.9


@drawn
def test_smoothing_is_a_moving_average(shape, seed):
    losses = np.random.default_rng(seed).gamma(1, 2, shape[:2])
    span = min(3, shape[0])
    wanted = [losses[e : e + span].mean(axis=0) for e in range(shape[0] - span + 1)]
    expect(smooth(losses), wanted)


@pytest.mark.parametrize("seed", range(3))
def test_clusters_are_those_of_scikit_learn(seed):
    random = np.random.default_rng(seed)
    level = np.where(random.random(200) < 0.15, 3.0, 0.3)
    curves = (level + 0.4 * random.random((5, 200))).astype(np.float64)
    other = KMeans(2, n_init=5, random_state=seed).fit(curves.T)
    upper = other.labels_ == other.cluster_centers_.mean(axis=1).argmax()
    share = upper_share(curves)
    np.testing.assert_array_equal(share > 0.5, upper)
    low, high = other.cluster_centers_[np.argsort(other.cluster_centers_.mean(axis=1))]
    for curve, got in zip(curves.T, share, strict=True):
        near, far = math.dist(curve, low), math.dist(curve, high)
        assert got == pytest.approx(near / (near + far))


def test_each_class_is_split_apart_and_windows_vote():
    # The second class costs ten times as much as the first; in each, one sample sticks out, in the
    # second class in the last third of training alone.
    losses = np.full((9, 12), 0.1)
    losses[:, 6:] = 1.0
    losses += 0.01 * np.random.default_rng(0).random(losses.shape)
    losses[:, 5] = 0.6
    losses[6:, 11] = 4.0
    votes = cluster_votes(losses, np.repeat([0, 1], 6))
    assert votes.argmax() == 5
    assert int(votes[5]) == 3
    assert 1 <= int(votes[11]) <= 2
    assert votes[11] > votes[6:11].max()


def test_curves_without_difference_have_no_cluster():
    assert (upper_share(np.ones((4, 5))) == 0.5).all()
    assert upper_share(np.ones((4, 1))).tolist() == [0.5]


@drawn
def test_lower_bounds(shape, seed):
    losses = np.random.default_rng(seed).gamma(1, 2, shape[:2])
    samples, v = shape[1], 0.05
    kept = max(1, round(0.7 * samples))
    chosen, sums = [1] * samples, [0.0] * samples
    for t, row in enumerate(losses.tolist(), start=1):
        bounds = []
        for n, loss in enumerate(row):
            sums[n] += math.log(1 + loss + loss * loss / 2)
            width = v * (t + v * math.log(2 * t) / t**2) / (chosen[n] - v)
            bounds.append(sums[n] / t - width)
        limit = math.inf if t == 1 else sorted(bounds)[kept - 1]
        chosen = [c + (bound <= limit) for c, bound in zip(chosen, bounds, strict=True)]
    expect(lower_bounds(losses, variance=v, selected_share=0.7), bounds)


def test_who_was_seldom_selected_gets_the_benefit_of_the_doubt():
    losses = np.tile([0.1, 0.2, 0.3, 0.4, 2.0], (6, 1))
    gain = lower_bounds(losses, variance=1e-9) - lower_bounds(losses, variance=0.05)
    assert gain[4] > 2 * gain[:4].max()


@pytest.mark.parametrize("bias", [True, False])
@drawn
def test_variance_of_gradients(bias, shape, seed):
    logits, codes = slow.draw(shape, seed, spread=0.5)
    features = np.random.default_rng(seed).normal(size=(*shape[:2], 3))
    wanted = []
    for n, code in enumerate(codes):
        formed = np.asarray(
            [
                slow.gradient(row, code, features[e, n].tolist(), bias)
                for e, row in enumerate(logits[:, n].tolist())
            ]
        )
        wanted.append(math.sqrt(formed.var(axis=0).sum()))
    got = variance.variance_of_gradients(logits, features, codes, bias)
    np.testing.assert_allclose(got, wanted, rtol=1e-6, atol=1e-6)


def test_small_blocks_give_the_same_variance(monkeypatch, synthetic):
    evidence = synthetic().evidence
    whole = SCORERS["gradient_variance"](evidence)
    monkeypatch.setattr(variance, "_BLOCK", 7)
    np.testing.assert_allclose(SCORERS["gradient_variance"](evidence), whole, rtol=1e-12)


def test_ambiguous_samples_stand_out(synthetic):
    # A tenth of the samples changes sides after every epoch, or is near the boundary in all.
    evidence = synthetic(epochs=6, rate=0).evidence
    torn = np.arange(0, len(evidence), 10)
    truth = np.isin(np.arange(len(evidence)), torn)
    changing, undecided = evidence.logits.copy(), evidence.logits.copy()
    changing[::2, torn] *= -0.3
    undecided[:, torn] *= 0.2
    for name, logits in (
        ("data_map_variability", changing),
        ("forgetting", changing),
        ("data_iq_aleatoric", undecided),
    ):
        scores = SCORERS[name](replace(evidence, logits=logits))
        assert roc_auc_score(truth, scores) > 0.9, name
