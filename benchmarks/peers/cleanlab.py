"""cleanlab: label quality from probabilities (Northcutt et al., 2021) and outliers by neighbours.

Its scores are qualities, low = suspicious; here they are turned round. It always gets the given
labels.
"""

import numpy as np

from benchmarks.method import Method, Scored, method
from benchmarks.peers.library import library, undisturbed
from benchmarks.peers.view import features, needing, probabilities
from benchmarks.situation import Situation

QUALITIES = ("self_confidence", "normalized_margin", "confidence_weighted_entropy")
_RECORDS = {"": "held_out_logits", " in-sample": "logits"}


def label_quality(situation: Situation, record: str, quality: str) -> Scored:
    """Turned label quality of the last epoch's probabilities, with cleanlab's own threshold.

    Args:
        situation: The situation.
        record: ``held_out_logits`` (out of sample, as cleanlab asks for) or ``logits``.
        quality: One of `QUALITIES`.
    """
    codes, p = situation.evidence.labels.codes, probabilities(situation, record)
    with undisturbed():
        good = library("cleanlab.rank").get_label_quality_scores(codes, p, method=quality)
        flagged = library("cleanlab.filter").find_label_issues(codes, p, n_jobs=1)
    return Scored(-np.asarray(good, dtype=np.float64), np.asarray(flagged, dtype=np.bool_))


def _register(quality: str, suffix: str) -> Method:
    record = _RECORDS[suffix]
    where = "in-sample" if suffix else "out-of-sample"

    def function(situation: Situation, _seed: int) -> Scored:
        return label_quality(situation, record, quality)

    function.__doc__ = (
        f"Label quality {quality} of {where} probabilities of the last epoch; flags by "
        "find_label_issues"
    )
    name = f"cleanlab {quality}{suffix}"
    return method(name, origin="cleanlab", runs_on=needing(record))(function)


for _suffix in _RECORDS:
    for _quality in QUALITIES:
        _register(_quality, _suffix)


@method("cleanlab ood features", origin="cleanlab", runs_on=needing("features"))
def ood_features(situation: Situation, _seed: int) -> Scored:
    """OutOfDistribution (distance to nearest neighbours) on the inputs of the last layer."""
    with undisturbed():
        detector = library("cleanlab.outlier").OutOfDistribution()
        good = detector.fit_score(features=features(situation), verbose=False)
    return Scored(-np.asarray(good, dtype=np.float64))


@method("cleanlab ood probabilities", origin="cleanlab", runs_on=needing("held_out_logits"))
def ood_probabilities(situation: Situation, _seed: int) -> Scored:
    """OutOfDistribution (entropy, adjusted by class) on out-of-sample probabilities."""
    p = probabilities(situation, "held_out_logits")
    codes = situation.evidence.labels.codes
    with undisturbed():
        detector = library("cleanlab.outlier").OutOfDistribution()
        good = detector.fit_score(pred_probs=p, labels=codes, verbose=False)
    return Scored(-np.asarray(good, dtype=np.float64))
