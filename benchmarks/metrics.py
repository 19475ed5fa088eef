"""How well scores find errors whose places are known.

Samples with equal scores stand in no order: where a figure depends on it, it is the expected value
over all orders, so that no method gains from the order of the rows.
"""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from benchmarks.experiment import Measurement
from benchmarks.method import Scored
from benchmarks.situation import CLEAN
from chaffinch.core.errors import InputError
from chaffinch.core.types import Floats, Mask

REVIEWED = 0.05
"""Share of the samples that somebody looks at: the k of ``precision_at_k``."""


def detection_metrics(errors: Mask, scored: Scored, reviewed: float = REVIEWED) -> dict[str, float]:
    """All figures of detection.

    Args:
        errors: (N,) the samples to find.
        scored: (N,) scores, higher = more suspicious, and perhaps flags.
        reviewed: Share of the samples that are looked at for ``precision_at_k``, at least one.

    Returns:
        ``auroc``, ``average_precision``, ``precision_at_k`` (share of errors among the k most
        suspicious), ``f1_known_rate`` (of the most suspicious, as many as there are errors),
        ``f1_best`` (best threshold in hindsight), and ``f1_own`` with the method's own threshold,
        if it has one. NaN where a figure is not defined: all of them without errors, AUROC also
        with nothing else.

    Raises:
        InputError: Scores of another length, or scores that are not finite.
    """
    errors = np.asarray(errors, dtype=np.bool_)
    scores = np.asarray(scored.scores, dtype=np.float64)
    if scores.shape != errors.shape or (
        scored.flagged is not None and np.shape(scored.flagged) != errors.shape
    ):
        raise InputError(
            f"scores and flags of shape {errors.shape}",
            f"scores of shape {scores.shape}",
            "Give each sample one score",
        )
    if not np.isfinite(scores).all():
        bad = int((~np.isfinite(scores)).sum())
        raise InputError("finite scores", f"{bad} that are not", "Replace them in the method")
    hits, misses = _by_threshold(errors, scores)
    num_errors = int(errors.sum())
    reviews = max(1, round(reviewed * len(errors)))
    known = _expected_hits(hits, misses, num_errors) / num_errors if num_errors else math.nan
    figures = {
        "auroc": _auroc(hits, misses),
        "average_precision": _average_precision(hits, misses),
        "precision_at_k": math.nan,
        "f1_known_rate": known,
        "f1_best": _best_f1(hits, misses),
    }
    if num_errors:
        figures["precision_at_k"] = _expected_hits(hits, misses, reviews) / reviews
    if scored.flagged is not None:
        figures["f1_own"] = f1(errors, np.asarray(scored.flagged, dtype=np.bool_))
    return figures


def measure_detection(
    name: str, kinds: NDArray[np.str_], scored: Scored, reviewed: float = REVIEWED
) -> Iterator[Measurement]:
    """The figures of a method for all errors, and where there are several kinds, for each.

    For a kind, its samples are to be found among the clean ones; those of other kinds are left out.

    Args:
        name: The method.
        kinds: (N,) kind of each sample's glitch, `CLEAN` where there is none.
        scored: As for `detection_metrics`.
        reviewed: As for `detection_metrics`.
    """
    for metric, value in detection_metrics(kinds != CLEAN, scored, reviewed).items():
        yield Measurement(name, metric, value)
    wrong = sorted(set(kinds.tolist()) - {CLEAN})
    for kind in wrong if len(wrong) > 1 else ():
        rows = (kinds == kind) | (kinds == CLEAN)
        flagged = None if scored.flagged is None else scored.flagged[rows]
        part = Scored(scored.scores[rows], flagged)
        for metric, value in detection_metrics(kinds[rows] == kind, part, reviewed).items():
            yield Measurement(name, metric, value, group=kind)


def f1(errors: Mask, flagged: Mask) -> float:
    """F1 of (N,) flags; NaN without errors."""
    if not errors.any():
        return math.nan
    return float(2 * (errors & flagged).sum() / (errors.sum() + flagged.sum()))


def _by_threshold(errors: Mask, scores: Floats) -> tuple[Floats, Floats]:
    """Number of errors and of other samples at each distinct score, highest score first."""
    _, level = np.unique(-scores, return_inverse=True)
    size = int(level.max()) + 1 if len(level) else 0
    hits = np.bincount(level[errors], minlength=size)
    return hits.astype(np.float64), (np.bincount(level, minlength=size) - hits).astype(np.float64)


def _auroc(hits: Floats, misses: Floats) -> float:
    """Share of (error, other) pairs in the right order; equal scores count half."""
    pairs = float(hits.sum() * misses.sum())
    if not pairs:
        return math.nan
    below = misses.sum() - np.cumsum(misses)
    return float((hits * (below + misses / 2)).sum() / pairs)


def _average_precision(hits: Floats, misses: Floats) -> float:
    """Area of the steps under the curve of precision over recall; equal scores are one step."""
    if not hits.sum():
        return math.nan
    found = np.cumsum(hits)
    precision = found / (found + np.cumsum(misses))
    return float((hits * precision).sum() / hits.sum())


def _expected_hits(hits: Floats, misses: Floats, reviews: int) -> float:
    """Expected number of errors among the `reviews` most suspicious samples."""
    size = hits + misses
    before = np.concatenate([[0.0], np.cumsum(size)[:-1]])
    taken = np.clip(reviews - before, 0, size)
    return float((hits * taken / size).sum())


def _best_f1(hits: Floats, misses: Floats) -> float:
    """The highest F1 that any threshold reaches."""
    if not hits.sum():
        return math.nan
    found = np.cumsum(hits)
    flagged = found + np.cumsum(misses)
    return float((2 * found / (hits.sum() + flagged)).max())
