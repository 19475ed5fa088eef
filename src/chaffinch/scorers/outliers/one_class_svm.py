"""One-class support vector machine with known inliers (Schoelkopf et al., 2001; Chhabra et al.)."""

import numpy as np
from sklearn.svm import OneClassSVM

from chaffinch.core.evidence import Evidence
from chaffinch.core.randomness import stream
from chaffinch.core.scorer import scorer
from chaffinch.core.types import Codes, Floats, Mask
from chaffinch.scorers.outliers.last_layer import last_layer_gradients
from chaffinch.scorers.outliers.sketched_gradient import (
    GRADIENT_NEEDS,
    VALIDATION_NEEDS,
    ordered,
    sketched_gradients,
    sketched_validation_gradients,
)

MAX_INLIERS = 2000
NU = 0.1
"""Share of the inliers that may lie outside."""
_PAPER = "Chhabra et al., Outlier Gradient Analysis, ICML 2025; Schoelkopf et al., 2001"
_BLOCK = 8192


def svm_scores(rows: Floats, inliers: Floats, seed: int = 0, nu: float = NU) -> Floats:
    """Signed distance of each row from the region that holds the inliers.

    Columns are scaled by mean and deviation of the inliers; the kernel is Gaussian with
    scikit-learn's width "scale".

    Args:
        rows: (N, K) samples to judge.
        inliers: (M, K) samples known to be right; more than 2,000 are drawn from.
        seed: Decides which are drawn.
        nu: Share of the inliers that may lie outside.

    Returns:
        (N,) above 0 = outside, 0 everywhere where there is no inlier.
    """
    if not len(inliers):
        return np.zeros(len(rows))
    known = ordered(np.asarray(inliers, dtype=np.float64))  # the order of rows decides nothing
    if len(known) > MAX_INLIERS:
        drawn = stream(seed, "one-class inliers").choice(len(known), MAX_INLIERS, replace=False)
        known = known[np.sort(drawn)]
    centre, spread = known.mean(axis=0), known.std(axis=0)
    spread = np.where(spread > 1e-6 * np.abs(known).max(axis=0), spread, np.inf)
    if not np.isfinite(spread).any():
        spread = np.ones_like(spread)
    machine = OneClassSVM(nu=nu, gamma="scale", tol=1e-6).fit((known - centre) / spread)
    scores = np.empty(len(rows))
    for start in range(0, len(rows), _BLOCK):
        part = (np.asarray(rows[start : start + _BLOCK], dtype=np.float64) - centre) / spread
        scores[start : start + _BLOCK] = -machine.decision_function(part)
    return scores


def small_in_class(norms: Floats, codes: Codes) -> Mask:
    """(N,) whether the norm of a sample is in the lower half of those of its given class."""
    small = np.zeros(len(codes), dtype=bool)
    for code in np.unique(codes):
        members = codes == code
        small[members] = norms[members] <= np.median(norms[members])
    return small


@scorer("gradient_svm_validation", family="outliers", needs=VALIDATION_NEEDS, paper=_PAPER)
def gradient_svm_validation(evidence: Evidence, seed: int) -> Floats:
    """One-class SVM on last-layer gradients with the validation samples as inliers."""
    inliers = sketched_validation_gradients(evidence, seed)
    return svm_scores(sketched_gradients(evidence, seed), inliers, seed)


@scorer("gradient_svm", family="outliers", needs=GRADIENT_NEEDS, paper=_PAPER)
def gradient_svm(evidence: Evidence, seed: int) -> Floats:
    """One-class SVM on last-layer gradients; inliers: the small half of each given class."""
    rows = sketched_gradients(evidence, seed)
    norms = last_layer_gradients(evidence).norm(2).numpy()
    return svm_scores(rows, rows[small_in_class(norms, evidence.labels.codes)], seed)
