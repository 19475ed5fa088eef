"""Trimming under a shift: train on one part of Adult, validate and test on another.

After the appendix of Outlier Gradient Analysis (Chhabra et al., ICML 2025), whose income data come
from other years and states. Nothing is wrong with any sample; some only belong to the source and
not to the target. Clean validation samples come from the target, so methods that look at them may
tell which.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from benchmarks.cell import Cell
from benchmarks.data.source import load_source
from benchmarks.experiment import Measurement, experiment, failed
from benchmarks.experiments.synthetic.experiment import ask, expand
from benchmarks.experiments.synthetic.observe import Problem, accuracies, observe
from benchmarks.experiments.synthetic.stack import Recipe
from benchmarks.experiments.synthetic.trimming import most_suspicious, outcomes_without
from benchmarks.method import METHODS
from benchmarks.methods.control import UNTOUCHED
from benchmarks.situation import CLEAN
from chaffinch.core.errors import InputError
from chaffinch.core.randomness import stream
from chaffinch.core.types import Codes, Floats, Mask
from chaffinch.models.encoding import TableEncoder

POSITIVE = ">50K"
WIDTHS = {"mlp": 32}
BATCH = 128
RATE = 3e-3


@dataclass(frozen=True)
class Split:
    """Which rows of a table are the source and which the target.

    Attributes:
        column: The column that decides; it is left out of the inputs.
        source: Whether a row belongs to the source, from the values of the column.
        target: Whether it belongs to the target.
    """

    column: str
    source: Callable[["pd.Series[Any]"], "pd.Series[bool]"]
    target: Callable[["pd.Series[Any]"], "pd.Series[bool]"]


SPLITS = {
    "adult_by_age": Split("age", lambda age: age < 38, lambda age: age >= 38),
    "adult_by_country": Split(
        "country",
        lambda country: country == "United-States",
        lambda country: country.notna() & (country != "United-States"),
    ),
    "adult_by_work": Split(
        "workclass",
        lambda work: work == "Private",
        lambda work: work.notna() & (work != "Private"),
    ),
}

_SETTINGS: dict[str, Any] = {
    "size": 2000,
    "validation": 500,
    "test": 2000,
    "epochs": 15,
    "folds": 3,
    "budget": 0.05,
    "budgets": [],
    "curve": [],
}


@experiment("shift", version=1, expand=lambda names: expand(names))
def shift(cell: Cell, methods: Sequence[str], _folder: Path) -> Iterator[Measurement]:
    """Measure the accuracy on the target after trimming what each method suspects.

    The setting ``budget`` holds for all methods; ``budgets`` are tried for those of ``curve``.
    """
    unknown = sorted(set(cell.settings) - set(_SETTINGS))
    if unknown:
        raise InputError(
            f"settings among {', '.join(_SETTINGS)}", ", ".join(unknown), "Leave them out"
        )
    options = _SETTINGS | cell.settings
    problem = make_problem(cell, options)
    net = problem.retrain(np.ones((1, len(problem.given)), dtype=np.float32))
    before = float(accuracies(net, *problem.test)[0])
    situation = observe(problem)
    curve = set(expand(options["curve"]))
    trimmed: dict[tuple[str, float], Mask] = {}
    for method in (METHODS[name] for name in methods):
        if not method.runs_on(situation) or method.name == "oracle":  # nothing is wrong to know of
            continue
        try:
            scored, seconds = ask(method, situation, cell.seed)
        except InputError as error:
            yield failed(method.name, error)
            continue
        yield Measurement(method.name, "seconds", seconds)
        for budget in _budgets(options, method.name in curve):
            trimmed[method.name, budget] = most_suspicious(scored.scores, budget, cell.seed)
    if UNTOUCHED in methods:
        for budget in _budgets(options, True):
            yield Measurement(UNTOUCHED, "accuracy", before, x=budget)
    yield from _after(problem, trimmed, before)


def make_problem(cell: Cell, options: dict[str, Any]) -> Problem:
    """Draw source and target samples of a cell, and encode them as a scan would.

    Raises:
        InputError: A split or model that this experiment does not know, or data that are not
            there.
    """
    for name, known in ((cell.data, list(SPLITS)), (cell.model, list(WIDTHS))):
        if name not in known:
            raise InputError(f"one of {', '.join(known)}", repr(name), "Choose one of them")
    if cell.glitch != "none":
        raise InputError("the glitch none", repr(cell.glitch), "Leave glitch= out of the suite")
    source = load_source("adult")
    sizes = (options["size"], options["validation"], options["test"])
    rows = draw_rows(source.samples, SPLITS[cell.data], sizes, cell.seed)
    frame = source.samples.drop(columns=SPLITS[cell.data].column)
    encoder = TableEncoder(frame.iloc[rows[0]])
    train, validation, test = (_part(encoder, frame.iloc[one], source.labels[one]) for one in rows)
    steps = options["epochs"] * -(-len(rows[0]) // BATCH)
    recipe = Recipe(steps, RATE, checkpoints=options["epochs"], batch=BATCH)
    kinds = np.full(len(rows[0]), CLEAN)
    folds, width = options["folds"], WIDTHS[cell.model]
    x, right = train
    return Problem(x, right, right, kinds, validation, test, width, recipe, folds, cell.seed)


def draw_rows(
    frame: pd.DataFrame, split: Split, sizes: tuple[int, int, int], seed: int
) -> tuple[Codes, Codes, Codes]:
    """Positions of training samples in the source, of validation and test samples in the target.

    Args:
        frame: The whole table.
        split: What tells source from target.
        sizes: How many samples for training, validation and testing.
        seed: Decides the draw.

    Raises:
        InputError: Fewer rows than asked for.
    """
    random = stream(seed, f"shift by {split.column}")
    size, held, tested = sizes
    drawn = []
    for part, wanted in ((split.source, size), (split.target, held + tested)):
        rows = np.flatnonzero(part(frame[split.column]).to_numpy())
        if len(rows) < wanted:
            raise InputError(
                f"{wanted} rows told apart by {split.column}", str(len(rows)), "Ask for fewer"
            )
        drawn.append(random.choice(rows, wanted, replace=False))
    return drawn[0], drawn[1][:held], drawn[1][held:]


def _part(encoder: TableEncoder, frame: pd.DataFrame, labels: Any) -> tuple[Floats, Codes]:
    inputs = encoder.encode(frame)
    x = inputs.batch(torch.arange(len(inputs)))
    dense: Floats = x.to_dense().numpy() if x.layout != torch.strided else x.numpy()
    return dense, (labels == POSITIVE).astype(np.int64)


def _budgets(options: dict[str, Any], all_of_them: bool) -> list[float]:
    more = options["budgets"] if all_of_them else []
    return sorted({float(options["budget"]), *map(float, more)})


def _after(
    problem: Problem, trimmed: dict[tuple[str, float], Mask], before: float
) -> Iterator[Measurement]:
    keyed = {f"{budget} {name}": found for (name, budget), found in trimmed.items()}
    outcomes = outcomes_without(problem, keyed)
    for name, budget in trimmed:
        accuracy = outcomes[f"{budget} {name}"].accuracy
        yield Measurement(name, "accuracy", accuracy, x=budget)
        yield Measurement(name, "gain", accuracy - before, x=budget)
