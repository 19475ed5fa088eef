"""Plots of findings; matplotlib is loaded when one is drawn."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from chaffinch.core.errors import InputError
from chaffinch.core.types import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes

KINDS = ("scores", "classes", "curves", "map")
"""What can be drawn."""

_RUST, _SLATE, _MOST_CLASSES, _MOST_COLOURS = "#b0502a", "#8fa3b5", 40, 10


def draw(
    table: pd.DataFrame,
    kind: str,
    axes: "Axes | None" = None,
    *,
    points: Floats | None = None,
    colour: str = "kind",
) -> "Axes":
    """Draw findings.

    Args:
        table: The findings, N rows.
        kind: ``scores``: how suspicion is distributed. ``classes``: flagged samples by given and
            suggested label. ``curves``: the share of false alarms expected (the q-value) against
            the number of samples looked at. ``map``: the samples in the plane.
        axes: Where to draw; a new figure by default.
        points: (N, 2) where the samples lie, for ``map``; NaN for those that are nowhere.
        colour: Column whose values colour the map.

    Returns:
        The axes drawn on.

    Raises:
        InputError: Another kind, a map without points, or no such column.
    """
    if kind not in KINDS:
        raise InputError(f"one of {', '.join(KINDS)}", repr(kind), "Choose one of these")
    if kind == "map":
        _check_map(table, points, colour)
    from matplotlib import pyplot

    if axes is None:
        axes = pyplot.subplots(figsize=(6.4, 6 if kind in ("map", "classes") else 3.6))[1]
    if kind == "map":
        _map(axes, table, np.asarray(points), colour)
    else:
        {"scores": _scores, "classes": _classes, "curves": _curves}[kind](axes, table)
    return axes


def _check_map(table: pd.DataFrame, points: Floats | None, colour: str) -> None:
    if points is None or np.shape(points) != (len(table), 2):
        got = "none" if points is None else f"an array of shape {np.shape(points)}"
        raise InputError(
            f"points of shape ({len(table)}, 2) for the map",
            got,
            "Draw it from a run that keeps an embedding: run.plot('map')",
        )
    if colour not in table:
        raise InputError("a column of the findings", repr(colour), "Choose one of run.table")


def _scores(axes: "Axes", table: pd.DataFrame) -> None:
    suspicion = table["suspicion"].to_numpy(np.float64)
    flagged, edges = table["flagged"].to_numpy(np.bool_), np.linspace(0, 1, 41)
    axes.hist(suspicion, bins=edges.tolist(), color=_SLATE, label="all samples")
    axes.hist(suspicion[flagged], bins=edges.tolist(), color=_RUST, label="flagged")
    axes.set(xlabel="suspicion", ylabel="samples", yscale="symlog")
    axes.legend(frameon=False)


def _classes(axes: "Axes", table: pd.DataFrame) -> None:
    flagged = table[table["flagged"].to_numpy(np.bool_) & table["suggested_label"].notna()]
    given, other = flagged["given_label"].astype(str), flagged["suggested_label"].astype(str)
    common = pd.concat([given, other]).value_counts().index[:_MOST_CLASSES]
    names = sorted(common.tolist())
    axes.set(xlabel="suggested label", ylabel="given label")
    if not names:
        axes.set_title("No flagged sample has another label suggested")
        return
    counts = pd.crosstab(given, other).reindex(index=names, columns=names, fill_value=0)
    image = axes.imshow(counts.to_numpy(), cmap="Oranges")
    axes.set_xticks(range(len(names)), names, rotation=90)
    axes.set_yticks(range(len(names)), names)
    if axes.figure is not None:
        axes.figure.colorbar(image, ax=axes, label="flagged samples")


def _curves(axes: "Axes", table: pd.DataFrame) -> None:
    ranked = table.sort_values("suspicion", ascending=False, kind="stable")
    flagged = int(table["flagged"].sum())
    last = min(len(ranked), max(50, 4 * flagged))
    axes.plot(np.arange(1, last + 1), ranked["q_value"].to_numpy(np.float64)[:last], color=_SLATE)
    if flagged:
        axes.axvline(flagged, color=_RUST, linestyle=":", label=f"{flagged:,} flagged")
        axes.legend(frameon=False)
    axes.set(xlabel="samples looked at, most suspicious first", ylabel="expected false alarms")


def _map(axes: "Axes", table: pd.DataFrame, points: Any, colour: str) -> None:
    column = table[colour]
    size = float(np.clip(6000 / max(len(table), 1), 1, 14))
    numeric = pd.api.types.is_float_dtype(column)
    if numeric:
        drawn = axes.scatter(
            points[:, 0], points[:, 1], c=column.to_numpy(np.float64), s=size, cmap="coolwarm"
        )
        if axes.figure is not None:
            axes.figure.colorbar(drawn, ax=axes, label=colour)
    else:
        names = column.astype(str)
        for place, name in enumerate(names.value_counts().index):
            own = (names == name).to_numpy()
            few = place < _MOST_COLOURS
            axes.scatter(
                points[own, 0],
                points[own, 1],
                s=size,
                color=f"C{place}" if few else "0.7",
                label=name if few else None,
            )
        axes.legend(frameon=False, markerscale=2, fontsize="small")
    axes.set(xticks=[], yticks=[], aspect="equal")
