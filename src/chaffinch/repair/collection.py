"""Targeted collection: which classes and regions of the input need more data."""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans

from chaffinch.core.evidence import Evidence
from chaffinch.core.findings import Findings
from chaffinch.core.types import Floats, Mask

_TROUBLED = ("hard", "ambiguous", "near_cluster")
_DOUBT = (0.2, 0.8)
_EXAMPLES = 5
_MOST_REGIONS = 5
_LEAST_TROUBLED = 10


def regions(findings: Findings, evidence: Evidence | None = None) -> tuple[dict[str, Any], ...]:
    """Say where more data would help most, worst first.

    A sample is in trouble if its kind is hard, ambiguous or near_cluster, or if its suspicion is
    neither low nor high: there the model lacks data, not labels. Every class is listed in which the
    share of such samples is above that of the whole, or which has less than half of the median
    class's samples; and, where embeddings are known, the regions (k-means of the samples in
    trouble) in which they lie densest.

    Args:
        findings: Of N samples.
        evidence: Of the same samples, with embeddings or features; None for classes only.

    Returns:
        Mappings with ``where`` ("class 3", "region 1"), ``samples``, ``troubled`` (share of them),
        ``wanted`` (how many more samples would bring the trouble down to the usual), ``examples``
        (ids of typical samples in trouble) and ``reason``.
    """
    table = findings.table
    suspicion = table["suspicion"].to_numpy(np.float64)
    doubtful = (suspicion > _DOUBT[0]) & (suspicion < _DOUBT[1])
    troubled: Mask = table["kind"].isin(_TROUBLED).to_numpy() | doubtful
    usual = float(troubled.mean())
    found = _classes(table, troubled, usual)
    if evidence is not None and troubled.sum() >= _LEAST_TROUBLED:
        place = evidence.embeddings if evidence.has("embeddings") else evidence.features
        if place is not None:
            found += _clusters(table, troubled, np.asarray(place, dtype=np.float64))
    return tuple(sorted(found, key=lambda one: (-one["wanted"], one["where"])))


def _classes(table: pd.DataFrame, troubled: Mask, usual: float) -> list[dict[str, Any]]:
    given = table["given_label"].astype(str).to_numpy()
    sizes = pd.Series(given).value_counts()
    half = float(sizes.median()) / 2
    found = []
    for label in sorted(sizes.index):
        own = given == label
        share, size = float(troubled[own].mean()), int(sizes[label])
        thin = size < half
        # By the chance that many of n samples are in trouble at the usual rate.
        spread = float(np.sqrt(max(usual * (1 - usual), 1e-12) / size))
        if not thin and share <= usual + 2 * spread:
            continue
        wanted = max(_missing(share, usual, size), int(half * 2 - size) if thin else 0)
        reason = "few samples" if thin else "many samples in doubt"
        rows = np.flatnonzero(own & troubled) if (own & troubled).any() else np.flatnonzero(own)
        examples = [str(one) for one in table["id"].to_numpy()[rows[:_EXAMPLES]]]
        found.append(_entry(f"class {label}", (size, share, wanted), examples, reason))
    return found


def _clusters(table: pd.DataFrame, troubled: Mask, place: Floats) -> list[dict[str, Any]]:
    rows = np.flatnonzero(troubled)
    count = min(_MOST_REGIONS, len(rows) // _LEAST_TROUBLED)
    fitted = KMeans(count, n_init=4, random_state=0).fit(place[rows])
    nearest = fitted.predict(place)
    distance = np.linalg.norm(place - fitted.cluster_centers_[nearest], axis=1)
    usual = float(troubled.mean())
    ids, found = table["id"].to_numpy(), []
    for number in range(count):
        members = rows[nearest[rows] == number]
        if not len(members):
            continue
        radius = float(np.quantile(distance[members], 0.8))
        around = (nearest == number) & (distance <= radius)
        share, size = float(troubled[around].mean()), int(around.sum())
        if share <= usual:
            continue
        typical = members[np.argsort(distance[members], kind="stable")][:_EXAMPLES]
        labels = pd.Series(table["given_label"].to_numpy()[members]).astype(str).value_counts()
        between = ", ".join(sorted(labels.index[:3]))
        wanted = _missing(share, usual, size)
        reason = f"samples in doubt lie densest here, of the classes {between}"
        examples = [str(ids[row]) for row in typical]
        found.append(_entry(f"region {number + 1}", (size, share, wanted), examples, reason))
    return found


def _missing(share: float, usual: float, size: int) -> int:
    """How many samples without trouble would bring a share down to the usual one."""
    return max(0, round(size * (share / max(usual, 1e-6) - 1))) if share > usual else 0


def _entry(
    where: str, figures: tuple[int, float, int], examples: list[str], reason: str
) -> dict[str, Any]:
    size, share, wanted = figures
    return {
        "where": where,
        "samples": size,
        "troubled": round(share, 6),
        "wanted": wanted,
        "examples": examples,
        "reason": reason,
    }
