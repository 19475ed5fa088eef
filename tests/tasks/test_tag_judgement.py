"""Which tags are wrong, missing or invented, and what is said of a sample."""

import numpy as np
import pytest
import tag_sample
from sklearn.metrics import roc_auc_score

from chaffinch.core.errors import InputError
from chaffinch.diagnosis.selection import Threshold
from chaffinch.tasks.multilabel.heads import fit_heads
from chaffinch.tasks.multilabel.judgement import KINDS, judge_tags, log_odds
from chaffinch.tasks.multilabel.other_tags import from_other_tags
from chaffinch.tasks.multilabel.tags import UNKNOWN, Tags


@pytest.fixture(scope="module")
def judged():
    tags, right, logits = tag_sample.draw(400, 3, 0.2, 0.03, sure=4.0)
    values = tags.values.copy()
    values[:10] = UNKNOWN
    values[10:20, 1] = UNKNOWN
    given = Tags(values, tags.names)
    return given, right, judge_tags(given, logits), logits


def test_wrong_tags_are_found(judged):
    tags, right, found, _ = judged
    wrong = (right != tags.values) & tags.known
    assert roc_auc_score(wrong[tags.known], found.wrong[tags.known]) > 0.9
    assert (found.flagged & wrong).sum() > 0.6 * found.flagged.sum()
    assert abs(found.wrong.sum() - wrong.sum()) < 0.35 * wrong.sum()


def test_unknown_tags_are_predicted_and_never_flagged(judged):
    tags, right, found, _ = judged
    assert (found.wrong[~tags.known] == 0).all()
    assert not found.flagged[~tags.known].any()
    assert (found.q[~tags.known] == 1).all()
    assert roc_auc_score(right[~tags.known], found.holds[~tags.known]) > 0.9


def test_probabilities_of_kinds_sum_to_one(judged):
    _, _, found, _ = judged
    kinds = found.kinds
    assert kinds.shape == (400, len(KINDS))
    np.testing.assert_allclose(kinds.sum(axis=1), 1)
    np.testing.assert_allclose(kinds[:, 3], 1 - found.suspicion, atol=1e-9)
    assert (found.suspicion >= found.wrong.max(axis=1) - 1e-9).all()


def test_suggestions_turn_what_is_flagged(judged):
    tags, _, found, _ = judged
    differs = found.suggested.values != tags.values
    assert (differs == found.flagged).all()


def test_rates_have_ranges_for_each_tag_and_direction(judged):
    _, _, found, _ = judged
    entries = {(entry["kind"], entry["name"]): entry for entry in found.rates}
    assert len(entries) == 2 * 4
    assert all(e["low"] <= e["rate"] <= e["high"] for e in entries.values())
    assert entries["missing_tag", "all"]["rate"] > entries["invented_tag", "all"]["rate"]


def test_a_rule_on_false_alarms_is_kept(judged):
    tags, _, _, logits = judged
    found = judge_tags(tags, logits, threshold=Threshold("fdr", 0.05))
    assert (found.flagged == (found.q <= 0.05)).all()


def test_what_predictions_do_not_explain_is_not_flagged():
    tags, _, logits = tag_sample.draw(180, 3, 0.1)
    random = np.random.default_rng(0)
    values = np.column_stack([tags.values, random.random((180, 2)) < 0.3]).astype(np.int8)
    values[:, 4] = 0
    values[0, 4] = 1
    given = Tags(values, (*tags.names, "noise", "rare"))
    found = judge_tags(given, np.column_stack([logits, random.normal(size=(180, 2))]))
    assert found.explained.tolist() == [True, True, True, False, False]
    assert not found.flagged[:, 3:].any()
    assert any("(noise)" in note for note in found.notes)
    assert any("(rare)" in note for note in found.notes)


def test_a_tag_says_nothing_of_itself():
    random = np.random.default_rng(0)
    values = (random.random((500, 3)) < 0.4).astype(np.int8)
    found = from_other_tags(random.normal(size=(500, 3)), Tags(values, ("a", "b", "c")))
    for source in found:
        assert 0.35 < roc_auc_score(values.ravel(), source.ravel()) < 0.65


def test_tags_that_come_together_tell_of_one_another():
    random = np.random.default_rng(0)
    first = random.random(500) < 0.5
    values = np.column_stack([first, first, random.random(500) < 0.5]).astype(np.int8)
    found = from_other_tags(np.zeros((500, 3)), Tags(values, ("a", "b", "c")))
    assert len(found) == 2
    for source in found:
        assert roc_auc_score(values[:, 0], source[:, 0]) == 1
        assert roc_auc_score(values[:, 1], source[:, 1]) == 1


def test_a_single_tag_is_judged_by_the_predictions_alone():
    tags, right, logits = tag_sample.draw(500, 1, 0.2)
    assert len(from_other_tags(logits, tags)) == 0
    found = judge_tags(tags, logits)
    assert roc_auc_score((right != tags.values).ravel(), found.wrong.ravel()) > 0.9


@pytest.mark.parametrize("loss", ["binary_cross_entropy", "asymmetric", "distribution_balanced"])
def test_networks_learn_tags(loss):
    random = np.random.default_rng(0)
    features = random.normal(size=(240, 4)).astype(np.float32)
    values = (features[:, :3] > 0).astype(np.int8)
    values[:20, 2], values[20] = UNKNOWN, UNKNOWN
    tags = Tags(np.column_stack([values, np.zeros(240, np.int8)]), ("a", "b", "c", "never"))
    first, second = (fit_heads(features, tags, 1, loss)(features[:50]) for _ in range(2))
    assert (first == second).all()
    for column in range(3):
        assert roc_auc_score(features[:50, column] > 0, first[:, column]) > 0.95
    assert (first[:, 3] < -4).all()


def test_what_cannot_be_judged_is_refused(judged):
    tags, _, _, logits = judged
    with pytest.raises(InputError, match=r"predictions \(400, 3\)"):
        judge_tags(tags, logits[:, :2])
    with pytest.raises(InputError, match="finite predictions"):
        judge_tags(tags, np.full(logits.shape, np.nan))
    with pytest.raises(InputError, match="a tag that at least two"):
        judge_tags(Tags(np.zeros((400, 3), np.int8), tags.names), logits)
    with pytest.raises(InputError, match="samples with known tags"):
        fit_heads(np.zeros((3, 2), np.float32), Tags(np.full((3, 1), UNKNOWN, np.int8), ("a",)))
    with pytest.raises(InputError, match="Did you mean 'asymmetric'"):
        fit_heads(logits.astype(np.float32), tags, loss="asymetric")
    with pytest.raises(InputError, match="'a' twice"):
        Tags(np.zeros((1, 2), np.int8), ("a", "a"))


def test_log_odds_of_certain_probabilities_are_finite():
    assert np.isfinite(log_odds(np.asarray([[0.0, 1.0]]))).all()
