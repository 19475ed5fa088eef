"""Figures of one method on one set."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from benchmarks.method import Scored
from benchmarks.metrics import detection_metrics
from benchmarks.people.case import Case

FDR = 0.1


@dataclass(frozen=True, eq=False)
class Verdict:
    """What a method says.

    Attributes:
        flagged: (N,) the labels that it calls wrong.
        scores: (N,) higher = more suspicious, or None.
        q: (N,) false-discovery rate expected up to this sample, or None.
        rate: Estimated share of wrong labels, NaN where it estimates none.
        interval: Its lower and upper bound, or None.
    """

    flagged: NDArray[np.bool_]
    scores: NDArray[np.float64] | None = None
    q: NDArray[np.float64] | None = None
    rate: float = math.nan
    interval: tuple[float, float] | None = None
    details: Mapping[str, float] = field(default_factory=dict)


def measure(case: Case, verdict: Verdict) -> dict[str, float]:
    """All figures, on the samples of which the truth is known.

    Returns:
        ``true_rate``, ``flagged`` (share), ``f1`` at the own threshold, ``precision``, ``recall``;
        with scores ``best_f1`` (best threshold on them in hindsight), ``gap`` (the difference of
        the two), ``auroc``, ``ap``; with q-values ``fdr`` (share of false alarms among q of at most
        10 %, 0 where there are none) and ``discovered`` (share of the errors among them); with a
        rate ``estimated_rate`` and ``rate_error``; with an interval ``covered`` and ``width``. NaN
        where a figure is not defined: F1 without errors, rates where few labels were reviewed.
    """
    known = np.ones(len(case), dtype=np.bool_) if case.known is None else case.known
    errors, flagged = case.errors[known], verdict.flagged[known]
    hits, wrong = float((errors & flagged).sum()), float(errors.sum())
    figures = {
        "true_rate": errors.mean(),
        "flagged": flagged.mean(),
        "f1": _ratio(2 * hits, wrong + flagged.sum()) if wrong else math.nan,
        "precision": _ratio(hits, flagged.sum()),
        "recall": _ratio(hits, wrong),
    }
    if verdict.scores is not None:
        told = detection_metrics(errors, Scored(np.asarray(verdict.scores, np.float64)[known]))
        figures |= {"auroc": told["auroc"], "ap": told["average_precision"]}
        figures |= {"best_f1": told["f1_best"], "gap": told["f1_best"] - figures["f1"]}
    if verdict.q is not None:
        found = verdict.q[known] <= FDR
        figures["fdr"] = _ratio(float((found & ~errors).sum()), found.sum(), 0.0)
        figures["discovered"] = _ratio(float((found & errors).sum()), wrong)
    figures["estimated_rate"] = verdict.rate
    if case.known is None:
        figures["rate_error"] = verdict.rate - figures["true_rate"]
        if verdict.interval is not None:
            low, high = verdict.interval
            figures["covered"] = float(low <= figures["true_rate"] <= high)
            figures["width"] = high - low
    return {name: float(value) for name, value in (figures | dict(verdict.details)).items()}


def _ratio(part: float, whole: float, empty: float = math.nan) -> float:
    return part / float(whole) if whole else empty
