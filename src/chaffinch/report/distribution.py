"""How suspicion and the single scores are distributed, and how well the scorers agree."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from chaffinch.core.types import Floats, Mask
from chaffinch.report import wording
from chaffinch.report.chart import Bar, Frame, Tick, brief, line, root_steps

_BINS = 40
_SMALL_BINS = 24
_SMALL = Frame(width=240, height=96, left=2, right=2, top=8, bottom=4)


@dataclass(frozen=True)
class Histogram:
    """Suspicion of all samples; the flagged ones are drawn in front, from the same base line."""

    frame: Frame
    every: tuple[Bar, ...]
    flagged: tuple[Bar, ...]
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]


@dataclass(frozen=True)
class ScorerView:
    """One scorer against the fused suspicion.

    Attributes:
        name: The column.
        frame: The plot area.
        rest: Outline of the distribution of the samples that are not flagged, as SVG path.
        flagged: The same for the flagged ones; empty where none is flagged.
        low: The left end of the axis, as text.
        high: The right end of the axis, as text.
        agreement: Spearman's rank correlation with suspicion; None for a constant score.
        overlap: Share of the flagged samples among as many that the scorer alone puts on top.
    """

    name: str
    frame: Frame
    rest: str
    flagged: str
    low: str
    high: str
    agreement: float | None
    overlap: float | None


def suspicion_histogram(findings: pd.DataFrame) -> Histogram:
    """Draw suspicion with a square-root axis, on which a few flagged samples can still be seen."""
    frame = Frame()
    values = findings["suspicion"].to_numpy(dtype=np.float64)
    flagged = findings["flagged"].to_numpy(dtype=bool)
    edges = np.linspace(0.0, 1.0, _BINS + 1)
    # A value beyond an end (rounding) belongs into the last bin on that side.
    every, _ = np.histogram(np.clip(values, 0, 1), bins=edges)
    marked, _ = np.histogram(np.clip(values[flagged], 0, 1), bins=edges)
    most = max(1, int(every.max(initial=0)))
    x, y = frame.across(0, 1), frame.up(0, math.sqrt(most))

    def bars(counts: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> tuple[Bar, ...]:
        drawn = []
        for bin_, number in enumerate(counts.tolist()):
            if number:
                left, right = x(edges[bin_]), x(edges[bin_ + 1])
                height = max(2.0, round(frame.y1 - y(math.sqrt(number)), 1))
                text = (
                    f"suspicion {edges[bin_]:.3g} to {edges[bin_ + 1]:.3g}: "
                    f"{wording.count(every[bin_])} samples, {wording.count(marked[bin_])} flagged"
                )
                width = round(right - left - 1.5, 1)
                drawn.append(Bar(left, round(frame.y1 - height, 1), width, height, text))
        return tuple(drawn)

    return Histogram(
        frame=frame,
        every=bars(every),
        flagged=bars(marked),
        across=tuple(Tick(x(value), f"{value:g}") for value in (0, 0.2, 0.4, 0.6, 0.8, 1)),
        up=tuple(Tick(y(math.sqrt(value)), brief(value)) for value in root_steps(most)),
    )


def scorer_views(findings: pd.DataFrame, scorers: list[str]) -> list[ScorerView]:
    """Compare every scorer with the fused suspicion, the best agreeing first."""
    suspicion = findings["suspicion"].to_numpy(dtype=np.float64)
    flagged = findings["flagged"].to_numpy(dtype=bool)
    views = [
        _view(name, findings[name].to_numpy(dtype=np.float64), suspicion, flagged)
        for name in scorers
        if pd.api.types.is_numeric_dtype(findings[name])
    ]
    return sorted(views, key=lambda view: -2.0 if view.agreement is None else -view.agreement)


def rank_correlation(one: Floats, other: Floats) -> float | None:
    """Spearman's correlation of two (N,) scores over the samples that have both.

    Returns:
        -1..1; None where a score is constant or too few samples have it.
    """
    both = np.isfinite(one) & np.isfinite(other)
    if both.sum() < 3:
        return None
    first, second = rankdata(one[both]), rankdata(other[both])
    first, second = first - first.mean(), second - second.mean()
    size = math.sqrt(float(first @ first) * float(second @ second))
    return float(first @ second) / size if size > 0 else None


def top_overlap(scores: Floats, flagged: Mask) -> float | None:
    """Share of the flagged samples that are among as many with the highest scores.

    Returns:
        0..1; None where no sample is flagged.
    """
    size = int(flagged.sum())
    if not size:
        return None
    top = np.argsort(-np.nan_to_num(scores, nan=-np.inf), kind="stable")[:size]
    return float(flagged[top].mean())


def _view(name: str, scores: Floats, suspicion: Floats, flagged: Mask) -> ScorerView:
    finite = np.isfinite(scores)
    known = scores[finite]
    # A handful of extreme values would press all others into one bin.
    low, high = np.percentile(known, [0.2, 99.8]) if known.size else (0.0, 1.0)
    if not high > low:
        low, high = low - 0.5, low + 0.5
    edges = np.linspace(low, high, _SMALL_BINS + 1)
    groups = [np.clip(scores[finite & mask], low, high) for mask in (~flagged, flagged)]
    shares = [np.histogram(group, bins=edges)[0] / max(1, group.size) for group in groups]
    most = max(float(share.max(initial=0)) for share in shares) or 1.0
    return ScorerView(
        name=wording.clean(name),
        frame=_SMALL,
        rest=_outline(shares[0], most),
        flagged=_outline(shares[1], most) if flagged.any() else "",
        low=f"{low:.3g}",
        high=f"{high:.3g}",
        agreement=rank_correlation(scores, suspicion),
        overlap=top_overlap(scores, flagged),
    )


def _outline(shares: Floats, most: float) -> str:
    x, y = _SMALL.across(0, len(shares)), _SMALL.up(0, math.sqrt(most))
    corners = [(x(0), float(_SMALL.y1))]
    for place, share in enumerate(shares.tolist()):
        corners += [(x(place), y(math.sqrt(share))), (x(place + 1), y(math.sqrt(share)))]
    corners.append((x(len(shares)), float(_SMALL.y1)))
    return line(corners) + " Z"
