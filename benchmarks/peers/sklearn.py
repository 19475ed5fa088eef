"""scikit-learn: outlier detectors on inputs or formed gradients of the last layer."""

import numpy as np
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor
from sklearn.svm import OneClassSVM

from benchmarks.method import Scored, method
from benchmarks.peers.library import undisturbed
from benchmarks.peers.view import (
    dense_gradients,
    dense_validation_gradients,
    features,
    forming,
    needing,
)
from benchmarks.situation import Situation

CONTAMINATION = 0.05
"""Share that the published forests were told to flag, whatever the true rate."""

_VALIDATION = ("validation_logits", "validation_features", "validation_codes")


@method("sklearn IsolationForest gradients", origin="sklearn", runs_on=forming())
def forest(situation: Situation, seed: int) -> Scored:
    """IsolationForest on the formed gradients; flags a share of 5 % that is told, as published."""
    rows = dense_gradients(situation)
    fitted = IsolationForest(random_state=seed, n_jobs=1).fit(rows)
    scores = -fitted.score_samples(rows).astype(np.float64)
    flagged = np.zeros(len(scores), dtype=np.bool_)
    flagged[np.argsort(-scores, kind="stable")[: round(CONTAMINATION * len(scores))]] = True
    return Scored(scores, flagged)


@method("sklearn LocalOutlierFactor features", origin="sklearn", runs_on=needing("features"))
def local_outlier_factor(situation: Situation, _seed: int) -> Scored:
    """LocalOutlierFactor (20 neighbours) on the inputs of the last layer."""
    with undisturbed():  # it warns of many equal rows
        fitted = LocalOutlierFactor().fit(features(situation))
    return Scored(-fitted.negative_outlier_factor_.astype(np.float64))


@method("sklearn OneClassSVM gradients", origin="sklearn", runs_on=forming(*_VALIDATION))
def one_class_svm(situation: Situation, _seed: int) -> Scored:
    """OneClassSVM (radial kernel) on gradients, fitted to those of the validation samples."""
    fitted = OneClassSVM().fit(dense_validation_gradients(situation))
    return Scored(-fitted.decision_function(dense_gradients(situation)).astype(np.float64))
