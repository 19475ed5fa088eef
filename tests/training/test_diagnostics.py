"""Diagnostics: each against a slow, obvious twin or a case whose answer is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from live_scene import calibrated, record, validation
from scipy.optimize import minimize
from scipy.special import log_softmax

from chaffinch.core.errors import InputError
from chaffinch.training.diagnostics import (
    choose_suspected,
    compare_groups,
    compare_noise,
    concentrate,
    estimate_noise,
    expected_calibration_error,
    missed_when_sure,
    pulls_hard,
    sum_up,
)
from chaffinch.training.diagnostics.follower import STREAK, Follower, noise_found
from chaffinch.training.diagnostics.noise import LabelNoise
from chaffinch.training.diagnostics.surest import lower_bound


def slow_noise(logits, labels):
    """Rate and log-likelihood by a general optimizer."""
    count, num_classes = logits.shape

    def cost(parameters):
        sharpness, rate = np.exp(parameters[0]), parameters[1]
        own = np.exp(log_softmax(sharpness * logits, axis=1))[np.arange(count), labels]
        own = np.maximum(own, 1e-6)
        return -np.log((1 - rate) * own + rate * (1 - own) / (num_classes - 1)).mean()

    top = 1 - 1 / num_classes
    starts = [(np.log(w), r) for w in (1, 3) for r in (0.02, 0.3)]
    bounds = [(np.log(0.25), np.log(8)), (0, top)]
    best = min((minimize(cost, s, bounds=bounds) for s in starts), key=lambda one: one.fun)
    return best.x[1], -best.fun


@pytest.mark.parametrize(("num_classes", "rate"), [(10, 0.0), (10, 0.2), (26, 0.4), (3, 0.1)])
def test_the_rate_of_noise_is_that_of_a_slow_fit_and_near_the_truth(num_classes, rate):
    logits, labels, wrong = calibrated(900, num_classes, rate, seed=3)
    found = estimate_noise(logits / 2, labels)  # as sure as half the outputs
    slow, likelihood = slow_noise(logits / 2, labels)
    assert found.rate == pytest.approx(slow, abs=0.01)
    assert found.rate == pytest.approx(wrong.mean(), abs=0.04)
    assert found.sharpness == pytest.approx(2, rel=0.3)
    none = max(
        np.log(np.exp(log_softmax(w * logits / 2, axis=1))[np.arange(900), labels] + 1e-300)
        .clip(np.log(1e-6))
        .mean()
        for w in np.geomspace(0.25, 8, 200)
    )
    assert found.evidence == pytest.approx(2 * 900 * (likelihood - none), abs=2 + 0.02 * 900)
    assert (found.evidence > 20) == (rate > 0)


def test_doubt_is_no_noise():
    logits, labels, _ = calibrated(4000, 10, 0.0, seed=5, strength=0.7)
    assert (logits.argmax(axis=1) != labels).mean() > 0.5
    found = estimate_noise(logits, labels)
    assert found.rate < 0.02
    assert found.evidence < 7


def test_noise_leaves_out_rows_that_are_not_finite_and_labels_that_are_none():
    logits, labels, _ = calibrated(300, 4, 0.2, seed=1)
    broken = np.vstack([logits, np.full((2, 4), np.nan), logits[:1]])
    codes = np.concatenate([labels, [0, 1], [-1]])
    assert estimate_noise(broken, codes) == estimate_noise(logits, labels)
    assert estimate_noise(logits[:19], labels[:19]) is None
    assert estimate_noise(logits[:, :1], np.zeros(300, dtype=int)) is None


def test_noise_of_groups_is_told_apart():
    logits, labels, wrong = calibrated(3000, 8, 0.3, seed=2)
    groups = np.where(wrong, "bad", "good").astype("U5")
    groups[:400] = "mixed"
    found = compare_noise(logits, labels, groups, 1.0)
    assert set(found) == {"bad", "good", "mixed"}
    assert found["bad"].rate > 0.8
    assert found["good"].rate < 0.02
    assert found["mixed"].rate == pytest.approx(wrong[:400].mean(), abs=0.08)
    assert found["mixed"].evidence < 10 < 100 < found["bad"].evidence
    assert compare_noise(logits, labels, np.full(3000, "one"), 1.0) == {}
    assert compare_noise(logits, labels, np.arange(3000), 1.0) == {}


@given(st.integers(2, 40), st.integers(0, 2**31), st.floats(0, 0.6))
def test_surest_is_a_plain_count(tens, seed, missing):
    random = np.random.default_rng(seed)
    margin, entropy = random.normal(size=10 * tens + 3), random.random(10 * tens + 3)
    margin[random.random(len(margin)) < missing] = np.nan
    known = ~np.isnan(margin)
    found = missed_when_sure(margin, entropy, 5)
    tenth = known.sum() // 10
    if tenth < 5:
        assert found is None
        return
    order = np.argsort(entropy[known])
    missed = (margin[known] < 0)[order]
    assert found.count == tenth
    assert found.rate == missed[:tenth].mean()
    assert found.later == missed[2 * tenth : 3 * tenth].mean()
    sure = 1 - entropy[known][order][:tenth].mean() / np.log(5)
    assert found.sureness == pytest.approx(sure)
    assert 0 <= found.low <= found.rate


def test_wilson_bound_of_a_published_case():
    # 10 of 50: (0.1124, 0.3304), the textbook example.
    assert lower_bound(0.2, 50) == pytest.approx(0.1124, abs=2e-4)
    assert lower_bound(0.0, 50) == 0


@given(st.integers(1, 60), st.integers(1, 20), st.integers(0, 2**31))
def test_calibration_error_is_a_plain_sum_over_bins(count, bins, seed):
    random = np.random.default_rng(seed)
    sure, right = random.random(count), random.random(count) < 0.5
    total = 0.0
    for number in range(bins):
        inside = (sure > number / bins) & (sure <= (number + 1) / bins)
        if number == 0:
            inside |= sure == 0
        if inside.any():
            total += inside.sum() / count * abs(sure[inside].mean() - right[inside].mean())
    assert expected_calibration_error(sure, right, bins) == pytest.approx(total)
    assert np.isnan(expected_calibration_error(np.array([np.nan]), np.array([True])))
    with pytest.raises(InputError, match="as many confidences"):
        expected_calibration_error(sure, right[:-1])


@given(st.lists(st.floats(0, 100), min_size=1, max_size=30), st.floats(0.1, 1.0))
def test_concentration_is_the_smallest_set(norms, part):
    values = np.array([*norms, np.nan])
    found = concentrate(values, part)
    total = np.sum(norms)
    if total == 0:
        assert found is None
        return
    size = next(
        n for n in range(1, len(norms) + 1) if sum(sorted(norms)[-n:]) >= part * total * (1 - 1e-9)
    )
    assert found.share == pytest.approx(size / len(norms))
    assert len(found.ids) == size
    assert values[found.ids].sum() >= part * total * (1 - 1e-9)


def test_samples_that_pull_against_validation():
    influence = np.linspace(-1, 1, 101)
    influence[::2] = np.nan
    marked = pulls_hard(influence, share=0.1)
    assert np.flatnonzero(marked).tolist() == [1, 3, 5, 7, 9]
    assert not pulls_hard(np.abs(influence), share=0.1).any()
    assert not pulls_hard(np.full(3, np.nan)).any()


def test_groups_are_compared_at_their_surest_tenth():
    random = np.random.default_rng(0)
    margin = np.where(random.random(4000) < 0.02, -1.0, 1.0)
    groups = np.repeat(["a", "b", "c", "tiny"], [1500, 1500, 960, 40])
    margin[groups == "b"] = np.where(random.random(1500) < 0.4, -1.0, 1.0)
    values = {"margin": margin, "entropy": random.random(4000), "loss": np.ones(4000)}
    values["margin"][:100] = np.nan
    found = {one.name: one for one in compare_groups(groups, values, 10)}
    assert [found[name].count for name in ("a", "b", "c", "tiny")] == [1400, 1500, 960, 40]
    assert found["b"].surest.rate == pytest.approx(0.4, abs=0.1)
    assert found["b"].excess > 5 > abs(found["c"].excess)
    assert found["b"].ratio > 3
    assert found["tiny"].surest is None
    assert found["b"].accuracy == (margin[groups == "b"] >= 0).mean()
    lone = compare_groups(np.full(4000, "x"), values, 10)
    assert np.isnan(lone[0].elsewhere)
    assert compare_groups(np.arange(4000), values, 10) == ()


def test_suspected_are_those_of_the_highest_loss():
    loss = np.array([0.1, 5, np.nan, 3, 0.2, 0.3, 4, 0.1, 0.1, 0.1, 0.1])
    assert np.flatnonzero(choose_suspected(loss, 0.3)).tolist() == [1, 3, 6]
    assert choose_suspected(loss, 0.99).sum() == 5
    assert choose_suspected(np.arange(100.0), 0.0).sum() == 2
    assert not choose_suspected(np.full(3, np.nan), 0.5).any()
    margin = np.where(loss < 1, 1.0, -1.0)
    side = sum_up(loss, margin, np.array([1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0], dtype=bool))
    assert (side.count, side.loss, side.met) == (2, pytest.approx(2.55), 0.5)
    assert np.isnan(sum_up(loss, margin, np.zeros(11, dtype=bool)).loss)


def noisy_epochs(epochs=6, memorised_from=4, **more):
    """A model that knows the truth, and learns wrong labels by heart from an epoch on."""
    logits, labels, wrong = calibrated(1000, 6, 0.3, seed=7)
    for epoch in range(epochs):
        shown = logits.copy()
        if epoch >= memorised_from:
            shown[np.arange(1000), labels] = 9 + epoch
        yield wrong, record(epoch, shown, labels, **more)


def test_the_follower_sets_wrong_labels_aside_and_sees_them_memorised():
    follower = Follower()
    epochs = list(noisy_epochs())
    last = [follower.follow(one) for _, one in epochs][-1]
    wrong = epochs[0][0]
    assert last.set_aside == 1
    assert [point.epoch for point in last.curve] == list(range(6))
    met = [point.suspected.met for point in last.curve]
    assert max(met[:4]) < 0.1
    assert min(met[4:]) == 1
    assert last.curve[0].suspected.count == pytest.approx(wrong.sum(), rel=0.1)
    assert last.spread.suspected.sum() + last.spread.trusted.sum() == 1000
    assert 0 <= last.calibration <= 1


def test_the_follower_goes_on_from_its_state():
    whole, first = Follower(), Follower()
    records = [one for _, one in noisy_epochs(values={"influence": np.linspace(-1, 1, 1000)})]
    for one in records[:3]:
        first.follow(one)
    second = Follower()
    second.load_state_dict(first.state_dict())
    expected = [whole.follow(one) for one in records]
    found = [second.follow(one) for one in records[3:]]
    for one, other in zip(found, expected[3:], strict=True):
        assert one.curve == other.curve
        assert one.scalars() == other.scalars()
        assert one.disturbance.ids.tolist() == other.disturbance.ids.tolist()


def test_streaks_of_disturbing_samples():
    follower = Follower()
    logits, labels, _ = calibrated(200, 3, 0.0, seed=0)
    influence = np.linspace(-1, 1, 200)
    for epoch in range(5):
        pull = influence.copy()
        if epoch == 3:
            pull[0] = np.nan  # not looked at: its streak stays
            pull[1] = 0.5  # helped for once: its streak ends
        last = follower.follow(record(epoch, logits, labels, values={"influence": pull}))
        if epoch + 1 < STREAK:
            assert last.disturbance.count == 0
    assert last.disturbance.ids.tolist() == [2, 3, 0]
    assert 0 < last.disturbance.pull < 0.2


def test_the_follower_counts_what_is_missing_and_broken():
    logits, labels, _ = calibrated(100, 3, 0.0, seed=0)
    seen = np.arange(100) < 80
    labels[90:] = -1
    margin = np.ones(100)
    margin[0] = np.nan
    held = validation(logits[:30], labels[:30])
    one = Follower(["x", "y", "z"]).follow(
        record(0, logits, labels, seen=seen, values={"margin": margin}, validation=held)
    )
    assert (one.samples, one.seen, one.never, one.broken) == (100, 80, 10, 1)
    assert {group.name for group in one.classes} == {"x", "y", "z"}
    assert one.validation.accuracy == (logits[:30].argmax(1) == labels[:30]).mean()
    assert {"validation/accuracy", "class/x/accuracy", "labels/noise_rate"} <= set(one.scalars())


def test_noise_is_found_only_beyond_what_clean_data_show():
    def found(*pairs, epoch):
        return noise_found([LabelNoise(rate, 1.0, gain, 1000) for rate, gain in pairs], epoch)

    assert not noise_found([], 5)
    assert not found((0.4, 100.0), epoch=0)
    assert not found((0.08, 70.0), epoch=1)
    assert found((0.2, 70.0), epoch=1)
    assert found((0.08, 70.0), epoch=2)
    assert not found((0.08, 5.0), epoch=2)
    assert not found((0.03, 70.0), epoch=2)
    # Faint, but in three epochs in a row.
    assert found((0.08, 3.0), (0.05, 3.0), (0.06, 3.0), epoch=3)
    assert not found((0.08, 3.0), (0.03, 3.0), (0.06, 3.0), epoch=3)
    assert not found((0.08, 3.0), (0.06, 3.0), epoch=3)
    assert not found((0.08, 1.0), (0.05, 1.0), (0.06, 1.0), epoch=3)
