"""Confident learning and label quality against loops, and against cleanlab where it is there."""

import math
from functools import partial

import numpy as np
import pytest
import slow_twin as slow
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from chaffinch.scorers import SCORERS
from chaffinch.scorers.labels import confident_learning as cl
from chaffinch.scorers.labels.quality import quality_by_entropy
from chaffinch.scorers.probability import softmax

SIZES = st.tuples(st.integers(1, 60), st.integers(2, 5), st.integers(0, 10_000))
drawn = given(size=SIZES)
RULES = {
    "confident_learning": cl.off_diagonals,
    "prune_by_class": cl.prune_by_class,
    "prune_by_noise_rate": cl.prune_by_noise_rate,
    "both": cl.prune_by_both,
}


def draw(size, spread=2.0):
    """Probabilities (N, C) that know something, and labels with errors; a class may be empty."""
    samples, classes, seed = size
    random = np.random.default_rng(seed)
    truth = random.integers(0, max(1, classes - seed % 2), samples)
    logits = random.normal(size=(samples, classes)) * spread
    logits[np.arange(samples), truth] += 2
    wrong = random.random(samples) < 0.3
    codes = np.where(wrong, random.integers(0, max(1, classes - seed % 2), samples), truth)
    return softmax(logits), codes.astype(np.int64)


def round_slowly(row):
    """Round to whole numbers with the same sum: largest remainders up, smallest down."""
    whole = [round(value) for value in row]  # ties to even, as NumPy
    while (missing := round(math.fsum(row)) - sum(whole)) != 0:
        rest = [value - number for value, number in zip(row, whole, strict=True)]
        pick = max if missing > 0 else min
        # Of equal remainders the last one is raised, the first one lowered.
        place = pick(range(len(row)), key=lambda j: (rest[j], j))
        whole[place] += 1 if missing > 0 else -1
    return whole


def confident_slowly(probabilities, codes):
    rows, classes = probabilities.tolist(), range(probabilities.shape[1])
    thresholds = []
    for k in classes:
        own = [row[k] for row, code in zip(rows, codes, strict=True) if code == k]
        thresholds.append(max(slow.mean(own), 2e-6) if own else 2.0)
    guesses = []
    for row in rows:
        reached = [k for k in classes if row[k] >= thresholds[k] - 1e-6]
        best = max(classes, key=lambda k: row[k])
        guesses.append(-1 if not reached else reached[0] if len(reached) == 1 else best)
    return guesses


def joint_slowly(probabilities, codes):
    classes = probabilities.shape[1]
    joint = [[0] * classes for _ in range(classes)]
    for code, guess in zip(codes, confident_slowly(probabilities, codes), strict=True):
        if guess >= 0:
            joint[code][guess] += 1
    for k in range(classes):
        joint[k][k] = max(joint[k][k], 1)
    return joint


def calibrated_slowly(probabilities, codes):
    # Equal remainders are common, and the last bit decides between them: so the operations are
    # done in the order of the definition, with NumPy's sum.
    scaled = []
    for k, row in enumerate(joint_slowly(probabilities, codes)):
        count = sum(1 for code in codes if code == k)
        scaled.append([value / sum(row) * count for value in row])
    total = float(np.sum(list(zip(*scaled, strict=True))))
    return [round_slowly([value / total * len(codes) for value in row]) for row in scaled]


def flags_slowly(rule, probabilities, codes):
    rows, classes = probabilities.tolist(), range(probabilities.shape[1])
    contradicted = [
        max(row[k] for k in classes if k != code) - row[code] > 1e-6
        for row, code in zip(rows, codes, strict=True)
    ]
    if rule == "confident_learning":
        guesses = confident_slowly(probabilities, codes)
        return [
            guess >= 0 and guess != code and clear
            for guess, code, clear in zip(guesses, codes, contradicted, strict=True)
        ]
    if rule == "both":
        pair = [flags_slowly(one, probabilities, codes) for one in list(RULES)[1:3]]
        return [a and b for a, b in zip(*pair, strict=True)]
    counts = []
    for k, row in enumerate(calibrated_slowly(probabilities, codes)):
        raised = max(row[k], 1)
        step = (raised - row[k]) / max(sum(1 for value in row if value) - 1, 1)
        counts.append([raised if j == k else max(value - step, 0) for j, value in enumerate(row)])
    columns = [round_slowly(list(column)) for column in zip(*counts, strict=True)]
    flagged = set()
    for k in classes:
        members = [n for n, code in enumerate(codes) if code == k]
        if len(members) < 2:
            continue
        if rule == "prune_by_class":
            order = sorted(members, key=lambda n: rows[n][k])
            flagged |= set(order[: max(0, len(members) - columns[k][k])])
            continue
        for j in classes:
            if j != k:
                order = sorted(members, key=lambda n: rows[n][k] - rows[n][j])
                flagged |= set(order[: columns[j][k]])
    return [n in flagged and contradicted[n] for n in range(len(rows))]


@drawn
def test_the_confident_joint_is_counted_as_defined(size):
    probabilities, codes = draw(size)
    np.testing.assert_array_equal(
        cl.confident_joint(probabilities, codes, calibrate=False),
        joint_slowly(probabilities, codes),
    )
    calibrated = cl.confident_joint(probabilities, codes)
    np.testing.assert_array_equal(calibrated, calibrated_slowly(probabilities, codes))
    np.testing.assert_array_equal(calibrated.sum(axis=1), np.bincount(codes, minlength=size[1]))
    np.testing.assert_allclose(
        cl.joint_distribution(probabilities, codes), calibrated / len(codes), rtol=1e-12
    )


@pytest.mark.parametrize("rule", RULES)
@drawn
def test_flags_are_those_of_the_definition(rule, size):
    probabilities, codes = draw(size)
    np.testing.assert_array_equal(
        RULES[rule](probabilities, codes), flags_slowly(rule, probabilities, codes)
    )


@pytest.mark.parametrize("rule", RULES)
def test_a_thousand_planted_errors_are_mostly_found(rule):
    probabilities, codes = draw((1000, 4, 2), spread=0.5)
    flagged = RULES[rule](probabilities, codes)
    wrong = probabilities.argmax(axis=1) != codes
    assert (flagged & wrong).sum() > 0.6 * wrong.sum()
    assert not (flagged & ~wrong).any()


def test_samples_that_cannot_be_told_apart_share_their_fate():
    probabilities = np.asarray([[0.9, 0.1]] * 6 + [[0.2, 0.8]] * 4)
    codes = np.asarray([0] * 6 + [0, 0, 1, 1])
    for rule in RULES.values():
        flagged = rule(probabilities, codes)
        assert flagged[6] == flagged[7]
        assert not flagged[:6].any()


def test_a_probability_within_rounding_of_its_threshold_reaches_it():
    probabilities = np.asarray([[0.6, 0.4], [0.600001, 0.399999], [0.1, 0.9], [0.59, 0.41]])
    codes = np.asarray([0, 0, 1])
    assert cl.confident_classes(probabilities[:3], codes).tolist() == [0, 0, 1]
    assert cl.confident_classes(probabilities, np.append(codes, 0))[3] == -1


@drawn
def test_rounding_keeps_the_sums_of_rows(size):
    random = np.random.default_rng(size[2])
    matrix = random.uniform(0, 9, (size[1], size[1]))
    matrix *= (np.round(matrix.sum(axis=1)) / matrix.sum(axis=1))[:, None]
    rounded = cl.round_rows(matrix)
    np.testing.assert_array_equal(rounded, [round_slowly(row) for row in matrix.tolist()])
    np.testing.assert_array_equal(rounded.sum(axis=1), np.round(matrix.sum(axis=1)))
    assert np.abs(rounded - matrix).max() < 1.5


@drawn
def test_the_flagged_come_first_and_margins_rank_within(size):
    probabilities, codes = draw(size)
    flagged = np.random.default_rng(size[2]).random(len(codes)) < 0.4
    scores = cl.rank_flagged_first(flagged, probabilities, codes)
    np.testing.assert_array_equal(scores > 1, flagged & (scores > 1))
    margins = [slow.margin(row, code) for row, code in zip(probabilities, codes, strict=True)]
    for part in (flagged, ~flagged):
        np.testing.assert_allclose(
            scores[part] - scores[part].min(initial=9),
            -(np.asarray(margins)[part] - np.max(np.asarray(margins)[part], initial=-9)) / 2,
            atol=1e-12,
        )
    if flagged.any() and not flagged.all():
        real = flagged & (np.asarray(margins) < 0)  # the rules flag no others
        assert scores[real].min(initial=2) > scores[~flagged].max()


@drawn
def test_confidence_weighted_entropy(size):
    probabilities, codes = draw(size)
    for row, code, got in zip(
        probabilities.tolist(), codes, quality_by_entropy(probabilities, codes), strict=True
    ):
        entropy = -math.fsum(p * math.log(p) for p in row) / math.log(len(row))
        ratio = entropy / row[code]
        assert got == pytest.approx(math.log(1 + ratio) / ratio, rel=1e-9)


def test_a_label_predicted_with_certainty_has_the_best_quality_and_an_impossible_one_the_worst():
    probabilities = np.asarray([[1, 0, 0], [1, 0, 0], [1 - 1e-12, 1e-12, 0], [0.5, 0.5, 0]])
    quality = quality_by_entropy(probabilities, np.asarray([0, 1, 0, 0]))
    assert quality[:2].tolist() == [1, 0]
    assert quality[2] == pytest.approx(1, abs=1e-9)
    assert 0 < quality[3] < 1


@pytest.mark.parametrize("name", [n for n, s in SCORERS.items() if s.family == "labels"])
def test_in_sample_scorers_read_the_training_and_the_others_held_out_predictions(name, synthetic):
    made = synthetic(seed=1)
    alone = made.only("logits" if name.endswith("_in_sample") else "held_out_logits")
    np.testing.assert_array_equal(SCORERS[name](alone), SCORERS[name](made.evidence))
    other = made.only("logits")
    same = SCORERS[name.removesuffix("_in_sample")](other)
    if name.endswith("_in_sample"):
        np.testing.assert_array_equal(same, SCORERS[name](other))
    assert roc_auc_score(made.errors, SCORERS[name](other)) > 0.9


@pytest.fixture(scope="module")
def cleanlab():
    """The library, with sorts that leave equal values in order.

    It rounds by sorting remainders, of which many are equal, with NumPy's default sort: which of
    them comes first there depends on the instruction set of the machine.
    """
    pytest.importorskip("cleanlab")
    import cleanlab.count
    import cleanlab.filter
    import cleanlab.rank

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(np, "argsort", partial(np.argsort, kind="stable"))
        yield cleanlab


# It warns of classes with few samples.
@pytest.mark.filterwarnings("ignore")
@drawn
def test_the_joint_is_that_of_cleanlab(cleanlab, size):
    probabilities, codes = draw(size)
    for calibrate in (False, True):
        theirs = cleanlab.count.compute_confident_joint(codes, probabilities, calibrate=calibrate)
        ours = cl.confident_joint(probabilities, codes, calibrate=calibrate)
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_allclose(
        cl.joint_distribution(probabilities, codes),
        cleanlab.count.estimate_joint(codes, probabilities),
        atol=1e-12,
    )


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("rule", RULES)
@drawn
def test_flags_are_those_of_cleanlab(cleanlab, rule, size):
    probabilities, codes = draw(size)
    assume(len(np.unique(codes)) > 1)  # it refuses a single class
    theirs = cleanlab.filter.find_label_issues(codes, probabilities, filter_by=rule, n_jobs=1)
    np.testing.assert_array_equal(RULES[rule](probabilities, codes), theirs)


@pytest.mark.filterwarnings("ignore")
@drawn
def test_quality_is_that_of_cleanlab(cleanlab, size):
    probabilities, codes = draw(size)
    own = {
        "self_confidence": cl.pick(probabilities, codes),
        "normalized_margin": cl.quality_by_margin(probabilities, codes),
        "confidence_weighted_entropy": quality_by_entropy(probabilities, codes),
    }
    for method, ours in own.items():
        theirs = cleanlab.rank.get_label_quality_scores(codes, probabilities, method=method)
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
