"""How many samples can be looked at before too many of them are false alarms."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from chaffinch.report import wording
from chaffinch.report.chart import Frame, Tick, brief, line, steps

LIMITS = (0.01, 0.05, 0.10, 0.20)
"""Shares of false alarms that the table lists."""

_FURTHEST = 0.5
_MOST_POINTS = 240


@dataclass(frozen=True)
class Limit:
    """So many samples have a q-value of at most ``share``; ``alarms`` of them may be false."""

    share: str
    samples: int
    alarms: str


@dataclass(frozen=True)
class Discovery:
    """The false-discovery curve: q-value against the number of samples looked at."""

    frame: Frame
    curve: str
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    here: tuple[float, float] | None
    """Where the flagged samples end."""
    limits: tuple[Limit, ...]


def discover(findings: pd.DataFrame) -> Discovery | None:
    """Draw the curve; None where no q-values are known."""
    q = findings["q_value"].to_numpy(dtype=np.float64, na_value=np.nan)
    if not np.isfinite(q).any():
        return None
    order = np.argsort(-findings["suspicion"].to_numpy(dtype=np.float64), kind="stable")
    ranked = q[order]
    flagged = int(findings["flagged"].sum())
    ranks = np.flatnonzero(np.isfinite(ranked) & (ranked <= _FURTHEST)) + 1
    last = min(len(q), max(20, flagged * 2, int(ranks.max(initial=0))))
    # The curve stays readable: beyond a few times the flagged samples there is nothing to see.
    last = min(last, max(50, flagged * 4))
    shown = np.unique(np.linspace(1, last, min(last, _MOST_POINTS)).round().astype(int))
    shown = shown[np.isfinite(ranked[shown - 1])]
    top = float(np.clip(ranked[shown - 1].max(initial=0.05) * 1.05, 0.05, 1.0))
    frame = Frame()
    x, y = frame.across(0, last), frame.up(0, top)
    end = ranked[flagged - 1] if flagged else np.nan
    return Discovery(
        frame=frame,
        curve=line((x(rank), y(float(ranked[rank - 1]))) for rank in shown.tolist()),
        across=tuple(Tick(x(value), brief(value)) for value in steps(0, last)),
        up=tuple(Tick(y(value), wording.tick_percent(value)) for value in steps(0, top, 4)),
        here=(x(flagged), y(float(end))) if np.isfinite(end) else None,
        limits=tuple(_limit(ranked, share) for share in LIMITS),
    )


def _limit(q: "np.ndarray[tuple[int], np.dtype[np.float64]]", share: float) -> Limit:
    below = q[np.isfinite(q) & (q <= share)]
    # A q-value is the rate at its own place in the ranking, so the last one holds for them all.
    alarms = float(below.max(initial=0.0)) * len(below)
    text = wording.about(alarms) if len(below) else wording.MISSING
    return Limit(wording.tick_percent(share), len(below), text)
