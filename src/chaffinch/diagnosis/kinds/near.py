"""Near clusters: groups that training and validation put under different labels.

A rare sub-population that nobody named is filed under some class of the label set. Models trained
on these labels agree with them, so nothing in training contradicts; validation samples do. What
tells such a group from wrong labels is that the training data hold hardly anything else there.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import poisson
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from chaffinch.core.evidence import Evidence
from chaffinch.core.randomness import stream
from chaffinch.core.types import Codes, Floats, Mask
from chaffinch.diagnosis.kinds.excess import LEAST_REFERENCES, LEAST_SURPLUS

BY_CHANCE = 0.01
LEAST_GROUP = 5
_MOST_LEARNED = 5000
_FOLDS = 5


def find_near_clusters(evidence: Evidence, ordinary: Mask, seed: int) -> Floats:
    """Probability that a sample is of a group which validation puts under another label.

    Pairs (given label, label that validation samples suggest) are counted among training samples
    and, held out, among validation samples. In a pair that training holds far more often (Poisson,
    1 % over all pairs), the surplus is the probability of each of its members.

    Args:
        evidence: With embeddings of training and validation samples; zeros otherwise.
        ordinary: (N,) samples whose label the other training samples do not contradict, and that
            are no anomalies; all others get 0.
        seed: Of the folds.

    Returns:
        (N,) in 0..1.
    """
    found = np.zeros(len(evidence))
    rows, known = evidence.embeddings, evidence.validation_embeddings
    given = evidence.validation_codes
    if rows is None or known is None or given is None or len(known) < LEAST_REFERENCES:
        return found
    places = np.flatnonzero(ordinary)
    if not len(places) or len(np.unique(given)) < 2:
        return found
    suggested, own = _suggestions(np.asarray(rows[places]), np.asarray(known), given, seed)
    codes = evidence.labels.codes[places]
    size = len(evidence.labels.classes)
    here, there = _counts(codes, suggested, size), _counts(given, own, size)
    expected = (there + 0.5) * len(places) / len(given)
    chance = poisson.sf(here - 1, expected)
    several = (chance < BY_CHANCE / size**2) & (here >= LEAST_GROUP) & ~np.eye(size, dtype=bool)
    surplus = np.where(several, 1 - expected / np.maximum(here, 1), 0)
    surplus[surplus < LEAST_SURPLUS] = 0
    found[places] = surplus[codes, suggested]
    return found


def _suggestions(
    rows: Floats, known: Floats, given: NDArray[np.int64], seed: int
) -> tuple[Codes, Codes]:
    """Labels by a kernel machine that learned validation samples: of rows and, held out, own."""
    random = stream(seed, "near clusters")
    chosen = random.permutation(len(known))[:_MOST_LEARNED]
    known, labels = known[chosen], given[chosen]
    drawn = int(random.integers(2**31))
    own = np.asarray(given, dtype=np.int64).copy()
    folds = KFold(_FOLDS, shuffle=True, random_state=drawn)
    own[chosen] = cross_val_predict(_machine(), known, labels, cv=folds)
    suggested = _machine().fit(known, labels).predict(rows)
    return np.asarray(suggested, dtype=np.int64), own


def _machine() -> Pipeline:
    return make_pipeline(StandardScaler(), SVC(C=10.0))


def _counts(codes: Codes, suggested: Codes, size: int) -> Floats:
    counts = np.zeros((size, size))
    np.add.at(counts, (codes, suggested), 1)
    return counts
