"""The gradient-space figure: the same samples in the plane and as last-layer gradients."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.experiments.synthetic.draw import draw
from benchmarks.experiments.synthetic.experiment import TRAIN, problem_of
from benchmarks.experiments.synthetic.observe import Problem
from benchmarks.experiments.synthetic.stack import Recipe, Stack
from benchmarks.situation import CLEAN
from chaffinch.core.types import Floats

SEED = 1
"""One draw whose width-2 net lives; nothing else was asked of it."""

_FLIPS = 10
_COLOURS = ("#0072b2", "#e69f00")
_GRID = 161
_CASES = tuple((glitch, width) for glitch in ("random_flips", "deep_flips") for width in (2, 16))


def gradient_space(path: Path) -> None:
    """Draw samples and gradients for random and deep flips, narrow and wide nets.

    Args:
        path: The SVG file to write; the same bytes every time.
    """
    with mpl.rc_context({"svg.hashsalt": "chaffinch", "font.size": 9, "svg.fonttype": "path"}):
        figure = Figure(figsize=(11, 5.8), layout="constrained")
        axes = figure.subplots(2, 4)
        for k, (glitch, width) in enumerate(_CASES):
            problem, net = trained(glitch, width)
            plane, space = axes[0, k], axes[1, k]
            name = "Random flips" if glitch == "random_flips" else "Deep flips"
            plane.set_title(f"{name}, width {width}", fontsize=10, fontweight="bold")
            _draw_plane(plane, problem, net)
            _draw_gradients(space, problem, net)
        axes[0, 0].set_ylabel("samples in the plane")
        axes[1, 0].set_ylabel("last-layer gradients,\nsecond principal component")
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncol=5, frameon=False)
        figure.savefig(path, format="svg", metadata={"Date": None})


def trained(glitch: str, width: int, steps: int = 5000) -> tuple[Problem, Stack]:
    """One draw of the half-moons and the net trained on it."""
    drawn = draw("moons", glitch, _FLIPS, (TRAIN["moons"], 10, 10), SEED)
    problem = problem_of(drawn, glitch, width, Recipe(steps=steps), (0, SEED))
    return problem, problem.retrain(np.ones((1, len(drawn.given)), dtype=np.float32))


def gradients_of(problem: Problem, net: Stack) -> Floats:
    """(N, B) gradients of the sigmoid net's last layer with the given labels."""
    logits, features, _ = net.forward(torch.from_numpy(problem.x).T.contiguous())
    errors = torch.sigmoid(logits[0]) - torch.from_numpy(problem.given)
    gradients: Floats = (features[0] * errors).T.double().numpy()
    return gradients


def principal(rows: Floats) -> tuple[Floats, float]:
    """(N, 2) first two principal components, and the share of the variance that they hold."""
    centred = rows - rows.mean(0)
    _, lengths, axes = np.linalg.svd(centred, full_matrices=False)
    signs = np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(1)])  # else either way round
    total = float((lengths**2).sum()) or 1.0
    return centred @ (axes[:2] * signs[:2, None]).T, float((lengths[:2] ** 2).sum()) / total


def _draw_plane(axes: Axes, problem: Problem, net: Stack) -> None:
    low, high = problem.x.min(0) - 0.3, problem.x.max(0) + 0.3
    across, up = (np.linspace(low[i], high[i], _GRID, dtype=np.float32) for i in (0, 1))
    grid = np.stack([one.ravel() for one in np.meshgrid(across, up)])
    logits = net.forward(torch.from_numpy(grid))[0][0].numpy().reshape(_GRID, _GRID)
    # A net whose logits touch zero without crossing it has no line there.
    predicted = (logits > 0).astype(float)
    axes.contourf(across, up, predicted, levels=[-0.5, 0.5, 1.5], colors=_COLOURS, alpha=0.13)
    axes.contour(across, up, predicted, levels=[0.5], colors="0.25", linewidths=1)
    _scatter(axes, problem.x, problem)
    axes.set_xticks([])
    axes.set_yticks([])


def _draw_gradients(axes: Axes, problem: Problem, net: Stack) -> None:
    places, share = principal(gradients_of(problem, net))
    _scatter(axes, places, problem)
    axes.set_xlabel(f"first component ({share:.0%} in both)")
    axes.tick_params(labelsize=7)


def _scatter(axes: Axes, places: Floats, problem: Problem) -> None:
    wrong = problem.kinds != CLEAN
    for code, colour in enumerate(_COLOURS):
        for flipped in (False, True):
            rows = (problem.given == code) & (wrong == flipped)
            axes.plot(
                *places[rows, :2].T,
                "X" if flipped else "o",
                color=colour,
                markersize=7 if flipped else 3.2,
                markeredgecolor="black" if flipped else colour,
                markeredgewidth=0.8 if flipped else 0,
                alpha=1 if flipped else 0.6,
                zorder=3 if flipped else 2,
                label=f"labelled {code}, {'flipped' if flipped else 'right'}",
            )
