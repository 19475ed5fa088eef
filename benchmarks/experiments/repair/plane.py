"""The experiment ``repair_plane``: half-moons with flips, repaired, all nets trained at once."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.cell import Cell
from benchmarks.experiment import Measurement, experiment
from benchmarks.experiments.repair.contestant import ABOUT, effect_for, plans_for
from benchmarks.experiments.repair.experiment import expand
from benchmarks.experiments.repair.marking import about_edits, gains
from benchmarks.experiments.synthetic.experiment import make_problem, read_settings
from benchmarks.experiments.synthetic.observe import accuracies, observe
from chaffinch.core.types import Floats
from chaffinch.diagnosis.judgement import judge_evidence
from chaffinch.repair.effect import Effect


@experiment("repair_plane", version=2, expand=expand, about=ABOUT)
def repair_in_the_plane(cell: Cell, methods: Sequence[str], _folder: Path) -> Iterator[Measurement]:
    """Train a small net on half-moons with flips, judge, repair in several ways, train afresh.

    Args:
        cell: The cell; settings as in the experiment ``synthetic``.
        methods: Names of contestants.

    Yields:
        As the experiment ``repair``.
    """
    problem = make_problem(cell, read_settings(cell))
    situation = observe(problem)
    findings = judge_evidence(situation.evidence, (), cell.seed)
    plans = plans_for(methods, findings, situation)
    effects = {name: effect_for(name, situation, plans, cell.seed) for name in methods}
    weights = np.stack([_weights(one) for one in effects.values()])
    targets = np.stack([_targets(one) for one in effects.values()])
    nets = problem.retrain(weights, targets)  # type: ignore[arg-type]  # shares do as labels
    reached = dict(zip(effects, accuracies(nets, *problem.test).tolist(), strict=True))
    for name in plans:
        yield from about_edits(name, effects[name], situation)
    yield from gains(reached, bool(situation.errors.any()))


def _weights(effect: Effect) -> Floats:
    """(N,) what each loss counts; samples that are left out count nothing."""
    return np.asarray(effect.weights * effect.kept, dtype=np.float32)


def _targets(effect: Effect) -> Floats:
    """(N,) share of class 1."""
    shares = effect.codes if effect.soft is None else effect.soft[:, 1]
    return np.asarray(shares, dtype=np.float32)
