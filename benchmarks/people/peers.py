"""Arg-max, a rule from where the surest predictions are contradicted, and cleanlab."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.stats import beta
from sklearn.neighbors import NearestNeighbors

from benchmarks.peers.library import library, undisturbed
from benchmarks.people.case import Case
from benchmarks.people.measure import Verdict
from benchmarks.people.method import method
from benchmarks.people.ours import judged, verdict
from chaffinch.diagnosis.selection import select

FILTERS = (
    "prune_by_noise_rate",
    "prune_by_class",
    "both",
    "confident_learning",
    "predicted_neq_given",
    "low_normalized_margin",
    "low_self_confidence",
)
SUREST, TRUSTED, VOTES = 0.1, 0.75, 10


@method("arg-max")
def arg_max(case: Case, _seed: int) -> Verdict:
    """Every label that is not the likeliest class; ranked by how far it is behind it."""
    p = _probabilities(case)
    behind = p.max(1) - _own(p, case)
    flagged = p.argmax(1) != case.codes
    return Verdict(flagged, behind, rate=float(flagged.mean()))


@method("top floor")
def top_floor(case: Case, seed: int) -> Verdict:
    """The noise model, unless it contradicts the floor; then the margin alone."""
    p = _probabilities(case)
    findings = verdict(judged(case, seed))
    if findings.rate >= TRUSTED * floor(p, case.codes):
        return findings
    top = np.sort(calibrated(p, case.codes), axis=1)[:, -2:]
    mistaken = 0.55 * np.exp(-(top[:, 1] - top[:, 0]) / 0.18)
    wrong = np.where(p.argmax(1) != case.codes, 1 - mistaken, mistaken)
    return Verdict(select(wrong), wrong, rate=float(wrong.mean()))


def floor(p: NDArray[np.floating], codes: NDArray[np.int64]) -> float:
    """Lower bound (95 %) of the share of labels contradicted by the surest predictions.

    Args:
        p: (N, C) probabilities.
        codes: (N,) given labels.

    Returns:
        Bound for the tenth of the samples of each predicted class of which the model is surest.
    """
    predicted, sure = p.argmax(1), p.max(1)
    surest = []
    for code in np.unique(predicted):
        rows = np.flatnonzero(predicted == code)
        surest.append(
            rows[np.argsort(-sure[rows], kind="stable")[: round(SUREST * len(rows)) or 1]]
        )
    rows = np.concatenate(surest)
    wrong = int((predicted[rows] != codes[rows]).sum())
    return float(beta.ppf(0.05, wrong, len(rows) - wrong + 1)) if wrong else 0.0


def calibrated(p: NDArray[np.floating], codes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Probabilities at the temperature under which the given labels are likeliest."""
    logits = np.log(np.maximum(p.astype(np.float64), 1e-12))
    rows = np.arange(len(codes))

    def scaled(log_inverse: float) -> NDArray[np.float64]:
        tempered = np.exp(log_inverse) * logits
        tempered -= tempered.max(1, keepdims=True)
        return np.asarray(tempered - np.log(np.exp(tempered).sum(1, keepdims=True)))

    best = minimize_scalar(
        lambda one: -scaled(one)[rows, codes].mean(), bounds=(-3, 3), method="bounded"
    )
    return np.asarray(np.exp(scaled(best.x)))


def _filter(name: str) -> None:
    @method(f"cleanlab {name}")
    def find(case: Case, _seed: int) -> Verdict:
        p = _probabilities(case).astype(np.float64)
        with undisturbed():
            flagged = library("cleanlab.filter").find_label_issues(
                case.codes, p, filter_by=name, n_jobs=1
            )
            joint = library("cleanlab.count").estimate_joint(case.codes, p)
        # "Margin" ranks by the margin, all others by self-confidence, cleanlab's own default.
        others = p.copy()
        others[np.arange(len(p)), case.codes] = -1
        scores = np.asarray((others.max(1) if "margin" in name else 0) - _own(p, case))
        return Verdict(np.asarray(flagged, np.bool_), scores, rate=float(1 - np.trace(joint)))


for _name in FILTERS:
    _filter(_name)


def _own(p: NDArray[np.floating], case: Case) -> NDArray[np.floating]:
    return p[np.arange(len(p)), case.codes]


def _probabilities(case: Case) -> NDArray[np.float32]:
    """Those of the set; without them, the votes of neighbours, as cleanlab's Datalab does."""
    if case.probabilities is not None:
        return case.probabilities
    search = NearestNeighbors(n_neighbors=VOTES, metric="cosine").fit(case.embeddings)
    neighbours = search.kneighbors(return_distance=False)  # of the samples, without themselves
    classes = np.eye(int(case.codes.max()) + 1, dtype=np.float32)
    return np.asarray(classes[case.codes[neighbours]].mean(1))
