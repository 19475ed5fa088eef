"""Detectors on last-layer gradients against dense gradients, scikit-learn and PyOD."""

import math
import sys

import numpy as np
import pytest
import slow_twin as slow
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import LocalOutlierFactor
from sklearn.svm import OneClassSVM

from chaffinch.core.errors import InputError, MissingExtraError
from chaffinch.core.evidence import Evidence
from chaffinch.core.labels import Labels
from chaffinch.gradients import GradientBlock
from chaffinch.scorers import SCORERS
from chaffinch.scorers.outliers import pyod_scorer, scorer_named
from chaffinch.scorers.outliers.class_forest import isolation_in_class
from chaffinch.scorers.outliers.gradient_norm import deviation_in_class
from chaffinch.scorers.outliers.isolation_forest import VirtualColumns
from chaffinch.scorers.outliers.mahalanobis import distances_in_class, mahalanobis_distances
from chaffinch.scorers.outliers.neighbour_distance import local_outlier_factors, nearest_rows
from chaffinch.scorers.outliers.one_class_svm import MAX_INLIERS, small_in_class, svm_scores
from chaffinch.scorers.outliers.sketched_gradient import SKETCHED_COLUMNS, ordered, sketch

SIZES = st.tuples(st.integers(2, 40), st.integers(1, 5), st.integers(0, 10_000))
DETECTORS = [
    name
    for name, scorer in SCORERS.items()
    if scorer.family == "outliers" and name not in ("gradient_l1", "gradient_l2")
]
SKETCHING = [name for name in DETECTORS if "norm" not in name and "forest" not in name]


def draw(size):
    samples, width, seed = size
    rows = np.random.default_rng(seed).normal(size=(samples, width))
    return rows, np.random.default_rng(seed + 1).integers(0, 3, samples)


def planted(seed, inputs=6, samples=240):
    """Evidence of right labels, of which 5 % have features and errors far from all others."""
    random = np.random.default_rng(seed)
    codes = random.integers(0, 3, samples)
    features = 2 * np.eye(3, inputs)[codes] + 0.3 * random.normal(size=(samples, inputs))
    strange = np.arange(samples) < samples // 20
    features[strange] = 6 * random.normal(size=(strange.sum(), inputs))
    features = features.astype(np.float32)
    logits = 2 * features[:, :3]
    validation = random.integers(0, 3, 60)
    inliers = 2 * np.eye(3, inputs)[validation] + 0.3 * random.normal(size=(60, inputs))
    evidence = Evidence(
        np.arange(samples).astype(str),
        Labels(codes, np.arange(3)),
        logits=logits[None],
        features=features,
        validation_logits=2 * inliers[:, :3],
        validation_features=inliers,
        validation_codes=validation,
    )
    return evidence, strange


@pytest.mark.parametrize("name", DETECTORS)
@pytest.mark.parametrize("seed", range(2))
def test_planted_anomalies_score_higher(name, seed):
    evidence, strange = planted(seed)
    assert roc_auc_score(strange, SCORERS[name](evidence, seed)) > 0.7


@given(SIZES)
def test_deviation_in_class(size):
    rows, codes = draw(size)
    values = rows[:, 0].tolist()
    wanted = []
    for value, code in zip(values, codes, strict=True):
        own = sorted(v for v, c in zip(values, codes, strict=True) if c == code)
        middle = float(np.median(own))
        spread = 1.4826 * float(np.median([abs(v - middle) for v in own]))
        spread = spread or slow.mean(abs(v - middle) for v in own)
        wanted.append((value - middle) / spread if spread else 0.0)
    np.testing.assert_allclose(deviation_in_class(rows[:, 0], codes), wanted, rtol=1e-9)


def test_deviation_where_more_than_half_of_a_class_are_equal():
    got = deviation_in_class(np.asarray([1.0, 1, 1, 5, 2, 2]), np.asarray([0, 0, 0, 0, 1, 1]))
    assert got.tolist() == [0, 0, 0, 4, 0, 0]


def test_narrow_gradients_are_taken_as_they_are_and_wide_ones_keep_their_distances():
    random = np.random.default_rng(0)
    errors, features = random.normal(size=(30, 3)), random.normal(size=(30, 200))
    narrow = GradientBlock.from_last_layer(errors, features[:, :5])
    np.testing.assert_array_equal(sketch(narrow, 0), narrow.dense().numpy())
    wide = GradientBlock.from_last_layer(errors, features)
    short, dense = sketch(wide, 0), wide.dense().numpy()
    assert short.shape == (30, SKETCHED_COLUMNS)
    assert not np.array_equal(short, sketch(wide, 1))
    np.testing.assert_allclose(short[:7], sketch(wide.take(slice(7)), 0), rtol=1e-9)
    ratio = [
        math.dist(short[a], short[b]) / math.dist(dense[a], dense[b])
        for a in range(30)
        for b in range(a)
    ]
    assert np.mean(ratio) == pytest.approx(1, abs=0.1)
    assert np.std(ratio) < 0.2


@pytest.mark.parametrize("name", [name for name in SKETCHING if "by_class" not in name[-8:]])
def test_wide_gradients_give_nearly_the_same_ranking(name):
    evidence, strange = planted(0, inputs=80)
    scores = SCORERS[name](evidence, 3)
    assert roc_auc_score(strange, scores) > 0.7
    assert scores.tobytes() == SCORERS[name](planted(0, inputs=80)[0], 3).tobytes()
    if "l1" not in name and "l2" not in name:
        other = SCORERS[name](evidence, 4)
        assert not np.array_equal(scores, other)
        assert spearmanr(scores, other).statistic > 0.5


@given(SIZES)
def test_neighbour_distances(size):
    rows, _ = draw(size)
    distances, positions = nearest_rows(rows, 3)
    for n, row in enumerate(rows.tolist()):
        others = sorted(math.dist(row, other) for m, other in enumerate(rows.tolist()) if m != n)
        np.testing.assert_allclose(distances[n], others[:3], atol=1e-6)
        assert n not in positions[n]


@pytest.mark.parametrize("seed", range(3))
def test_local_outlier_factor_is_that_of_scikit_learn(seed):
    rows, _ = draw((150, 4, seed))
    theirs = -LocalOutlierFactor(n_neighbors=20).fit(rows).negative_outlier_factor_
    np.testing.assert_allclose(local_outlier_factors(*nearest_rows(rows)), theirs, rtol=1e-9)


def test_copies_of_one_point_are_ordinary():
    rows = np.concatenate([np.zeros((50, 2)), np.random.default_rng(0).normal(size=(50, 2))])
    factors = local_outlier_factors(*nearest_rows(rows))
    assert np.isfinite(factors).all()
    np.testing.assert_allclose(factors[:50], 1)


@given(SIZES)
def test_mahalanobis_distance(size):
    from sklearn.covariance import LedoitWolf

    rows, codes = draw(size)
    model = LedoitWolf().fit(rows)
    theirs = np.sqrt(model.mahalanobis(rows))
    np.testing.assert_allclose(mahalanobis_distances(rows), theirs, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(mahalanobis_distances(1e-30 * rows), theirs, rtol=1e-6, atol=1e-6)
    for code in range(3):
        own = codes == code
        if own.any():
            alone = mahalanobis_distances(rows[own])
            np.testing.assert_allclose(distances_in_class(rows, codes)[own], alone)


def test_mahalanobis_distance_asks_how_samples_spread():
    rows = np.random.default_rng(0).normal(size=(500, 2)) * [4, 0.5]
    rows[0], rows[1] = [8, 0], [0, 5]  # two deviations along, ten across
    distances = mahalanobis_distances(rows)
    assert distances.argmax() == 1
    assert distances[0] < 4


def test_samples_that_are_all_the_same_are_at_no_distance():
    assert not mahalanobis_distances(np.full((9, 4), 0.1, np.float32)).any()
    assert mahalanobis_distances(np.ones((1, 3))).tolist() == [0]


def test_a_forest_a_class_sees_who_is_strange_in_his_class():
    # Each class has a place of its own; one sample stands in the place of the other class.
    random = np.random.default_rng(0)
    codes = np.repeat([0, 1, 2], [100, 100, 2])
    inputs = 0.1 * random.normal(size=(3, 202)) + 5 * (codes == 1)
    inputs[:, 0] += 5
    columns = VirtualColumns(np.ones((2, 202)), inputs)
    scores = isolation_in_class(columns, codes, seed=0)
    assert scores.argmax() == 0
    assert scores[-2:].tolist() == [0.5, 0.5]
    again = isolation_in_class(columns, codes, seed=1)
    assert not np.array_equal(scores, again)


@pytest.mark.parametrize("seed", range(2))
def test_one_class_svm_is_that_of_scikit_learn(seed):
    rows, _ = draw((80, 4, seed))
    inliers, _ = draw((50, 4, seed + 50))
    centre, spread = inliers.mean(axis=0), inliers.std(axis=0)
    machine = OneClassSVM(nu=0.1, gamma="scale", tol=1e-6).fit((inliers - centre) / spread)
    theirs = -machine.decision_function((rows - centre) / spread)
    np.testing.assert_allclose(svm_scores(rows, inliers), theirs, atol=1e-4)
    far = svm_scores(np.full((1, 4), 50.0), inliers)
    assert far[0] > 0
    assert svm_scores(inliers.mean(axis=0)[None], inliers)[0] < 0


def test_many_inliers_are_drawn_from_in_any_order():
    inliers = np.random.default_rng(0).normal(size=(MAX_INLIERS + 500, 2))
    rows = np.random.default_rng(1).normal(size=(50, 2))
    first = svm_scores(rows, inliers, seed=1)
    np.testing.assert_array_equal(first, svm_scores(rows, inliers[::-1], seed=1))
    assert not np.array_equal(first, svm_scores(rows, inliers, seed=2))
    np.testing.assert_allclose(first, svm_scores(rows, inliers, seed=2), atol=0.2 * np.ptp(first))


def test_columns_in_which_inliers_do_not_differ_do_not_count():
    inliers = np.random.default_rng(0).normal(size=(40, 2))
    padded = np.column_stack([inliers, np.full(40, 3.0)])
    assert np.isfinite(svm_scores(padded + np.eye(3)[2], padded)).all()
    assert np.isfinite(svm_scores(np.ones((3, 2)), np.ones((5, 2)))).all()
    assert svm_scores(np.ones((3, 2)), np.ones((0, 2))).tolist() == [0, 0, 0]


def test_the_core_is_the_small_half_of_each_class():
    small = small_in_class(np.asarray([1.0, 2, 3, 10, 20, 30]), np.asarray([0, 0, 0, 1, 1, 1]))
    assert small.tolist() == [True, True, False] * 2


def test_rows_in_order_of_their_values():
    rows = np.asarray([[2, 1], [1, 9], [1, 3]])
    assert ordered(rows).tolist() == [[1, 3], [1, 9], [2, 1]]


@pytest.fixture
def pyod():
    return pytest.importorskip("pyod")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["ECOD", "KNN", "IForest", "OCSVM"])
def test_a_detector_of_pyod_scores_the_same_gradients(pyod, name):
    from importlib import import_module

    evidence, strange = planted(0)
    scorer = scorer_named(f"pyod:{name}")
    assert (scorer.name, scorer.family) == (f"pyod:{name}", "outliers")
    scores = scorer(evidence, 3)
    kind = getattr(import_module(f"pyod.models.{name.lower()}"), name)
    detector = kind(random_state=3) if name == "IForest" else kind()
    errors = [
        slow.gradient(row, code, inputs, True).ravel()
        for row, code, inputs in zip(
            evidence.logits[-1].tolist(),
            evidence.labels.codes,
            evidence.features.tolist(),
            strict=True,
        )
    ]
    # Columns lie as in the block: the weights first, then the biases.
    formed = np.asarray(errors).reshape(len(evidence), 3, 7)
    dense = np.column_stack([formed[:, :, :6].reshape(len(evidence), -1), formed[:, :, 6]])
    detector.fit(dense.astype(np.float32).astype(np.float64))
    assert spearmanr(scores, detector.decision_scores_).statistic > 0.97
    assert roc_auc_score(strange, scores) > 0.7
    assert scorer.runs_on(evidence)
    assert np.isfinite(scorer(evidence.take(np.arange(1)))).all()


def test_names_without_a_prefix_are_those_of_the_registry():
    assert scorer_named("aum") is SCORERS["aum"]
    with pytest.raises(InputError):
        scorer_named("no_such_scorer")


def test_an_unknown_detector_is_named(pyod):
    with pytest.raises(InputError, match="pyod:Nothing"):
        pyod_scorer("Nothing")


def test_without_pyod_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyod", None)
    monkeypatch.setitem(sys.modules, "pyod.models", None)
    with pytest.raises(MissingExtraError, match=r"chaffinch\[bench\]"):
        pyod_scorer("ECOD")
