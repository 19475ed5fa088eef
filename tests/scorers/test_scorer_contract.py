"""What every registered scorer promises, checked on all of them."""

import re
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr
from scorer_traits import COMPARING, NOT_FOR_LABELS, ORDER_BOUND, SEEDED
from sklearn.metrics import roc_auc_score

from chaffinch.core.errors import InputError
from chaffinch.core.evidence import Evidence
from chaffinch.core.labels import Labels
from chaffinch.scorers import DEFAULT_SCORERS, FAMILIES, SCORERS
from chaffinch.scorers.outliers.isolation_forest import SAMPLE_SIZE

EVERY = pytest.mark.parametrize("scorer", [pytest.param(s, id=n) for n, s in SCORERS.items()])
FOR_LABELS = pytest.mark.parametrize(
    "scorer", [pytest.param(s, id=n) for n, s in SCORERS.items() if n not in NOT_FOR_LABELS]
)


def relabel(evidence, codes):
    return replace(evidence, labels=Labels(codes, evidence.labels.classes))


def records(evidence, **arrays):
    """The same evidence with records changed by functions."""
    return replace(evidence, **{name: f(getattr(evidence, name)) for name, f in arrays.items()})


def all_constant(evidence):
    ones = dict.fromkeys(evidence.records, np.ones_like)
    del ones["validation_codes"], ones["fake_class_members"]
    return records(evidence, **ones)


@EVERY
def test_it_says_what_it_is(scorer):
    assert re.fullmatch(r"[a-z0-9_]+", scorer.name)
    assert scorer.function.__module__.split(".")[2] == scorer.family
    assert scorer.summary
    assert "\n" not in scorer.summary
    assert scorer.paper
    assert scorer.needs


@EVERY
def test_scores_are_one_finite_float64_a_sample(scorer, synthetic):
    evidence = synthetic().evidence
    scores = scorer(evidence)
    assert scores.shape == (len(evidence),)
    assert scores.dtype == np.float64
    assert np.isfinite(scores).all()
    assert len(np.unique(scores)) > 1


@EVERY
def test_the_same_seed_gives_the_same_scores(scorer, synthetic):
    # Two objects, as results may be remembered for the same one.
    first, second = synthetic().evidence, synthetic().evidence
    assert scorer(first, 7).tobytes() == scorer(second, 7).tobytes()


@EVERY
def test_only_a_random_method_follows_the_seed(scorer, synthetic):
    evidence = synthetic().evidence
    same = np.array_equal(scorer(evidence, 1), scorer(evidence, 2))
    assert same == (scorer.name not in SEEDED)


@FOR_LABELS
@pytest.mark.parametrize("seed", range(2))
def test_wrong_labels_score_higher(scorer, synthetic, seed):
    made = synthetic(seed=seed)
    assert roc_auc_score(made.errors, scorer(made.evidence, seed)) > 0.8


@FOR_LABELS
def test_a_right_label_made_wrong_scores_higher_than_before(scorer, synthetic):
    evidence = synthetic(rate=0).evidence
    codes = evidence.labels.codes.copy()
    changed = np.arange(0, len(codes), 20)
    codes[changed] = (codes[changed] + 1) % 3
    before, after = scorer(evidence), scorer(relabel(evidence, codes))
    assert (after[changed] > before[changed]).mean() > 0.9


@EVERY
def test_permuted_rows_have_permuted_scores(scorer, synthetic):
    # At most as many samples as a tree of the isolation forest takes: every tree sees all of them,
    # so that the order does not decide which ones are seen. Else see the next test.
    if scorer.name in ORDER_BOUND:
        return  # their family tests that the ranking hardly moves
    evidence = synthetic(num_samples=SAMPLE_SIZE).evidence
    order = np.random.default_rng(0).permutation(len(evidence))
    # A matrix product may round the last bit of a row in another way in another place.
    np.testing.assert_allclose(
        scorer(evidence.take(order)), scorer(evidence)[order], rtol=1e-4, atol=1e-6
    )


def test_permuting_more_samples_than_a_tree_takes_hardly_moves_the_forest(synthetic):
    # The forest draws positions, so another order means other trees: only the ranking can hold.
    forest = SCORERS["gradient_forest"]
    evidence = synthetic(num_samples=3 * SAMPLE_SIZE).evidence
    order = np.random.default_rng(0).permutation(len(evidence))
    moved, still = forest(evidence.take(order)), forest(evidence)[order]
    assert not np.array_equal(moved, still)
    assert spearmanr(moved, still).statistic > 0.9


@EVERY
def test_a_sample_keeps_its_score_among_fewer(scorer, synthetic):
    if scorer.name in COMPARING:
        return  # the permutation above is what they can promise
    evidence = synthetic().evidence
    some = np.asarray([5, 200, 17, 100])
    np.testing.assert_allclose(scorer(evidence.take(some)), scorer(evidence)[some], rtol=1e-4)


@EVERY
@pytest.mark.parametrize("count", [0, 1, 2])
def test_hardly_any_sample(scorer, synthetic, count):
    scores = scorer(synthetic().evidence.take(np.arange(count)))
    assert scores.shape == (count,)
    assert np.isfinite(scores).all()


@EVERY
def test_one_epoch(scorer, synthetic):
    assert np.isfinite(scorer(synthetic(epochs=1).evidence)).all()


@FOR_LABELS
def test_two_classes(scorer, synthetic):
    made = synthetic(num_classes=2)
    assert roc_auc_score(made.errors, scorer(made.evidence)) > 0.8


@EVERY
def test_constant_inputs_give_no_preference(scorer, synthetic):
    evidence = all_constant(synthetic().evidence)
    scores = scorer(relabel(evidence, np.zeros(len(evidence), np.int64)))
    np.testing.assert_allclose(scores, scores[0], rtol=1e-6)


@EVERY
def test_features_that_are_all_zero(scorer, synthetic):
    names = (name for name in synthetic().evidence.records if "feature" in name or "embed" in name)
    dead = dict.fromkeys(names, np.zeros_like)
    evidence = records(synthetic().evidence, **dead)
    assert np.isfinite(scorer(evidence)).all()


@EVERY
def test_a_class_without_samples(scorer, synthetic):
    evidence = synthetic().evidence
    codes = np.where(evidence.labels.codes == 1, 2, evidence.labels.codes)
    assert np.isfinite(scorer(relabel(evidence, codes))).all()


@EVERY
def test_very_sure_predictions(scorer, synthetic):
    evidence = synthetic().evidence
    names = (name for name in evidence.records if "logits" in name)
    sure = dict.fromkeys(names, lambda z: 1e4 * z)
    assert np.isfinite(scorer(records(evidence, **sure))).all()


@EVERY
def test_the_evidence_is_only_read(scorer, synthetic):
    evidence = synthetic().evidence
    for array in evidence.records.values():
        array.setflags(write=False)
    assert np.isfinite(scorer(evidence)).all()


@EVERY
def test_a_missing_record_is_named(scorer, synthetic):
    evidence = synthetic().evidence
    for need in scorer.needs:
        names = need.split("|")
        without = replace(evidence, **dict.fromkeys(names))
        assert not scorer.runs_on(without)
        for call in (scorer, scorer.function):
            with pytest.raises(InputError) as caught:
                call(without, 0)
            for name in names:
                assert repr(name) in caught.value.expected


@FOR_LABELS
def test_the_records_it_names_are_enough(scorer, synthetic):
    made = synthetic()
    for position in range(max(len(need.split("|")) for need in scorer.needs)):
        named = [need.split("|")[min(position, need.count("|"))] for need in scorer.needs]
        evidence = made.only(*named)
        assert scorer.runs_on(evidence)
        assert roc_auc_score(made.errors, scorer(evidence)) > 0.8


def test_bare_labels_run_no_scorer():
    evidence = Evidence(np.asarray(["a", "b"]), Labels.of([0, 1]))
    assert not any(scorer.runs_on(evidence) for _, scorer in SCORERS.items())


def test_the_exceptions_are_names_of_scorers():
    assert set(SCORERS) >= SEEDED | COMPARING | ORDER_BOUND | NOT_FOR_LABELS


def test_the_scorers_by_default_exist():
    assert set(DEFAULT_SCORERS) <= set(SCORERS)
    assert {scorer.family for _, scorer in SCORERS.items()} <= set(FAMILIES)
