"""Assumptions on labels: the floor, pairs of classes, mistakes on hard samples, clean samples."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import chaffinch as cf
from chaffinch.core.errors import InputError
from chaffinch.core.labels import Labels
from chaffinch.core.rate_range import CANNOT_TELL
from chaffinch.diagnosis.class_pairs import find_class_pairs
from chaffinch.diagnosis.floor import Floor, calibrated, read_floor, surest_of
from chaffinch.diagnosis.label_noise import (
    CleanSamples,
    crispness_by_clean,
    crispness_for,
    expected_rate,
    judge_noise,
)
from chaffinch.diagnosis.noise_model import NoiseModel
from chaffinch.diagnosis.noise_note import noise_notes

SIZE, CLASSES = 4000, 6


def softmax(scores):
    scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    return scores / scores.sum(axis=1, keepdims=True)


def truth_and_scores(seed, sharpness=3.0):
    """Right classes, and frequencies of them by samples that are more or less plain."""
    random = np.random.default_rng(seed)
    plain = random.uniform(0.3, 2.5, (SIZE, 1)) * sharpness
    centres = random.integers(0, CLASSES, SIZE)
    chances = softmax(plain * (np.eye(CLASSES)[centres] + 0.45 * random.random((SIZE, CLASSES))))
    drawn = (chances.cumsum(axis=1) > random.random((SIZE, 1))).argmax(axis=1)
    return drawn, chances, centres, random


def f1(flagged, wrong):
    return 2 * (flagged & wrong).sum() / max(flagged.sum() + wrong.sum(), 1)


def test_the_floor_counts_what_the_surest_contradict():
    drawn, chances, _, random = truth_and_scores(0)
    flips = random.random(SIZE) < 0.1
    given_labels = np.where(flips, (drawn + random.integers(1, CLASSES, SIZE)) % CLASSES, drawn)
    floor = read_floor(chances, given_labels)
    order = np.argsort(-chances.max(axis=1), kind="stable")[: SIZE // 10]
    slow = sum(int(chances[row].argmax() != given_labels[row]) for row in order)
    assert (floor.contradicted, floor.surest) == (slow, SIZE // 10)
    assert floor.low < 0.1 < floor.rate + 0.03
    assert floor.mistakes(0.1) == 0  # slips fall on all classes alike
    assert read_floor(chances, drawn).certainty < 0.5 < floor.certainty


def test_mistakes_fall_on_the_class_that_is_ranked_next():
    drawn, chances, _, random = truth_and_scores(1)
    others = chances.copy()
    others[np.arange(SIZE), drawn] = 0
    wrong = random.random(SIZE) < 0.1
    given_labels = np.where(wrong, others.argmax(axis=1), drawn)
    floor = read_floor(chances, given_labels)
    assert min(floor.spread) > 0.95
    assert floor.mistakes(0.1) > 0.95
    assert floor.mistakes(0.0) > 0.5  # less sure where the noise model sees no error at all


def test_a_floor_without_contradictions_is_zero():
    nothing = Floor(0, 100, 0.2, 0.8)
    assert nothing.low == nothing.rate == nothing.mistakes(0.0) == 0
    assert nothing.ceiling == pytest.approx(0.2 * nothing.strength)


def test_sure_predictions_speak_where_the_surest_are_few():
    alone = Floor(1, 200, 0.1, 0.9, (np.nan, 1.0))
    beside = Floor(1, 200, 0.1, 0.9, (np.nan, 1.0), sure_contradicted=17, sure=600)
    assert alone.certainty < 0.5
    assert beside.certainty > 0.95
    assert alone.smooth_rate == alone.rate
    assert alone.rate < beside.smooth_rate < 17 / 600
    right = Floor(1, 200, 0.1, 0.9, (np.nan, 1.0), sure_contradicted=5, sure=600)
    assert right.certainty == pytest.approx(alone.certainty)
    many = Floor(50, 10_000, 0.1, 0.9, (np.nan, 1.0), sure_contradicted=850, sure=30_000)
    assert many.smooth_rate == pytest.approx(many.rate, rel=0.05)
    wrong = np.full(100, 0.001)
    assert expected_rate(beside, wrong, 1.0, "auto") > 2 * expected_rate(alone, wrong, 1.0, "auto")


def test_the_counts_of_sure_predictions_are_those_of_a_twin():
    drawn, chances, _, _ = truth_and_scores(5)
    floor = read_floor(chances, drawn)
    order = np.argsort(-chances.max(axis=1))[: int(0.3 * SIZE)]
    assert floor.sure == len(order)
    assert floor.sure_contradicted == (chances.argmax(axis=1) != drawn)[order].sum()


def test_pairs_that_explain_less_than_the_floor_leave_the_rest_to_hard_samples():
    _, _, centres, random = truth_and_scores(6)
    wrong = random.random(SIZE) < np.where(centres == 1, 0.4, 0.15)
    others = (centres + random.integers(2, CLASSES, SIZE)) % CLASSES
    given_labels = np.where(wrong, np.where(centres == 1, 4, others), centres)
    known = np.full((SIZE, CLASSES), 0.02)
    known[np.arange(SIZE), centres] = 0.8
    known[centres == 1, 4] = 0.5
    known *= np.exp(random.normal(0, 0.15, known.shape))
    known /= known.sum(axis=1, keepdims=True)
    found = judge_noise(NoiseModel(np.ones(1), 0.001, -1.0), [np.log(known)], given_labels)
    assert found.pairs
    assert found.rate >= 0.99 * found.floor.low


def test_predictions_are_calibrated_to_the_given_labels():
    drawn, chances, _, _ = truth_and_scores(2)
    skewed = 2.5 * np.log(chances) + np.linspace(-1, 1, CLASSES)
    found = calibrated(skewed, drawn, np.arange(SIZE))
    np.testing.assert_allclose(found.sum(axis=1), 1)
    np.testing.assert_allclose(found.mean(axis=0), np.eye(CLASSES)[drawn].mean(axis=0), atol=0.01)
    sure = found.max(axis=1)
    assert abs((found.argmax(axis=1) == drawn).mean() - sure.mean()) < 0.02


@given(st.integers(0, 2**31 - 1), st.floats(0.01, 0.3))
def test_crispness_meets_the_rate_or_its_bounds(seed, rate):
    random = np.random.default_rng(seed)
    wrong, lead = random.random(50) * 0.1, np.maximum(random.normal(0, 2, 50), 0)
    found = crispness_for(rate, wrong, lead)
    reached = float((1 - (1 - wrong) * np.exp(-found * lead)).mean())
    if 0 < found < 50:
        assert reached == pytest.approx(rate, abs=2e-3)
    elif found == 0:
        assert wrong.mean() >= rate
    else:
        assert reached <= rate


def test_the_expected_rate_follows_the_assumption():
    floor = Floor(30, 400, 0.2, 0.8, (0.9, 0.9))
    wrong = np.full(100, 0.02)
    graded, auto, crisp = (
        expected_rate(floor, wrong, 1.0, assume) for assume in ("graded", "auto", "crisp")
    )
    assert graded == pytest.approx(0.02)
    assert graded < auto <= crisp == floor.ceiling
    assert expected_rate(floor, wrong, 0.0, "auto") == pytest.approx(0.02)


@pytest.mark.parametrize("rate", [0.2, 0.4])
def test_a_class_taken_for_another_is_found_though_models_predict_it(rate):
    _, _, centres, random = truth_and_scores(3)
    wrong = (centres == 1) & (random.random(SIZE) < rate)
    given_labels = np.where(wrong, 4, centres)
    known = np.eye(CLASSES)[centres] * 0.9 + 0.1 / CLASSES
    known[centres == 1] = (1 - rate) * known[centres == 1] + rate * (
        np.eye(CLASSES)[4] * 0.9 + 0.1 / CLASSES
    )
    known = softmax(np.log(known) + random.normal(0, 0.15, known.shape))
    (pair,) = find_class_pairs(known, given_labels)
    assert (pair.right, pair.given) == (1, 4)
    assert pair.rate == pytest.approx(rate, abs=0.06)
    found = cf.judge(given_labels, known, scorers=[])
    assert f1(found.table["flagged"].to_numpy(), wrong) > 0.85
    assert any("seem to be labelled" in note for note in found.notes)


def test_classes_that_cannot_be_told_apart_are_no_pair():
    _, _, centres, random = truth_and_scores(4)
    alike = np.isin(centres, (2, 3))
    mixed = np.where(alike, 2 + random.integers(0, 2, SIZE), centres)
    known = np.eye(CLASSES)[centres] * 0.9 + 0.1 / CLASSES
    known[alike] = 0.05 / CLASSES
    known[np.ix_(alike, (2, 3))] = 0.48
    known = softmax(np.log(known) + random.normal(0, 0.05, known.shape))
    assert find_class_pairs(known, mixed) == []


def test_mistakes_of_people_are_flagged_and_graded_labels_are_not():
    drawn, chances, centres, _ = truth_and_scores(5)
    # Crisp: the right class is the centre, labels are drawn as softly as the model predicts.
    wrong = drawn != centres
    crisp = cf.judge(drawn, chances, assume="crisp", scorers=[]).table["flagged"].to_numpy()
    graded = cf.judge(drawn, chances, assume="graded", scorers=[]).table["flagged"].to_numpy()
    assert f1(crisp, wrong) > 0.8
    assert graded.mean() < 0.02
    details = cf.judge(drawn, chances, assume="crisp", scorers=[]).details
    low, high = details["rate_range"]
    assert low <= details["noise_rate"] <= high + 1e-9


def test_clean_samples_say_how_soft_right_labels_are():
    drawn, chances, centres, _ = truth_and_scores(6)
    known, rest = slice(0, 500), slice(500, None)
    validation = {"labels": centres[known], "probabilities": chances[known]}
    found = cf.judge(drawn[rest], chances[rest], validation=validation, scorers=[])
    wrong = (drawn != centres)[rest]
    assert f1(found.table["flagged"].to_numpy(), wrong) > 0.8
    # The same labels as ambiguous as predicted: nothing is wrong, and little is said to be.
    validation["labels"] = drawn[known]
    found = cf.judge(drawn[rest], chances[rest], validation=validation, scorers=[])
    assert found.table["flagged"].mean() < 0.03


def test_validation_labels_that_mean_something_else_are_set_aside():
    drawn, chances, _, _ = truth_and_scores(7)
    shifted = {"labels": (drawn[:500] + 1) % CLASSES, "probabilities": chances[:500]}
    alone = cf.judge(drawn[500:], chances[500:], scorers=[])
    found = cf.judge(drawn[500:], chances[500:], validation=shifted, scorers=[])
    np.testing.assert_array_equal(found.table["suspicion"], alone.table["suspicion"])
    assert any("set aside" in note for note in found.notes)


def test_clean_samples_that_leave_it_open_change_nothing():
    drawn, chances, _, _ = truth_and_scores(8)
    floor = read_floor(chances, drawn)
    assert crispness_by_clean(np.log(chances), drawn, floor) == pytest.approx(0, abs=0.02)
    assert crispness_by_clean(np.log(chances), (drawn + 1) % CLASSES, floor) is None


def test_the_order_of_the_samples_decides_nothing():
    drawn, chances, _, random = truth_and_scores(9)
    order = random.permutation(SIZE)
    sources = [np.log(chances)]
    first = judge_noise(NoiseModel.fit(sources, drawn), sources, drawn, "crisp")
    moved = [sources[0][order]]
    second = judge_noise(NoiseModel.fit(moved, drawn[order]), moved, drawn[order], "crisp")
    np.testing.assert_allclose(first.wrong[order], second.wrong, atol=5e-3)


def test_right_and_wrong_share_one():
    drawn, chances, _, _ = truth_and_scores(10)
    sources = [np.log(chances)]
    clean = CleanSamples(drawn, sources, sources)
    noise = judge_noise(NoiseModel.fit(sources, drawn), sources, drawn, "crisp", clean)
    np.testing.assert_allclose(noise.right.sum(axis=1), 1, atol=1e-9)
    np.testing.assert_allclose(noise.right[np.arange(SIZE), drawn], 1 - noise.wrong, atol=1e-9)
    assert noise.used_validation
    assert noise.high < noise.rate + 0.02  # so many validation samples leave little open
    alone = judge_noise(NoiseModel.fit(sources, drawn), sources, drawn)
    labels = Labels(drawn, np.arange(CLASSES))
    assert any("may be wrong" in note for note in noise_notes(alone, labels))


def test_an_unknown_assumption_is_refused():
    with pytest.raises(InputError, match="crisp"):
        cf.judge([0, 1, 0, 1], np.full((4, 2), 0.5), assume="soft")
    with pytest.raises(InputError, match="mapping"):
        cf.judge([0, 1, 0, 1], np.full((4, 2), 0.5), validation=[1, 2])
    validation = {"labels": [7], "probabilities": [[0.5, 0.5]]}
    with pytest.raises(InputError, match="classes"):
        cf.judge([0, 1, 0, 1], np.full((4, 2), 0.5), validation=validation)


def test_weak_predictions_of_a_frequent_class_are_no_pair():
    # The frequent class is always likeliest, and the rare one hardly rarer where that is surest.
    random = np.random.default_rng(11)
    rare = softmax(np.stack([np.zeros(SIZE), 0.1 * random.normal(size=SIZE) - 0.85], axis=1))
    codes = (random.random(SIZE) < rare[:, 1]).astype(np.int64)
    assert find_class_pairs(rare, codes) == []
    assert read_floor(np.full((SIZE, 2), 0.5), codes).surest == 0


def test_ties_among_the_surest_count_in_any_order():
    sure = np.asarray([0.9, 0.8, 0.9, 0.9, 0.7])
    rows = np.arange(5)
    assert surest_of(rows, sure, 2).tolist() == [0, 2, 3]
    assert surest_of(rows, sure, 4).tolist() == [0, 1, 2, 3]
    assert surest_of(rows, sure, 9).tolist() == rows.tolist()
    assert surest_of(rows, sure, 0).tolist() == []


def test_findings_say_when_they_cannot_tell():
    # A sharp model that learned the mistakes: no sure prediction is contradicted.
    random = np.random.default_rng(12)
    centres = random.integers(0, CLASSES, SIZE)
    hard = random.random(SIZE) < 0.2
    known = np.eye(CLASSES)[centres] * 0.999 + 0.001 / CLASSES
    known[hard] = 0.6 * known[hard] + 0.4 * np.roll(known[hard], 1, axis=1)
    wrong = hard & (random.random(SIZE) < 0.4)
    given_labels = np.where(wrong, (centres + 1) % CLASSES, centres)
    found = cf.judge(given_labels, known, scorers=[])
    assert found.table["flagged"].mean() < 0.01
    assert found.details["cannot_tell"]
    assert repr(found.findings).startswith(f"Findings({SIZE:,} samples, ")
    assert "cannot tell how many labels are wrong: " in repr(found)
    assert found.notes[-1] == CANNOT_TELL
    low, high = found.details["rate_range"]
    assert low < 0.01 < 0.06 < high  # 8 % are wrong; the end is an estimate, too
    # What the user says, or people answer, tells.
    assert "may be wrong" in repr(cf.judge(given_labels, known, assume="crisp", scorers=[]))
    assert "cannot_tell" not in cf.judge(given_labels, known, assume="graded", scorers=[]).details
    ask = found.to_check(30)
    answers = dict(zip(ask["id"], wrong[ask["row"]].tolist(), strict=True))
    learned = found.calibrate(answers)
    assert "may be wrong" in repr(learned)
    assert CANNOT_TELL not in learned.notes
