"""Results as drawings: SVG files that are the same, byte for byte, for the same results."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from benchmarks.engine.suite import PlotSpec
from benchmarks.page.grid import resolve, select
from benchmarks.page.table import word

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#b8a900", "#7a5195")
"""Told apart by the colour-blind (after Okabe and Ito); the vermilion of the set is ours."""

OURS, CONTROL = "#d55e00", "#777777"

_DASHES = ("-", "--", ":", "-.")
_MARKS = "osD^vPX"
_MOST_IN_PANEL = 6

STYLE: dict[Any, Any] = {
    "svg.hashsalt": "chaffinch",
    "font.family": "DejaVu Sans",
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "axes.axisbelow": True,
    "legend.frameon": False,
}
"""Settings of matplotlib for every drawing of the benchmark."""


def draw(table: pd.DataFrame, spec: PlotSpec, path: Path) -> bool:
    """Draw a plot of a suite, if there is anything to draw.

    Args:
        table: The long table, with columns for the settings.
        spec: What to draw.
        path: The SVG file to write.

    Returns:
        Whether there was.
    """
    x, lines = resolve(table, spec.x), resolve(table, spec.lines)
    panels = resolve(table, spec.panels) if spec.panels else ""
    shown = [name for name in (x, lines, panels) if name]
    part = select(table, [spec.metric], spec.where, spec.methods, shown)
    if part.empty:
        return False
    import matplotlib as mpl
    from matplotlib.figure import Figure

    values = list(dict.fromkeys(part[panels])) if panels else [None]
    names = _in_order(part, lines)
    across = min(3, len(values))
    down = math.ceil(len(values) / across)
    with mpl.rc_context(STYLE):
        width = 4.2 * across + 0.8 if across > 1 else 6.4
        figure = Figure(figsize=(width, 3.5 * down + 0.4), layout="constrained")
        grid = figure.subplots(down, across, squeeze=False, sharey=True).ravel()
        for axes, value in zip(grid, values, strict=False):
            rows = part if value is None else part[part[panels] == value]
            _panel(axes, rows, spec, (x, lines), names)
            axes.set_title(word(value) if value is not None else "")
        for axes in grid[len(values) :]:
            axes.set_visible(False)
        for row in range(down):
            grid[row * across].set_ylabel(spec.y_label or word(spec.metric))
        _legend(figure, grid[0], len(names), outside=spec.kind == "bars")
        save(figure, path)
    return True


def save(figure: "Figure", path: Path) -> None:
    """Write a drawing without its date, so that the same results give the same file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="svg", metadata={"Date": None})


def _panel(
    axes: "Axes", rows: pd.DataFrame, spec: PlotSpec, dimensions: tuple[str, str], names: list[Any]
) -> None:
    x, lines = dimensions
    seeds = rows.groupby([lines, x, "seed"], sort=False)["value"].mean()
    figures = seeds.groupby(level=[0, 1], sort=False).agg(["mean", "std"]).reset_index()
    places = _places(rows[x])
    for number, name in enumerate(names):
        part = figures[figures[lines] == name].copy()
        part["place"] = [places[value] for value in part[x]]
        part = part.sort_values("place")
        style = _style(name, rows, lines, number)
        if spec.kind == "bars":
            width = 0.8 / len(names)
            left = part["place"] + (number - (len(names) - 1) / 2) * width
            look = {"color": style["color"], "hatch": "//" if name == "random" else ""}
            axes.bar(left, part["mean"], width, label=word(name), edgecolor="white", **look)
            axes.errorbar(left, part["mean"], part["std"].fillna(0), fmt="none", ecolor="#333333")
            continue
        axes.plot(part["place"], part["mean"], label=word(name), **style)
        low, high = part["mean"] - part["std"], part["mean"] + part["std"]
        axes.fill_between(part["place"], low, high, color=style["color"], alpha=0.12, linewidth=0)
    _axis(axes, spec, places)


def _axis(axes: "Axes", spec: PlotSpec, places: dict[Any, float]) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_xlabel(spec.x_label or ("" if spec.x == "x" else word(spec.x)))
    if all(isinstance(value, int) or value == int(value) for value in places.values()):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if list(places) != list(places.values()) or spec.kind == "bars":
        turned: dict[str, Any] = {"rotation": 30, "ha": "right"} if len(places) > 3 else {}
        axes.set_xticks(list(places.values()), [word(value) for value in places], **turned)
    elif spec.log_x:
        axes.set_xscale("log")
    if spec.log_y:
        axes.set_yscale("log")


def _places(values: "pd.Series[Any]") -> dict[Any, float]:
    """Where on the axis each value stands: numbers at themselves, words one after another."""
    distinct = list(dict.fromkeys(values))
    if all(isinstance(one, int | float) and not isinstance(one, bool) for one in distinct):
        return {one: float(one) for one in sorted(distinct)}
    return {one: float(number) for number, one in enumerate(distinct)}


def _in_order(part: pd.DataFrame, lines: str) -> list[Any]:
    """Lines in their order of appearance; of methods, ours first and controls last."""
    names = list(dict.fromkeys(part[lines]))
    if lines != "method":
        return names
    origins = dict(zip(part["method"], part["origin"], strict=True))
    rank = {"chaffinch": 0, "control": 2}
    return sorted(names, key=lambda name: rank.get(origins[name], 1))


def _style(name: object, rows: pd.DataFrame, lines: str, number: int) -> dict[str, Any]:
    origins: Sequence[str] = rows.loc[rows[lines] == name, "origin"].unique().tolist()
    if lines == "method" and origins == ["chaffinch"]:
        return {"color": OURS, "linewidth": 2.8, "marker": "o", "markersize": 5, "zorder": 5}
    if lines == "method" and origins == ["control"]:
        return {"color": CONTROL, "linewidth": 1.3, "linestyle": _DASHES[1 + number % 3]}
    turn, place = divmod(number, len(COLOURS))
    return {
        "color": COLOURS[place],
        "linestyle": _DASHES[turn % len(_DASHES)],
        "marker": _MARKS[number % len(_MARKS)],
        "markersize": 4,
        "linewidth": 1.6,
    }


def _legend(figure: "Figure", axes: "Axes", count: int, outside: bool) -> None:
    if count == 1:
        return
    handles, labels = axes.get_legend_handles_labels()
    if outside or count > _MOST_IN_PANEL or len(figure.axes) > 1:
        figure.legend(handles, labels, loc="outside right upper", fontsize=9)
    else:
        axes.legend(handles, labels, fontsize=10)
