"""Blobs and half-moons in the plane: Table 1 of Outlier Gradient Analysis, published and corrected.

A cell draws data and flips, trains one small net and three fold nets, asks every method, takes out
what each finds most suspicious within the budget, and trains again: the same start, the same steps.
"""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cell import Cell
from benchmarks.experiment import Measurement, experiment, failed
from benchmarks.experiments.synthetic.draw import Drawn, draw
from benchmarks.experiments.synthetic.observe import Problem, accuracies, dead, observe
from benchmarks.experiments.synthetic.stack import Recipe
from benchmarks.experiments.synthetic.trimming import most_suspicious, outcomes_without
from benchmarks.method import METHODS, Method, Scored, choose_methods
from benchmarks.methods.control import UNTOUCHED
from benchmarks.metrics import measure_detection
from benchmarks.situation import CLEAN, Situation
from chaffinch.core.errors import InputError
from chaffinch.core.types import Mask

WIDTHS = {"logistic": 0, "mlp2": 2, "mlp16": 16}
TRAIN = {"blobs": 150, "moons": 250}
VALIDATION = 100
TEST = {"paper": 100, "corrected": 2000}
LINEAR_RATE = 0.01
"""Ten times that of the MLPs: the linear model then reaches its optimum within the steps."""

_SETTINGS = {"steps": 5000, "folds": 3, "budget": 0.1, "trim": None, "test": None}


@experiment("synthetic", version=1, expand=lambda names: expand(names))
def synthetic(cell: Cell, methods: Sequence[str], _folder: Path) -> Iterator[Measurement]:
    """Measure detection, and accuracy after trimming, of some methods in one draw."""
    options = read_settings(cell)
    problem = make_problem(cell, options)
    situation = observe(problem)
    answers: dict[str, Scored] = {}
    for method in (METHODS[name] for name in methods):
        if not method.runs_on(situation):
            continue
        try:
            answers[method.name], seconds = ask(method, situation, cell.seed)
        except InputError as error:
            yield failed(method.name, error)
            continue
        yield Measurement(method.name, "seconds", seconds)
    for name, scored in answers.items():
        yield from measure_detection(name, situation.kinds, scored)
        found = most_suspicious(scored.scores, options["budget"], cell.seed)
        yield from at_budget(name, found, situation.errors)
    if UNTOUCHED in methods:
        net = problem.retrain(np.ones((1, len(problem.given)), dtype=np.float32))
        yield Measurement(UNTOUCHED, "accuracy", float(accuracies(net, *problem.test)[0]))
        yield Measurement(UNTOUCHED, "dead", float(dead(net, problem.x)[0]))
    yield from after_trimming(problem, answers, options, cell.seed)


def expand(names: Sequence[str]) -> list[str]:
    """Names of all methods that a list of names and origins asks for."""
    return [one.name for one in choose_methods(names)]


def ask(method: Method, situation: Situation, seed: int) -> tuple[Scored, float]:
    """A method's answer and the seconds that it took."""
    begun = time.perf_counter()
    scored = method.function(situation, seed)
    return scored, time.perf_counter() - begun


def read_settings(cell: Cell) -> dict[str, Any]:
    """The settings of a cell with their defaults.

    Raises:
        InputError: A setting that does not exist.
    """
    unknown = sorted(set(cell.settings) - set(_SETTINGS))
    if unknown:
        raise InputError(
            f"settings among {', '.join(_SETTINGS)}", ", ".join(unknown), "Leave them out"
        )
    return _SETTINGS | cell.settings


def make_problem(cell: Cell, options: dict[str, Any]) -> Problem:
    """Draw the data of a cell and say how its nets are trained.

    Raises:
        InputError: Data, model or glitch that this experiment does not know.
    """
    for name, known in ((cell.data, TRAIN), (cell.model, WIDTHS)):
        if name not in known:
            raise InputError(f"one of {', '.join(known)}", repr(name), "Choose one of them")
    samples = TRAIN[cell.data]
    sizes = (samples, VALIDATION, options["test"] or TEST[cell.protocol])
    drawn = draw(cell.data, cell.glitch, round(cell.rate * samples / 2), sizes, cell.seed)
    width = WIDTHS[cell.model]
    recipe = Recipe(steps=options["steps"], rate=1e-3 if width else LINEAR_RATE)
    return problem_of(drawn, cell.glitch, width, recipe, (options["folds"], cell.seed))


def problem_of(
    drawn: Drawn, glitch: str, width: int, recipe: Recipe, folds_and_seed: tuple[int, int]
) -> Problem:
    """The problem of learning drawn data with a net of some width."""
    folds, seed = folds_and_seed
    return Problem(
        drawn.train.x,
        drawn.given,
        drawn.train.right,
        np.where(drawn.flipped, glitch, CLEAN),
        (drawn.validation.x, drawn.validation.right),
        (drawn.test.x, drawn.test.right),
        width,
        recipe,
        folds,
        seed,
    )


def at_budget(name: str, found: Mask, errors: Mask) -> Iterator[Measurement]:
    """Detection accuracy as the paper counts it, and the share of the errors that are found."""
    yield Measurement(name, "detection_accuracy", float((found == errors).mean()))
    if errors.any():
        yield Measurement(name, "recall_at_budget", float(found[errors].mean()))


def after_trimming(
    problem: Problem, answers: dict[str, Scored], options: dict[str, Any], seed: int
) -> Iterator[Measurement]:
    """Accuracy of nets trained without the budget, and without a method's own flags.

    Only methods of the setting ``trim`` (names or origins; all by default) are trained again.
    """
    wanted = set(answers if options["trim"] is None else expand(options["trim"]))
    trimmed: dict[tuple[str, str], Mask] = {}
    for name, scored in answers.items():
        if name not in wanted:
            continue
        found = most_suspicious(scored.scores, options["budget"], seed)
        trimmed[name, "accuracy"] = found
        if scored.flagged is not None and not scored.flagged.all():
            trimmed[name, "accuracy_own"] = scored.flagged
    keyed = {f"{metric} {name}": found for (name, metric), found in trimmed.items()}
    outcomes = outcomes_without(problem, keyed)
    for name, metric in trimmed:
        outcome = outcomes[f"{metric} {name}"]
        yield Measurement(name, metric, outcome.accuracy)
        if metric == "accuracy":
            yield Measurement(name, "dead", float(outcome.dead))
