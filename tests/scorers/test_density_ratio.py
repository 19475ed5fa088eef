"""Ratios of densities against those of known distributions, a slow twin, and degenerate sets."""

import numpy as np
import pytest
from scipy.stats import norm, spearmanr
from sklearn.metrics import roc_auc_score

from chaffinch.core.evidence import Evidence
from chaffinch.core.labels import Labels
from chaffinch.scorers import SCORERS
from chaffinch.scorers.neighbours import density_ratio


def test_it_follows_the_true_ratio_of_two_normal_densities():
    random = np.random.default_rng(0)
    rows, known = random.normal(1, 1, (2000, 1)), random.normal(0, 1, (2000, 1))
    found = density_ratio.log_density_ratio(rows, known, 0)
    truth = (norm.logpdf(rows, 1) - norm.logpdf(rows, 0))[:, 0]
    assert spearmanr(found, truth).statistic > 0.98
    middle = np.abs(truth) < 1
    assert np.abs(found - truth)[middle].mean() < 0.15


def test_equal_distributions_of_unequal_size_have_no_excess():
    random = np.random.default_rng(1)
    rows, known = random.normal(size=(1500, 3)), random.normal(size=(300, 3))
    found = density_ratio.log_density_ratio(rows, known, 0)
    assert abs(np.median(found)) < 0.2


def test_no_sample_is_judged_by_a_model_that_saw_it(monkeypatch):
    seen = []

    class Spy:
        def __init__(self, *_steps):
            pass

        def fit(self, rows, _ours):
            self.learned = {row.tobytes() for row in rows}

        def decision_function(self, rows):
            seen.extend(row.tobytes() for row in rows)
            assert not self.learned & {row.tobytes() for row in rows}
            return np.zeros(len(rows))

    monkeypatch.setattr(density_ratio, "make_pipeline", Spy)
    random = np.random.default_rng(2)
    rows, known = random.normal(size=(23, 4)), random.normal(size=(11, 4))
    found = density_ratio.log_density_ratio(rows, known, 0)
    everyone = [row.tobytes() for row in (*rows, *known)]
    assert sorted(seen) == sorted(everyone * density_ratio.NUM_FOLDINGS)
    assert (np.abs(found + np.log(23 / 11)) < 0.2).all()


def test_large_sets_are_learned_from_a_part_and_mean_the_same(monkeypatch):
    random = np.random.default_rng(3)
    rows, known = random.normal(1, 1, (1500, 2)), random.normal(0, 1, (600, 2))
    whole = density_ratio.log_density_ratio(rows, known, 0)
    monkeypatch.setattr(density_ratio, "MOST_LEARNED", 400)
    part = density_ratio.log_density_ratio(rows, known, 0)
    assert not np.array_equal(whole, part)
    assert spearmanr(whole, part).statistic > 0.95
    assert abs(np.median(whole - part)) < 0.3


@pytest.mark.parametrize(("count", "others"), [(1, 9), (9, 1), (9, 0), (0, 5)])
def test_too_few_samples_say_nothing(count, others):
    found = density_ratio.log_density_ratio(np.ones((count, 2)), np.ones((others, 2)), 0)
    np.testing.assert_array_equal(found, np.zeros(count))


@pytest.mark.parametrize(("count", "others"), [(2, 2), (3, 40), (40, 3)])
def test_few_or_equal_samples_have_finite_ratios(count, others):
    rows, known = np.ones((count, 2)), np.ones((others, 2))
    assert np.isfinite(density_ratio.log_density_ratio(rows, known, 0)).all()


def planted(seed):
    """Three classes; a dense cluster of another kind with one label, and none in validation."""
    random = np.random.default_rng(seed)
    centres = 3 * random.normal(size=(4, 8))
    codes, known_codes = np.arange(360) % 3, np.arange(120) % 3
    rows = centres[codes] + random.normal(size=(360, 8))
    strange = np.arange(360) >= 324
    codes[strange] = 1
    rows[strange] = centres[3] + 0.5 * random.normal(size=(36, 8))
    known = centres[known_codes] + random.normal(size=(120, 8))
    records = {name: rows.astype(np.float32) for name in ("features", "embeddings")}
    records |= {f"validation_{name}": known.astype(np.float32) for name in records}
    labels, ids = Labels(codes, np.arange(3)), np.arange(360).astype(str)
    return Evidence(ids, labels, validation_codes=known_codes, **records), strange


NAMES = [name for name in SCORERS if name.startswith("validation_") and "_ratio" in name]


@pytest.mark.parametrize("name", NAMES)
def test_a_dense_cluster_that_clean_samples_lack_scores_higher(name):
    evidence, strange = planted(0)
    assert roc_auc_score(strange, SCORERS[name](evidence)) > 0.98


def test_the_label_counts_in_the_joint_ratio_alone():
    evidence, _ = planted(1)
    codes = evidence.labels.codes.copy()
    rare = np.flatnonzero(codes == 2)[:40]
    codes[rare] = 0  # samples of a class that clean samples have, filed under another
    moved = Evidence(evidence.ids, Labels(codes, np.arange(3)), **evidence.records)
    wrong = np.isin(np.arange(360), rare)
    clean = np.arange(360) < 324
    joint = SCORERS["validation_joint_ratio_embedding"](moved)
    alone = SCORERS["validation_density_ratio_embedding"](moved)
    assert roc_auc_score(wrong[clean], joint[clean]) > 0.9
    assert roc_auc_score(wrong[clean], alone[clean]) < 0.75
    np.testing.assert_array_equal(alone, SCORERS["validation_density_ratio_embedding"](evidence))
