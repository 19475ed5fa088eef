"""The experiment ``diagnosis``: whole scans, canaries and all, marked by what was put in."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmarks.cell import Cell
from benchmarks.experiment import Measurement, experiment, failed
from benchmarks.experiments.diagnosis.measure import measure_scan, measure_scores
from benchmarks.experiments.diagnosis.problem import Problem, pose_problem
from benchmarks.experiments.diagnosis.settings import Settings
from benchmarks.experiments.diagnosis.tool import (
    ABOUT,
    DEFAULT,
    VARIANTS,
    Scanned,
    run_variant,
)
from benchmarks.method import METHODS, choose_methods
from benchmarks.situation import Situation
from chaffinch.core.errors import InputError
from chaffinch.core.evidence import Evidence
from chaffinch.models.inputs import DenseInputs

_ORIGINS = ("scorer", "control", "cleanlab")


def expand(names: Sequence[str]) -> list[str]:
    """Variants of the tool, and methods that judge by evidence alone.

    Raises:
        InputError: A method that would ask the trained model, which a scan does not keep.
    """
    ours = [name for name in names if name in VARIANTS]
    others = choose_methods(name for name in names if name not in VARIANTS)
    for one in others:
        if one.origin not in _ORIGINS:
            raise InputError(
                f"variants of the tool ({'; '.join(VARIANTS)}) or methods of {', '.join(_ORIGINS)}",
                repr(one.name),
                "Leave it out of the suite",
            )
    return sorted([*ours, *(one.name for one in others)])


@experiment("diagnosis", version=2, expand=expand, about=ABOUT)
def diagnosis(cell: Cell, methods: Sequence[str], folder: Path) -> Iterator[Measurement]:
    """Scan data with glitches by the tool's own pipeline, and mark what it says.

    Args:
        cell: The cell; `Settings` says what its settings may be.
        methods: Variants of the tool, and methods that are given the evidence of its default scan.
        folder: Where the runs are kept.

    Yields:
        For variants what `measure_scan` says, for others what `measure_scores` does. A method
        that fails leaves the others alone.
    """
    settings = Settings.of(cell.settings)
    problem = pose_problem(cell)
    folder.mkdir(parents=True, exist_ok=True)

    def scan_as(name: str) -> Scanned:
        return run_variant(name, problem, settings.scan_options, cell.seed, folder)

    for name in methods:
        try:
            # All at once, so that a method that fails half-way leaves nothing behind.
            if name in VARIANTS:
                found = list(measure_scan(name, problem, scan_as(name)))
            else:
                found = list(_ask(name, problem, scan_as(DEFAULT), cell.seed))
        except Exception as error:  # a peer may raise anything
            found = [failed(name, error)]
        yield from found


def _ask(name: str, problem: Problem, scanned: Scanned, seed: int) -> Iterator[Measurement]:
    method = METHODS[name]
    situation = situation_of(problem, scanned.evidence)
    if method.runs_on(situation):
        yield from measure_scores(name, problem.kinds, method.function(situation, seed))


def situation_of(problem: Problem, evidence: Evidence | None) -> Situation:
    """The evidence of a scan for methods that look at nothing else; there is no trained model.

    Raises:
        InputError: The evidence was not kept.
    """
    if evidence is None:
        raise InputError("the evidence of the default scan", "none", "Measure again with --fresh")
    described = torch.from_numpy(np.array(evidence.need("embeddings"), dtype=np.float32))
    return Situation(
        evidence,
        problem.kinds,
        problem.truth,
        DenseInputs(described),
        None,
        None,
        nn.Identity,
        nn.Identity(),
    )
