"""The experiment ``repair``: glitches in real data, found, repaired, and trained on afresh."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import numpy as np

from chaffinch.bench.cell import Cell
from chaffinch.bench.experiment import Measurement, experiment, failed
from chaffinch.bench.experiments.detection.collect import Retraining, build_situation
from chaffinch.bench.experiments.repair.contestant import (
    CONTESTANTS,
    PLANS,
    effect_for,
    plan_for,
)
from chaffinch.bench.experiments.repair.marking import about_edits, gains
from chaffinch.bench.situation import Situation
from chaffinch.diagnosis.judgement import judge_evidence
from chaffinch.pipeline.verification.exam import Exam, Examiner
from chaffinch.pipeline.verification.race import Course
from chaffinch.pipeline.verification.slots import Layout, Slots
from chaffinch.repair.effect import Effect


def expand(names: Sequence[str]) -> list[str]:
    """All contestants for ``all``; others by name."""
    return [one for name in names for one in (CONTESTANTS if name == "all" else (name,))]


@experiment("repair", version=1, expand=expand)
def repair(cell: Cell, methods: Sequence[str], folder: Path) -> Iterator[Measurement]:
    """Train once on data with glitches, judge, repair in several ways, and train afresh.

    All trainings of a cell start from the same weights, take as many steps and see the samples that
    they share in the same order.

    Args:
        cell: The cell; settings as in the experiment ``detection``.
        methods: Names of contestants; without ``none`` and ``oracle trim`` there are no gains.
        folder: Where evidence and trainings are kept.

    Yields:
        ``accuracy``, ``gain`` (points over no repair) and ``oracle_share`` on clean test samples in
        the last epoch; ``changed``, ``relabel_precision`` and ``relabel_coverage`` of plans.
    """
    situation = build_situation(cell, folder)
    findings = judge_evidence(situation.evidence, (), cell.seed)
    plans = {name: plan_for(name, findings, situation) for name in methods if name in PLANS}
    reached: dict[str, float] = {}
    for name in methods:
        try:
            effect = effect_for(name, situation, plans, cell.seed)
            reached[name] = accuracy_after(effect, situation, cell.seed)
        except Exception as error:  # one contestant must not stop the others
            yield failed(name, error)
            continue
        if name in plans:
            yield from about_edits(name, effect, situation)
    yield from gains(reached, bool(situation.errors.any()))


def accuracy_after(effect: Effect, situation: Situation, seed: int) -> float:
    """Accuracy on the clean test samples of a network trained on the repaired data."""
    retraining = cast(Retraining, situation.retrain)
    work, (inputs, codes) = retraining.work, retraining.test
    labels = work.dataset.labels
    layout = Layout.of(effect, labels.codes)
    examiner = Examiner(
        work.encoded.inputs,
        labels.codes,
        np.ones(len(labels)),
        (inputs, codes),
        0,
        labels.names,
    )
    course = Course(
        Slots((work.encoded.inputs,), layout.places),
        layout,
        examiner,
        work.factory,
        work.schedule,
        work.device,
        (seed,),
        0.05,
        0.0,
    )
    exam: Exam = examiner.exam(0, seed)
    logits = course.run(layout.repaired("repaired", effect), exam, seed)
    return examiner.mark(exam, logits)[0].accuracy
