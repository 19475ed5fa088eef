"""Marking: what a scan found, held against the truth."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.experiment import Measurement
from benchmarks.experiments.diagnosis.problem import Problem
from benchmarks.experiments.diagnosis.tool import Scanned
from benchmarks.method import Scored
from benchmarks.metrics import detection_metrics, f1
from chaffinch.core.types import Floats, Mask
from chaffinch.corruptions.corrupted import (
    CLEAN,
    DUPLICATE,
    FAR_CLUSTER,
    MISLABELLED,
    NEAR_CLUSTER,
    OUTLIER,
)

HARMFUL = (MISLABELLED, NEAR_CLUSTER, FAR_CLUSTER, OUTLIER)
"""Kinds of injected glitches that a scan is to flag; the others it is to name, and to leave."""

ASKED, ALLOWED = 0.10, 0.13
"""The false-discovery rate that is asked for, and what it may come to."""

_NAMES = {DUPLICATE: "near_duplicate"}
_LABEL_KINDS = (MISLABELLED,)
_ANOMALIES = (FAR_CLUSTER, OUTLIER)


def measure_scan(name: str, problem: Problem, scanned: Scanned) -> Iterator[Measurement]:
    """All figures of one scan.

    Yields:
        For the flags: the figures of `detection_metrics`, ``gap`` (``f1_best - f1_own``),
        ``flagged`` (share), ``fdr`` (share of false alarms where `ASKED` was asked for) and
        ``fdr_met``. For rates: ``rate_error`` and its size, ``covered`` in all and by kind. For
        kinds: ``kind_f1`` by kind, ``macro_f1`` over those in the data and clean ones,
        ``type_accuracy`` (flipped label against anomaly). For the cost: ``cost``.
    """
    table = scanned.table
    suspicion = table["suspicion"].to_numpy(np.float64)
    flagged = table["flagged"].to_numpy(np.bool_)
    yield from _detection(name, problem.kinds, suspicion, flagged)
    yield from _discoveries(name, problem.kinds, table["q_value"].to_numpy(np.float64))
    yield Measurement(name, "flagged", float(flagged.mean()))
    yield from _rates(name, problem.kinds, float(suspicion.mean()), scanned.findings.details)
    yield from measure_kinds(name, problem, table["kind"].to_numpy().astype(np.str_))
    yield Measurement(name, "cost", scanned.cost)


def harmful(kinds: NDArray[np.str_]) -> tuple[Mask, Mask]:
    """(N,) samples to flag, and (N,) those that count: of harmless glitches neither is right."""
    wrong = np.isin(kinds, HARMFUL)
    return wrong, wrong | (kinds == CLEAN)


def measure_scores(name: str, kinds: NDArray[np.str_], scored: Scored) -> Iterator[Measurement]:
    """The figures of detection of a method that only scores, and of its flags if it has some."""
    return _detection(name, kinds, scored.scores, scored.flagged)


def _detection(
    name: str, kinds: NDArray[np.str_], scores: Floats, flagged: Mask | None
) -> Iterator[Measurement]:
    wrong, counts = harmful(kinds)
    part = Scored(scores[counts], None if flagged is None else flagged[counts])
    figures = detection_metrics(wrong[counts], part)
    for metric in ("auroc", "average_precision", "f1_known_rate", "f1_best", "f1_own"):
        if metric in figures:
            yield Measurement(name, metric, figures[metric])
    if flagged is not None:
        yield Measurement(name, "gap", figures["f1_best"] - figures["f1_own"])


def _discoveries(name: str, kinds: NDArray[np.str_], q: Floats) -> Iterator[Measurement]:
    wrong, counts = harmful(kinds)
    found = (q <= ASKED) & counts
    rate = float((~wrong[found]).mean()) if found.any() else 0.0
    yield Measurement(name, "fdr", rate)
    yield Measurement(name, "fdr_met", float(rate <= ALLOWED))
    yield Measurement(name, "discovered", float(wrong[found].sum() / max(1, wrong.sum())))


def _rates(
    name: str, kinds: NDArray[np.str_], estimated: float, details: Mapping[str, Any]
) -> Iterator[Measurement]:
    """How far the estimated share of harmful samples is off, and whether intervals hold."""
    off = estimated - float(harmful(kinds)[0].mean())
    yield Measurement(name, "rate_error", off)
    yield Measurement(name, "rate_error_size", abs(off))
    for one in details.get("rates", ()):
        true = _true_rate(kinds, str(one["of"]), str(one["name"]))
        if not math.isnan(true):
            held = float(one["low"]) <= true <= float(one["high"])
            group = "" if one["of"] == "all" else str(one["name"])
            yield Measurement(name, "covered", float(held), group=group)


def _true_rate(kinds: NDArray[np.str_], of: str, name: str) -> float:
    """The share that an entry of the rates is about; NaN for one that is not marked."""
    if of == "all":
        return float(harmful(kinds)[0].mean())
    marked = (MISLABELLED, FAR_CLUSTER, OUTLIER)
    return float((_named(kinds) == name).mean()) if of == "kind" and name in marked else math.nan


def _named(kinds: NDArray[np.str_]) -> NDArray[np.str_]:
    """(N,) kinds as a scan is to name them: a group under the label of another class is wrong."""
    return np.where(kinds == NEAR_CLUSTER, MISLABELLED, kinds)


def measure_kinds(name: str, problem: Problem, said: NDArray[np.str_]) -> Iterator[Measurement]:
    """How well kinds are told apart.

    A near-duplicate counts as found if either half of the pair is called one, since nothing tells
    the original from the copy; the original counts no further. Samples that repeat another by
    nature count only where they are not called duplicates.

    Args:
        name: The method.
        problem: The truth.
        said: (N,) kinds as the scan names them.
    """
    true, said, counts = _compared(problem, said)
    present = sorted(set(true[counts].tolist()) - {CLEAN})
    by_kind = {kind: f1(true[counts] == kind, said[counts] == kind) for kind in (*present, CLEAN)}
    for kind in present:
        yield Measurement(name, "kind_f1", by_kind[kind], group=kind)
    if len(present) > 1:
        yield Measurement(name, "macro_f1", float(np.mean(list(by_kind.values()))))
    elif present:
        yield Measurement(name, "kind_f1", by_kind[present[0]])
    yield from _types(name, true, said, counts)
    for kind in set(present) - set(HARMFUL):
        # What is to be left in the data.
        of_kind = true == kind
        yield Measurement(name, "called_clean", float((said[of_kind] == CLEAN).mean()), group=kind)


def _compared(
    problem: Problem, said: NDArray[np.str_]
) -> tuple[NDArray[np.str_], NDArray[np.str_], Mask]:
    duplicate, true = _NAMES[DUPLICATE], _named(problem.kinds)
    true = np.where(true == DUPLICATE, duplicate, true).astype("<U32")
    said = said.astype("<U32")
    counts = ~(problem.repeated & np.isin(said, (duplicate, "conflicting_duplicate")))
    copies = np.flatnonzero(problem.twin >= 0)
    originals = problem.twin[copies]
    said[copies[said[originals] == duplicate]] = duplicate
    counts[originals] = False
    # No glitch is of these kinds: nothing is wrong with a hard sample, and nobody knows whether
    # something is with an ambiguous one; a copy under another label is a label that is wrong.
    said[np.isin(said, ("hard", "ambiguous"))] = CLEAN
    said[said == "conflicting_duplicate"] = MISLABELLED
    return true, said, counts


def _types(
    name: str, true: NDArray[np.str_], said: NDArray[np.str_], counts: Mask
) -> Iterator[Measurement]:
    """Share of the found flips and anomalies that are called by the right one of the two."""
    label, anomaly = np.isin(said, _LABEL_KINDS), np.isin(said, _ANOMALIES)
    wanted = {"label": true == MISLABELLED, "anomaly": np.isin(true, (FAR_CLUSTER, OUTLIER))}
    if not all((rows & counts).any() for rows in wanted.values()):
        return
    found = counts & (label | anomaly) & (wanted["label"] | wanted["anomaly"])
    if found.any():
        right = np.where(wanted["label"], label, anomaly)[found]
        yield Measurement(name, "type_accuracy", float(right.mean()))
