"""PyOD: outlier detectors on the inputs of the last layer, or on sketches of its gradients.

Default settings, data as they are. PyOD's threshold is a share of outliers that one has to state
beforehand, so none is used.
"""

import numpy as np

from benchmarks.method import Method, Scored, method
from benchmarks.peers.library import library, undisturbed
from benchmarks.peers.view import features, needing
from benchmarks.situation import Situation
from chaffinch.core.types import Floats
from chaffinch.scorers.outliers.last_layer import last_layer_gradients

SKETCHED = 64
DETECTORS = {
    "iforest": ("pyod.models.iforest", "IForest", "isolation forest"),
    "lof": ("pyod.models.lof", "LOF", "local outlier factor"),
    "knn": ("pyod.models.knn", "KNN", "distance to the fifth neighbour"),
    "ecod": ("pyod.models.ecod", "ECOD", "tail probabilities of single columns"),
}


def sketched_gradients(situation: Situation, seed: int) -> Floats:
    """(N, 64) random projection of the last-layer gradients of the last epoch."""
    sketch = last_layer_gradients(situation.evidence).sketch(SKETCHED, seed=seed)
    found: Floats = sketch.double().numpy()
    return found


def detect(rows: Floats, detector: str, seed: int) -> Floats:
    """Scores (N,) of a detector fitted to the rows (N, K) that it judges; higher = outlying."""
    module, kind, _ = DETECTORS[detector]
    options = {"random_state": seed} if detector == "iforest" else {}
    with undisturbed():
        fitted = getattr(library(module), kind)(**options).fit(rows)
    return np.asarray(fitted.decision_scores_, dtype=np.float64)


def _register(detector: str, on: str) -> Method:
    def function(situation: Situation, seed: int) -> Scored:
        seen = features(situation) if on == "features" else sketched_gradients(situation, seed)
        return Scored(detect(seen, detector, seed))

    seen = "inputs of the last layer" if on == "features" else "64-dimensional gradient sketches"
    function.__doc__ = f"{DETECTORS[detector][1]} ({DETECTORS[detector][2]}) on {seen}"
    records = ("features",) if on == "features" else ("logits", "features")
    return method(f"pyod {detector} {on}", origin="pyod", runs_on=needing(*records))(function)


for _on in ("features", "gradients"):
    for _detector in DETECTORS:
        _register(_detector, _on)
