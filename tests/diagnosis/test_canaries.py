"""Canaries: chances read off samples that are known to be wrong, and figures of what is found."""

from dataclasses import replace

import numpy as np
import pytest

from chaffinch.core.kinds import FAR_CLUSTER, KINDS, MISLABELLED, OUTLIER, place
from chaffinch.diagnosis.canaries import CanaryEvidence, chance_from_canaries, wrong_share
from chaffinch.diagnosis.judgement import judge_evidence
from chaffinch.diagnosis.wrong_label import CANARY_NOTE, IN_SAMPLE_NOTE


def scores_of(rate, seed=0, size=4000):
    """Scores of right and wrong samples in overlapping heaps, which are wrong, and canaries."""
    random = np.random.default_rng(seed)
    wrong = random.random(size) < rate
    return random.normal(3.0 * wrong, 1), wrong, random.normal(3, 1, 200)


@pytest.mark.parametrize("rate", [0.02, 0.1, 0.3])
def test_the_share_of_wrong_samples_is_read_off_the_canaries(rate):
    scores, _, known = scores_of(rate)
    assert wrong_share(scores, known) == pytest.approx(rate, abs=0.02 + 0.2 * rate)


def test_chances_are_calibrated_and_never_fall():
    scores, wrong, known = scores_of(0.1)
    chance = chance_from_canaries(scores, known)
    assert chance.shape == (len(scores) + len(known),)
    own = chance[: len(scores)]
    assert (np.diff(own[np.argsort(scores)]) >= 0).all()
    assert own.sum() == pytest.approx(wrong.sum(), rel=0.3)
    assert wrong[own < 0.05].mean() < 0.05
    assert wrong[own > 0.95].mean() > 0.85


def test_clean_data_have_no_wrong_ones():
    scores, _, known = scores_of(0)
    assert wrong_share(scores, known) < 0.01
    assert chance_from_canaries(scores, known)[: len(scores)].mean() < 0.01


def split(made, records, count=40):
    """The last samples of some synthetic evidence as canaries, half of them of another kind."""
    evidence = made.only(*records)
    size = len(evidence) - count
    kinds = np.where(made.errors[size:], MISLABELLED, OUTLIER)
    spoilt = CanaryEvidence(evidence.take(np.arange(size, len(evidence))), kinds)
    return evidence.take(np.arange(size)), spoilt


HELD_OUT = ("logits", "held_out_logits", "features", "feature_norms", "embeddings")


def test_joined_evidence_has_the_canaries_after_the_samples(synthetic):
    made = synthetic()
    evidence, spoilt = split(made, HELD_OUT)
    joined = spoilt.joined(evidence)
    whole = made.only(*HELD_OUT)
    assert joined.ids.tolist() == whole.ids.tolist()
    for name in HELD_OUT:
        np.testing.assert_array_equal(getattr(joined, name), getattr(whole, name))


def test_records_that_canaries_lack_are_left_out(synthetic):
    evidence, spoilt = split(synthetic(), HELD_OUT)
    lacking = replace(spoilt, evidence=replace(spoilt.evidence, features=None))
    joined = lacking.joined(evidence)
    assert joined.features is None
    assert joined.logits is not None


def test_records_for_certain_scorers_are_left_out(synthetic):
    made = synthetic()
    evidence, spoilt = split(made, HELD_OUT)
    joined = spoilt.joined(made.evidence.take(np.arange(len(evidence))))
    of_samples = {name for name in joined.records if len(joined) in getattr(joined, name).shape}
    assert of_samples == set(HELD_OUT)


def test_canaries_change_nothing_but_figures_where_folds_say_what_is_wrong(synthetic):
    evidence, spoilt = split(synthetic(), HELD_OUT)
    with_them = judge_evidence(evidence, [], canaries=spoilt)
    without = judge_evidence(evidence, [])
    assert with_them.table.equals(without.table)
    assert "canaries" not in without.details
    figures = with_them.details["canaries"]
    assert set(figures) == set(spoilt.kinds.tolist())
    assert figures[MISLABELLED]["count"] == spoilt.flips.sum()
    assert figures[MISLABELLED]["found"] > 0.6
    assert figures[MISLABELLED]["named"] > 0.6
    assert figures[OUTLIER]["named"] < 0.2  # they are sound samples, in truth


def test_without_folds_they_stand_in_for_the_shape_of_the_scores(synthetic):
    evidence, spoilt = split(synthetic(), ("logits",))
    found = judge_evidence(evidence, [], canaries=spoilt)
    assert CANARY_NOTE in found.notes
    assert IN_SAMPLE_NOTE not in found.notes
    assert len(found) == len(evidence)
    assert found.table["suspicion"].between(0, 1).all()


def test_figures_count_by_what_was_done(synthetic):
    spoilt = split(synthetic(), HELD_OUT, 4)[1]
    spoilt = replace(spoilt, kinds=np.array([MISLABELLED, MISLABELLED, OUTLIER, FAR_CLUSTER]))
    chances = np.zeros((4, len(KINDS)))
    for row, kind in enumerate([MISLABELLED, "clean", FAR_CLUSTER, FAR_CLUSTER]):
        chances[row, place(kind)] = 1
    assert spoilt.figures(chances, 0.5) == {
        MISLABELLED: {"count": 2, "found": 0.5, "named": 0.5},
        OUTLIER: {"count": 1, "found": 1.0, "named": 0.0},
        FAR_CLUSTER: {"count": 1, "found": 1.0, "named": 1.0},
    }
