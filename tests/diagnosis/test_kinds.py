"""Kinds: what clean references do not account for, and which kind is named for it."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaffinch.core.evidence import Evidence
from chaffinch.core.judged import harm, likeliest
from chaffinch.core.kinds import (
    FAR_CLUSTER,
    HARMFUL,
    KINDS,
    MISLABELLED,
    NEAR_CLUSTER,
    NEAR_DUPLICATE,
    OUTLIER,
    place,
)
from chaffinch.core.labels import Labels
from chaffinch.diagnosis.kinds.anomaly import Anomalies, find_anomalies, gathered
from chaffinch.diagnosis.kinds.assignment import Groups, kind_probabilities
from chaffinch.diagnosis.kinds.crowd import crowding
from chaffinch.diagnosis.kinds.duplicate import find_duplicates
from chaffinch.diagnosis.kinds.excess import excess, surplus_chance
from chaffinch.diagnosis.kinds.isolation import isolated
from chaffinch.diagnosis.kinds.near import RareGroups, find_rare_groups
from chaffinch.diagnosis.wrong_label import judge_labels

SIZE, KNOWN, SHIFTED = 600, 200, 40
CALM = Anomalies(np.zeros(SIZE), np.zeros(SIZE))


def blobs(count, seed, classes=(0, 1, 2)):
    """Classes around three points of a plane in six dimensions, in turn."""
    random = np.random.default_rng(seed)
    codes = np.asarray(classes)[np.arange(count) % len(classes)]
    centres = np.zeros((3, 6))
    centres[[0, 1, 2], [0, 1, 2]] = 6
    return centres[codes] + random.normal(size=(count, 6)), codes.astype(np.int64)


def evidence_of(rows, codes, reference=None, given=None):
    return Evidence(
        np.arange(len(rows)).astype(np.str_),
        Labels(codes, np.arange(3)),
        embeddings=rows.astype(np.float32),
        validation_embeddings=None if reference is None else reference.astype(np.float32),
        validation_codes=given,
    )


@pytest.fixture(name="plain")
def make_plain():
    """Clean evidence with a validation set."""
    return evidence_of(*blobs(SIZE, 0), *blobs(KNOWN, 1))


def altered(plain, rows, embeddings=None, codes=None):
    """Some rows with other embeddings or labels."""
    changed, labels = plain.embeddings.copy(), plain.labels.codes.copy()
    if embeddings is not None:
        changed[rows] = embeddings
    if codes is not None:
        labels[rows] = codes
    return replace(plain, embeddings=changed, labels=Labels(labels, np.arange(3)))


def test_a_surplus_is_found_and_only_there():
    random = np.random.default_rng(0)
    scores = np.concatenate([random.normal(size=900), random.normal(6, 0.5, 100)])
    found = excess(scores, random.normal(size=400))
    assert found[900:].min() > 0.9
    assert found[:900].sum() < 5
    assert (np.diff(found[np.argsort(scores)]) >= 0).all()
    assert ((found == 0) | (found >= 0.6)).all()


def test_the_same_data_twice_have_no_surplus():
    tests = [np.random.default_rng(seed).normal(size=1200) for seed in range(40)]
    found = [excess(one[:900], one[900:], seed) for seed, one in enumerate(tests)]
    assert sum(values.any() for values in found) <= 2


def test_beyond_the_reference_a_few_prove_nothing():
    reference = np.linspace(0, 1, 100)
    scores = np.concatenate([np.linspace(0, 1, 395), np.full(5, 2.0)])
    assert not excess(scores, reference).any()
    assert excess(np.append(scores, np.full(60, 2.0)), reference)[-1] > 0.8


def test_a_gap_of_the_reference_below_a_surplus_is_no_surplus():
    # 25 samples between the two highest of 100 clean ones; a quarter as many are to be expected.
    ordinary = np.concatenate([np.linspace(0, 0.99, 375), np.linspace(0.9911, 0.999, 25)])
    scores = np.concatenate([ordinary, np.full(100, 9.0)])
    found = excess(scores, np.linspace(0, 1, 101))
    assert found[400:].min() > 0.8
    assert not found[:400].any()


def test_too_small_a_reference_says_nothing():
    scores = np.append(np.zeros(100), np.full(50, 9.0))
    assert not excess(scores, np.zeros(29)).any()
    assert excess(scores, np.linspace(-1, 1, 30))[-1] > 0.5


def test_a_class_that_training_lacks_is_no_surplus_of_the_others():
    random = np.random.default_rng(3)
    reference = np.concatenate([random.normal(size=350), random.normal(-6, 1, 150)])
    assert excess(random.normal(size=2000), reference).sum() == 0


@given(st.integers(0, 50), st.integers(30, 60))
@settings(max_examples=20, deadline=None)
def test_chance_of_a_surplus_ignores_the_order_of_the_rows(seed, size):
    random = np.random.default_rng(seed)
    scores, reference = random.integers(0, 5, size * 2), random.integers(0, 5, size)
    first = surplus_chance(scores, reference)
    again = surplus_chance(random.permutation(scores), random.permutation(reference))
    assert 0 < first <= 1
    # The shuffles differ; what they are compared with does not.
    assert abs(first - again) < 0.2


def slow_crowding(rows, codes, reference, known):
    """Every distance by hand: own label, and any label, of training and validation samples."""

    def nth(point, pool, number):
        return np.sort(np.sqrt(((pool - point) ** 2).sum(axis=1)))[number - 1]

    own, free = [], []
    for group, labels, trains in ((rows, codes, True), (reference, known, False)):
        for point, code in zip(group, labels, strict=True):
            mine, theirs = rows[codes == code], reference[known == code]
            count = max(2, round(2 * len(mine) / len(theirs)))
            # Its own distance of zero comes first in the set that it is part of.
            crowd = nth(point, mine, count + trains)
            own.append(np.log(nth(point, theirs, 2 + (not trains)) / crowd))
            free.append(np.log(nth(point, reference, 2 + (not trains)) / crowd))
    own, free = np.asarray(own), np.asarray(free)
    told = free > np.quantile(free[len(rows) :], 0.75)
    return np.where(told, own, own[told].min() - 1)


@given(st.integers(0, 1000), st.integers(12, 40), st.integers(9, 20))
@settings(max_examples=20, deadline=None)
def test_crowding_is_what_distances_by_hand_say(seed, size, known):
    random = np.random.default_rng(seed)
    rows, reference = random.normal(size=(size, 3)), random.normal(size=(known, 3))
    codes, given_codes = np.arange(size) % 3, np.arange(known) % 3
    found = np.concatenate(crowding(rows, codes, reference, given_codes))
    expected = slow_crowding(rows, codes, reference, given_codes)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


def test_a_crowd_of_one_label_stands_out_and_scattered_wrong_labels_do_not(plain):
    crowd = np.random.default_rng(5).normal([3, 3, 0, 0, 0, 0], 0.4, (SHIFTED, 6))
    flips = np.arange(SHIFTED, 2 * SHIFTED)
    rows = plain.embeddings.astype(np.float64)
    codes = plain.labels.codes.copy()
    rows[:SHIFTED], codes[:SHIFTED] = crowd, 2
    codes[flips] = (codes[flips] + 1) % 3
    scores, reference = crowding(rows, codes, plain.validation_embeddings, plain.validation_codes)
    high = np.quantile(reference, 0.99)
    assert (scores[:SHIFTED] > high).mean() > 0.9
    assert (scores[flips] > high).mean() < 0.05


def test_without_common_labels_no_crowd_is_told():
    zeros = np.zeros((5, 2))
    scores, reference = crowding(zeros, np.zeros(5, int), zeros, np.ones(5, int))
    assert not scores.any()
    assert not reference.any()


def test_clean_data_have_no_anomaly(plain):
    assert not find_anomalies(plain, 0).any.any()


def test_a_class_that_validation_lacks_is_not_strange_and_the_others_are_judged(plain):
    known = plain.validation_codes != 2
    rows = np.flatnonzero(plain.labels.codes == 0)[:SHIFTED]
    away = np.random.default_rng(5).normal(-9, 0.5, (SHIFTED, 6))
    changed = replace(
        altered(plain, rows, away),
        validation_embeddings=plain.validation_embeddings[known],
        validation_codes=plain.validation_codes[known],
    )
    found = find_anomalies(changed, 0).any
    assert not found[plain.labels.codes == 2].any()
    assert found[rows].min() > 0.8
    assert not find_rare_groups(changed, np.ones(SIZE, dtype=bool), 0).misfiled[SHIFTED:].any()


def test_a_crowd_with_one_label_is_a_far_cluster(plain):
    rows = np.arange(SHIFTED)
    away = np.random.default_rng(5).normal(-9, 0.5, (SHIFTED, 6))
    found = find_anomalies(altered(plain, rows, away, 1), 0)
    assert found.far[rows].min() > 0.8
    assert found.any[SHIFTED:].mean() < 0.02


def test_what_strikes_all_classes_is_an_outlier(plain):
    rows = np.arange(SHIFTED)
    spoilt = plain.embeddings[rows] + np.asarray([0, 0, 0, 0, 0, 12.0])
    found = find_anomalies(altered(plain, rows, spoilt), 0)
    assert found.outlier[rows].mean() > 0.8
    assert found.far[rows].mean() < 0.1


def test_without_validation_only_lonely_samples_are_outliers():
    rows, codes = blobs(SIZE, 0)
    assert not find_anomalies(evidence_of(rows, codes), 0).any.any()
    rows[3] = 1e4
    found = find_anomalies(evidence_of(rows, codes), 0)
    assert np.flatnonzero(found.any).tolist() == [3]
    assert found.outlier[3] > 0.9


@pytest.mark.parametrize("rows", [np.zeros((3, 2)), np.zeros((40, 2))], ids=["few", "equal"])
def test_nothing_is_isolated_where_nothing_is_usual(rows):
    assert not isolated(rows).any()


def test_nothing_gathers_among_a_handful():
    strange = np.arange(20) < 5
    found = gathered(np.zeros((20, 2)), np.zeros(20, np.int64), strange, np.array([0.5, 0.5]))
    assert not found.any()


def test_evidence_without_a_description_has_no_anomaly(synthetic):
    evidence = synthetic().only("held_out_logits")
    assert not find_anomalies(evidence, 0).any.any()
    assert not find_rare_groups(evidence, np.ones(len(evidence), bool), 0).misfiled.any()
    assert not find_duplicates(evidence).any.any()


def test_a_group_filed_under_another_class_has_wrong_labels():
    # Class 2 is a rare event that was filed under 0; validation knows it.
    rows, codes = blobs(SIZE, 0, (0, 1))
    rare = slice(0, SHIFTED)
    rows[rare], _ = blobs(SHIFTED, 7, (2,))
    codes[rare] = 0
    evidence = evidence_of(rows, codes, *blobs(KNOWN, 1))
    groups = find_rare_groups(evidence, np.ones(SIZE, bool), 0)
    found = groups.misfiled
    assert found[rare].mean() > 0.7
    assert (groups.instead[rare][found[rare] > 0.5] == 2).all()
    assert (found[SHIFTED:] > 0).mean() < 0.01
    assert not groups.rare.any()
    assert not find_rare_groups(evidence, np.zeros(SIZE, bool), 0).misfiled.any()
    kinds = kind_probabilities(evidence, np.zeros(SIZE), np.zeros(SIZE), 0, Groups(CALM, groups))
    np.testing.assert_allclose(kinds[:, place("mislabelled")], found)
    assert not kinds[:, place("near_cluster")].any()


def test_a_rare_class_under_its_own_label_is_kept():
    # Class 2 became a rare event; models that saw few of it contradict its labels.
    rows, codes = blobs(SIZE, 0, (0, 1))
    rows[:SHIFTED], _ = blobs(SHIFTED, 7, (2,))
    codes[:SHIFTED] = 2
    evidence = evidence_of(rows, codes, *blobs(KNOWN, 1))
    groups = find_rare_groups(evidence, np.arange(SIZE) >= SHIFTED, 0, np.ones(SIZE, bool))
    assert groups.rare[:SHIFTED].mean() > 0.9
    assert not groups.rare[SHIFTED:].any()
    doubted = np.where(np.arange(SIZE) < SHIFTED, 0.9, 0.0)
    kinds = kind_probabilities(evidence, doubted, np.zeros(SIZE), 0, Groups(CALM, groups))
    assert kinds[:SHIFTED, place("near_cluster")].mean() > 0.85
    assert kinds[groups.rare, place("mislabelled")].max() == 0


def test_a_group_that_training_lacks_takes_in_what_models_contradict():
    rows, codes = blobs(SIZE, 0, (0, 1))
    rows[:SHIFTED], _ = blobs(SHIFTED, 7, (2,))
    codes[:SHIFTED] = 0
    ordinary = np.arange(SIZE) >= 10
    evidence = evidence_of(rows, codes, *blobs(KNOWN, 1))
    assert not find_rare_groups(evidence, ordinary, 0).misfiled[:10].any()
    assert find_rare_groups(evidence, ordinary, 0, np.ones(SIZE, bool)).misfiled[:10].min() > 0.6
    # Where training knows the class, a contradicted label of it is plainly wrong.
    more, _ = blobs(SIZE, 9, (2,))
    both = np.concatenate([rows, more]), np.concatenate([codes, np.full(SIZE, 2)])
    evidence = evidence_of(*both, *blobs(KNOWN, 1))
    usual = np.concatenate([ordinary, np.ones(SIZE, bool)])
    everyone = np.ones(2 * SIZE, bool)
    assert not find_rare_groups(evidence, usual, 0, everyone).misfiled[:10].any()


def test_anomalies_do_not_pass_for_label_noise():
    random = np.random.default_rng(4)
    codes = np.arange(SIZE) % 3
    logits = 5.0 * np.eye(3)[codes] + random.normal(size=(SIZE, 3))
    logits[:60] = 8.0 * np.eye(3)[(codes[:60] + 1) % 3]  # spoilt: taken for another class
    logits[60:72] = np.roll(logits[60:72], 1, axis=1)
    evidence = Evidence(
        np.arange(SIZE).astype(np.str_),
        Labels(codes, np.arange(3)),
        held_out_logits=logits[None].astype(np.float32),
    )
    usual = np.arange(SIZE) >= 60
    told, all_in_all = judge_labels(evidence, 0, usual), judge_labels(evidence, 0)
    assert told.details["noise_rate"] < 0.05 < all_in_all.details["noise_rate"]
    assert told.wrong[60:72].mean() > 0.8
    # So few that are usual teach nothing, nor those without one of the labels.
    for mask in (np.arange(SIZE) < 100, codes > 0):
        np.testing.assert_array_equal(judge_labels(evidence, 0, mask).wrong, all_in_all.wrong)


def test_usual_samples_are_in_no_group():
    nothing = np.zeros(3)
    filed = RareGroups(np.array([0, 0.7, 0.2]), np.full(3, -1), np.zeros(3, dtype=bool))
    groups = Groups(Anomalies(np.array([0.9, 0, 0]), nothing), filed)
    assert groups.usual.tolist() == [False, False, True]


def test_scattered_flips_are_no_group(plain):
    flipped = altered(plain, np.arange(12), codes=(plain.labels.codes[:12] + 1) % 3)
    assert not find_rare_groups(flipped, np.arange(SIZE) >= 12, 0).misfiled.any()


def test_both_halves_of_a_pair_are_duplicates(plain):
    rows = plain.embeddings[100:110] + np.float32(1e-3)
    found = find_duplicates(altered(plain, np.arange(10), rows, plain.labels.codes[100:110]))
    assert found.any[:10].min() > 0.9
    assert found.any[100:110].min() > 0.9
    assert found.any[200:].max() < 0.5
    assert found.conflicting[:10].max() < 0.5


def test_kinds_take_their_shares_in_turn(plain):
    away = np.random.default_rng(5).normal(-9, 0.5, (SHIFTED, 6))
    evidence = altered(plain, np.arange(SHIFTED), away, 1)
    wrong = np.zeros(SIZE)
    wrong[:100] = 0.9
    chances = kind_probabilities(evidence, wrong, np.full(SIZE, 0.5), 0)
    np.testing.assert_allclose(chances.sum(axis=1), 1, rtol=1e-12)
    named = np.asarray(KINDS)[chances.argmax(axis=1)]
    assert (named[:SHIFTED] == FAR_CLUSTER).all()  # although its label is likely wrong, too
    assert (named[SHIFTED:100] == MISLABELLED).mean() > 0.9
    assert harm(chances)[SHIFTED:100].min() >= 0.9 - 1e-12
    assert harm(chances)[100:].mean() < 0.02


def test_a_flagged_sample_gets_its_likeliest_harmful_kind():
    chances = np.full((2, len(KINDS)), 0.01)
    chances[:, place(NEAR_CLUSTER)] = 0.6
    chances[:, place(OUTLIER)] = 0.3
    named = likeliest(chances, np.array([True, False]))
    assert [KINDS[one] for one in named] == [OUTLIER, NEAR_CLUSTER]


def test_protected_kinds_do_no_harm():
    assert not {NEAR_CLUSTER, NEAR_DUPLICATE, "hard", "ambiguous", "clean"} & set(HARMFUL)
