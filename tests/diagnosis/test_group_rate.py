"""Groups of samples whose labels are wrong far more often than those of others."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.special import betaln, expit, log_softmax

import chaffinch as cf
from chaffinch.core.basis import Basis
from chaffinch.core.errors import InputError
from chaffinch.core.group_note import far_worse, group_notes, worse_groups
from chaffinch.core.sample_groups import MISSING, SampleGroups
from chaffinch.diagnosis.group_noise import by_group
from chaffinch.diagnosis.group_rate import GroupRates, sharpness_gain, slip_ratios
from chaffinch.diagnosis.judgement import judge_evidence
from chaffinch.diagnosis.likelihood import cost_at_rates
from chaffinch.store.evidence import EvidenceFolder


def labels_of(rates, counts, seed=0, contrast=3.0):
    """Log-ratios of wrong to right labels in groups with these rates, codes, and what is wrong."""
    random = np.random.default_rng(seed)
    codes = np.repeat(np.arange(len(rates)), counts)
    wrong = random.random(len(codes)) < np.asarray(rates)[codes]
    ratios = random.normal(np.where(wrong, contrast, -contrast), np.sqrt(2 * contrast))
    return ratios, codes, wrong


def slow_rates(ratios, codes, prior):
    """Posterior mean of each group's rate by quadrature, and the total log-likelihood."""
    a, b = prior
    means, total = [], 0.0
    for code in range(codes.max() + 1):
        own = np.exp(ratios[codes == code])
        scale = np.log1p(0.1 * (own - 1)).sum()

        def weight(x, own=own, scale=scale):
            rate = expit(x)
            density = a * np.log(rate) + b * np.log1p(-rate) - betaln(a, b)
            return np.exp(density + np.log1p(rate * (own - 1)).sum() - scale)

        whole = quad(weight, -20, 8, limit=400)[0]
        means.append(quad(lambda x, w=weight: expit(x) * w(x), -20, 8, limit=400)[0] / whole)
        total += np.log(whole) + scale
    return np.asarray(means), total


def test_rates_equal_the_slow_twin():
    ratios, codes, _ = labels_of([0.35, 0.05, 0.02, 0.08, 0.2, 0.01], [40, 60, 30, 50, 45, 55])
    found = GroupRates.fit(ratios, codes, 6)
    tried = {
        (mean, size): slow_rates(ratios, codes, (mean * size, (1 - mean) * size))
        for mean in (0.06, 0.09, 0.12, 0.15, 0.2)
        for size in (2.0, 4.0, 8.0, 16.0)
    }
    slow, total = max(tried.values(), key=lambda one: one[1])
    np.testing.assert_allclose(found.rates, slow, atol=0.02)
    grid = np.linspace(1e-4, 0.5, 3000)
    alike = max(np.log1p(rate * np.expm1(ratios)).sum() for rate in grid)
    assert found.gain == pytest.approx(total - alike, abs=0.4)
    assert found.common == pytest.approx(grid[0] + 0.12, abs=0.05)


def test_sharpness_equals_the_slow_twin():
    random = np.random.default_rng(0)
    guess = log_softmax(random.normal(size=(60, 3)), axis=1)
    codes, groups = random.integers(0, 3, 60), random.integers(0, 4, 60)
    powers = np.linspace(-1.5, 1.5, 31)
    table = np.zeros((4, 31))
    for row in range(60):
        for place, power in enumerate(powers):
            scores = np.exp(power) * guess[row]
            own = np.exp(scores[codes[row]]) / np.exp(scores).sum()
            table[groups[row], place] += np.log(0.9 * own + 0.05 * (1 - own))
    best = -np.inf
    for centre in np.linspace(-0.6, 0.6, 13):
        for spread in (0.05, 0.1, 0.2, 0.4, 0.8, 1.6):
            shares = np.exp(-(((powers - centre) / spread) ** 2) / 2)
            likelihoods = (np.exp(table) * shares / shares.sum()).sum(axis=1)
            best = max(best, np.log(likelihoods).sum())
    found = sharpness_gain(guess, codes, groups, 0.1)
    assert found == pytest.approx(best - table.sum(axis=0).max(), abs=1e-9)


def test_the_gradient_under_rates_of_groups_equals_differences():
    random = np.random.default_rng(1)
    stack = log_softmax(random.normal(size=(2, 50, 4)), axis=2)
    codes, rates = random.integers(0, 4, 50), random.uniform(0.01, 0.5, 50)
    weights = np.array([0.7, 1.2])
    slope = cost_at_rates(weights, stack, rates, codes)[1]
    for place in range(2):
        step = 1e-6 * np.eye(2)[place]
        ends = [cost_at_rates(weights + by, stack, rates, codes)[0] for by in (step, -step)]
        assert slope[place] == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-5)


def test_a_bad_group_has_its_rate_and_small_ones_keep_to_the_others():
    ratios, codes, wrong = labels_of([0.4, *[0.0] * 8, 1.0], [300] * 9 + [2])
    found = GroupRates.fit(ratios, codes, 10)
    assert found.differ
    assert found.rates[0] == pytest.approx(wrong[:300].mean(), abs=0.04)
    assert found.rates[1:9].max() < 0.02
    ratios, codes, _ = labels_of([0.1] * 8 + [1.0], [300] * 8 + [2])
    assert GroupRates.fit(ratios, codes, 9).rates[-1] < 0.25


@pytest.mark.parametrize("seed", range(5))
def test_groups_by_chance_do_not_differ(seed):
    ratios, codes, _ = labels_of([0.1] * 10, [100] * 10, seed)
    assert not GroupRates.fit(ratios, codes, 10).differ
    assert not GroupRates.fit(ratios, np.zeros(1000, dtype=np.int64), 1).differ


def test_harder_samples_are_no_wrong_labels():
    rates = GroupRates(np.array([0.3, 0.01]), 0.1, 5.0)
    assert rates.differ
    assert not replace(rates, rival=20.0).differ


def test_worse_groups_are_cut_off_where_two_rates_fit_best():
    counts = np.array([100.0, 100, 100, 100, 0])
    assert worse_groups(np.array([40.0, 2, 3, 41, 0]), counts).tolist() == [1, 0, 0, 1, 0]
    assert worse_groups(np.array([40.0, 42, 3, 41, 0]), counts).tolist() == [1, 1, 0, 1, 0]
    assert not worse_groups(np.array([12.0, 8, 10, 11, 0]), counts).any()
    assert not worse_groups(np.array([40.0]), np.array([100.0])).any()


def test_a_group_of_few_samples_is_not_named_by_chance():
    groups = SampleGroups(np.repeat([0, 1, 2], [200, 200, 2]), ("a", "b", "c"), "source")
    wrong = np.where(groups.codes == 2, 0.3, 0.05)
    assert not far_worse(wrong, groups).any()
    assert group_notes(wrong, groups) == (
        "No source stands out by far more wrong labels than the others.",
    )
    wrong = np.where(groups.codes == 1, 0.41, 0.03)
    assert group_notes(wrong, groups) == (
        "source b: about 41% of 200 labels wrong; all others: 3%.",
    )


def test_suspicions_without_held_out_predictions_are_regrouped():
    ratios, codes, _ = labels_of([0.4, 0, 0, 0], [200] * 4)
    groups = SampleGroups(codes, tuple("abcd"))
    wrong = expit(ratios + np.log(0.1 / 0.9))
    told = by_group(wrong, groups)
    assert told[codes > 0].mean() < wrong[codes > 0].mean()
    assert by_group(wrong, None) is wrong
    alike = SampleGroups(np.arange(800) % 4, tuple("abcd"))
    assert by_group(wrong, alike) is wrong


def bad_source(synthetic, classes=4, size=600, seed=0):
    """Evidence with one of five sources wrong at 40 %, on classes that overlap somewhat."""
    made = synthetic(num_samples=size, num_classes=classes, rate=0, seed=seed)
    random = np.random.default_rng(seed)
    sources = random.integers(0, 5, size)
    wrong = (sources == 2) & (random.random(size) < 0.4)
    codes = made.truth.copy()
    codes[wrong] = (codes[wrong] + random.integers(1, classes, wrong.sum())) % classes
    labels = replace(made.evidence.labels, codes=codes)
    groups = SampleGroups.of(np.asarray(list("abcde"))[sources], "source")
    return replace(made.evidence, labels=labels), groups, wrong


def f1(flagged, wrong):
    return 2 * (flagged & wrong).sum() / max(flagged.sum() + wrong.sum(), 1)


def records(evidence, *names):
    return replace(evidence, **{one: None for one in evidence.records if one not in names})


@pytest.mark.parametrize("names", [("held_out_logits",), ("held_out_logits", "logits")])
def test_one_bad_source_is_found_and_named(synthetic, names):
    evidence, groups, wrong = bad_source(synthetic)
    evidence = records(evidence, *names)
    found = judge_evidence(replace(evidence, groups=groups), [])
    flagged = found.table["flagged"].to_numpy()
    assert f1(flagged, wrong) > 0.9
    without = judge_evidence(evidence, []).table["flagged"].to_numpy()
    assert f1(flagged, wrong) >= f1(without, wrong) - 0.01
    assert set(found.table["kind"][flagged & wrong]) == {"mislabelled"}
    rates = found.rates[found.rates["of"] == "group"].set_index("name")
    assert rates.loc["c", "low"] < wrong[groups.codes == 2].mean() < rates.loc["c", "high"]
    assert rates.drop("c")["rate"].max() < 0.03
    assert found.notes[0].startswith("source c: about ")


def test_sources_that_are_alike_change_nothing(synthetic):
    made = synthetic(num_samples=600, num_classes=4, rate=0.1)
    evidence = records(made.evidence, "held_out_logits", "logits")
    groups = SampleGroups(np.random.default_rng(0).integers(0, 6, 600), tuple("abcdef"), "source")
    found = judge_evidence(replace(evidence, groups=groups), [])
    pd.testing.assert_frame_equal(found.table, judge_evidence(evidence, []).table)
    assert found.notes[0].startswith("No source stands out")


def test_one_group_says_nothing(synthetic):
    evidence = synthetic(num_samples=300).only("held_out_logits")
    one = SampleGroups(np.zeros(300, dtype=np.int64), ("all",), "source")
    found = judge_evidence(replace(evidence, groups=one), [])
    pd.testing.assert_frame_equal(found.table, judge_evidence(evidence, []).table)
    assert found.notes[0] == "All samples are of one source, so rates of groups tell nothing."


def test_order_of_samples_and_names_of_groups_do_not_matter(synthetic):
    evidence, groups, _ = bad_source(synthetic, size=300)
    evidence = replace(records(evidence, "held_out_logits"), groups=groups)
    order = np.random.default_rng(1).permutation(300)
    renamed = SampleGroups(4 - groups.codes, tuple(reversed(groups.names)))
    still = judge_evidence(evidence, []).table["suspicion"].to_numpy()
    moved = judge_evidence(replace(evidence, groups=renamed).take(order), []).table["suspicion"]
    np.testing.assert_allclose(moved, still[order], atol=1e-4)


def test_answers_keep_the_rates_of_groups(synthetic, tmp_path):
    evidence, groups, wrong = bad_source(synthetic)
    found = judge_evidence(replace(records(evidence, "held_out_logits"), groups=groups), [])
    rows = found.to_check(30)["row"].to_numpy()
    ids = found.table["id"].to_numpy()
    answers = {str(ids[row]): bool(wrong[row]) for row in rows}
    learned = found.calibrate(answers)
    rates = learned.rates[learned.rates["of"] == "group"].set_index("name")
    assert rates["rate"].idxmax() == "c"
    assert rates.loc["c", "low"] < wrong[groups.codes == 2].mean() < rates.loc["c", "high"]
    assert sum("source c: about" in note for note in learned.notes) == 1
    assert f1(learned.table["flagged"].to_numpy(), wrong) > 0.9
    found.basis.save(tmp_path)
    kept = replace(found, basis=Basis.load(tmp_path)).calibrate(answers)
    pd.testing.assert_frame_equal(kept.rates, learned.rates)
    assert kept.notes == learned.notes


def test_groups_are_kept_with_the_evidence(synthetic, tmp_path):
    evidence, groups, _ = bad_source(synthetic, size=400)
    folder = EvidenceFolder(tmp_path)
    folder.finish(replace(records(evidence, "held_out_logits"), groups=groups))
    read = folder.load().groups
    assert (read.names, read.column) == (groups.names, groups.column)
    assert read.codes.tolist() == groups.codes.tolist()


def test_missing_groups_are_a_group_of_their_own():
    groups = SampleGroups.of(["a", None, "b", float("nan"), "a"])
    assert groups.names[groups.codes[1]] == groups.names[groups.codes[3]] == MISSING
    assert len(groups.names) == 3


def test_slips_fall_on_all_other_classes_alike():
    guess = np.log([[0.7, 0.2, 0.1], [0.7, 0.2, 0.1]])
    expected = np.log([(0.3 / 2) / 0.7, (0.9 / 2) / 0.1])
    np.testing.assert_allclose(slip_ratios(guess, np.array([0, 2])), expected)


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        (["a", "b"], "the group of each of 60 samples"),
        (list(range(60)), "60 groups of 60 samples"),
        (np.zeros((60, 2)), "shape"),
        ([["a"]] * 60, "of several"),
        (7, "a int"),
    ],
)
def test_groups_that_say_nothing_are_refused(groups, words):
    labels = np.arange(60) % 3
    probabilities = np.full((60, 3), 0.1) + 0.7 * np.eye(3)[labels]
    with pytest.raises(InputError, match=words):
        cf.judge(labels, probabilities, groups=groups)


def test_a_series_of_groups_is_matched_by_its_index():
    random = np.random.default_rng(0)
    truth = np.arange(90) % 3
    people = np.repeat([0, 1, 2], 30)
    labels = np.where((people == 1) & (random.random(90) < 0.5), (truth + 1) % 3, truth)
    given = pd.Series(labels, index=[f"s{number}" for number in range(90)])
    probabilities = np.full((90, 3), 0.02) + 0.94 * np.eye(3)[truth]
    groups = pd.Series(people, index=given.index, name="annotator")
    first = cf.judge(given, probabilities, groups=groups)
    other = cf.judge(given, probabilities, groups=groups.sample(frac=1, random_state=0))
    pd.testing.assert_frame_equal(first.rates, other.rates)
    assert "annotator 1: about" in " ".join(first.notes)
