import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaffinch.core.errors import InputError
from chaffinch.tasks.sequences import judge_sequences, loss_trajectories, pull, segments_of
from chaffinch.tasks.sequences.judge import _PRIOR, _better_boundary, segment_posterior

STEPS = 5


def streams(number=24, each=6, seed=0):
    """Frames around the center of their step, labels and sequences; every step once, in order."""
    random = np.random.default_rng(seed)
    centers = np.random.default_rng(9).normal(size=(STEPS, 8)) * 2
    labels = np.tile(np.repeat(np.arange(STEPS), each), number)
    frames = centers[labels] + random.normal(size=(len(labels), 8))
    return frames, labels, np.repeat(np.arange(number), STEPS * each)


def segment(sequence, step, each=6):
    start = (sequence * STEPS + step) * each
    return slice(start, start + each)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000))
def test_the_posterior_of_a_segment_is_that_of_sums_one_by_one(seed):
    random = np.random.default_rng(seed)
    C = 3
    labels = random.integers(0, C, 12)
    cost = random.exponential(size=(12, C))
    segments = segments_of(labels, np.repeat([0, 1], 6))
    got, suggested = segment_posterior(cost, segments)
    for s in range(len(segments)):
        start, end, own = (int(x[s]) for x in (segments.start, segments.end, segments.label))
        weight = min(end - start, 4) / (end - start)
        shares = []
        for c in range(C):
            prior = 1 - _PRIOR if c == own else _PRIOR / (C - 1)
            shares.append(prior * np.exp(-weight * sum(cost[t, c] for t in range(start, end))))
        assert got[s] == pytest.approx(1 - shares[own] / sum(shares), abs=1e-9)
        shares[own] = -1
        assert suggested[s] == int(np.argmax(shares))


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.integers(2, 6), st.integers(2, 6))
def test_a_boundary_is_weighed_against_all_others(seed, before, after):
    random = np.random.default_rng(seed)
    cost = random.exponential(size=(before + after, 2))
    labels = np.repeat([0, 1], [before, after])
    place, chance = _better_boundary(cost, segments_of(labels, np.zeros_like(labels)), 0)
    places = list(range(1, before + after))
    shares = {}
    for at in places:
        prior = 1 - _PRIOR if at == before else _PRIOR / (len(places) - 1)
        shares[at] = prior * np.exp(-cost[:at, 0].sum() - cost[at:, 1].sum())
    assert chance == pytest.approx(1 - shares[before] / sum(shares.values()))
    del shares[before]
    assert place == max(shares, key=shares.get)


def test_wrong_and_exchanged_segments_are_told_apart():
    frames, labels, sequences = streams()
    labels = labels.copy()
    labels[segment(3, 1)] = 4
    labels[segment(8, 4)] = 0
    one, other = segment(5, 0), segment(5, 2)
    frames[one], frames[other] = frames[other].copy(), frames[one].copy()
    names = np.array(list("abcde"))
    found = judge_sequences(frames, names[labels], [f"s{k:02}" for k in sequences])
    table = found.segments[found.segments["kind"] != ""]
    assert table["sequence"].tolist() == ["s03", "s05", "s05", "s08"]
    assert table["kind"].tolist() == ["mislabelled", "disordered", "disordered", "mislabelled"]
    assert table["suggested"].tolist() == ["b", "c", "a", "e"]
    exchanged = table[table["kind"] == "disordered"]
    assert exchanged["partner"].tolist() == exchanged.index[::-1].tolist()
    assert found.frames[segment(3, 1)].min() > 0.5
    assert np.median(found.frames) < 0.05
    assert found.boundaries.empty


def test_a_shifted_boundary_and_a_missing_step_are_found():
    frames, labels, sequences = streams()
    labels = labels.copy()
    at = segment(4, 2).start
    labels[at : at + 3] = 1  # the second step seems three frames longer
    gone = np.ones(len(labels), bool)
    gone[segment(10, 3)] = False
    found = judge_sequences(frames[gone], labels[gone], sequences[gone])
    assert found.boundaries[["sequence", "at", "suggested"]].to_numpy().tolist() == [
        [4, at + 3, at]
    ]
    assert found.frames[at : at + 3].min() > 0.5
    row = found.missing.iloc[0]
    assert len(found.missing) == 1
    assert (row["sequence"], row["label"], row["at"]) == (10, 3, segment(10, 3).start)


def test_no_frame_is_judged_by_a_model_that_learned_from_its_sequence():
    frames, labels, sequences = streams(number=8)
    before = loss_trajectories(frames, labels, sequences, STEPS, epochs=2)
    changed = labels.copy()
    changed[sequences == 2] = (changed[sequences == 2] + 1) % STEPS
    after = loss_trajectories(frames, changed, sequences, STEPS, epochs=2)
    assert before.shape == (2, len(labels), STEPS)
    np.testing.assert_array_equal(before[:, sequences == 2], after[:, sequences == 2])
    assert not np.array_equal(before, after)


def test_judgement_depends_on_the_seed_only():
    frames, labels, sequences = streams(number=6)
    one, other = (judge_sequences(frames, labels, sequences, seed=1) for _ in range(2))
    assert one.frames.tolist() == other.frames.tolist()


def test_failures_are_found_in_windows_that_are_too_wide():
    random = np.random.default_rng(0)
    failure = np.zeros(600, bool)
    failure[[*range(100, 110), *range(300, 312), *range(500, 508)]] = True
    inside = np.zeros(600, bool)
    for start in (90, 290, 490):
        inside[start : start + 40] = True
    features = random.normal(size=(600, 6))
    features[failure, 0] += 4
    chance = pull(features, inside)
    assert chance[failure].mean() > 0.8
    assert chance[inside & ~failure].mean() < 0.1
    assert not chance[~inside].any()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"labels": [0, 0, 0, 0]}, "at least two labels"),
        ({"labels": [0, None, 1, 1]}, "1 missing"),
        ({"sequences": [0, 0, 0, 0]}, "at least two sequences"),
        ({"sequences": [0, 1, 0, 1]}, "side by side"),
        ({"sequences": [0, 0, 1]}, "a sequence for each of 4"),
        ({"frames": [[0.0], [1.0]]}, "shape"),
        ({"frames": [["x"]] * 4}, "numbers"),
        ({"frames": [[np.nan]] * 4}, "finite frames"),
        ({"losses": np.zeros((2, 4, 3))}, "losses of shape"),
    ],
)
def test_bad_sequences_are_refused_in_words(changed, words):
    usual = {"frames": [[0.0]] * 4, "labels": [0, 1, 0, 1], "sequences": [0, 0, 1, 1]}
    with pytest.raises(InputError, match=words):
        judge_sequences(**usual | changed)


@pytest.mark.parametrize(
    ("features", "inside", "words"),
    [
        (np.zeros((5, 2)), np.ones(4), "suspected"),
        (np.zeros((50, 2)), np.ones(50), "inside and outside"),
    ],
)
def test_bad_windows_are_refused_in_words(features, inside, words):
    with pytest.raises(InputError, match=words):
        pull(features, inside)
