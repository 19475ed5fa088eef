"""The experiments ``repair`` and ``repair_images``: repaired, and trained on afresh."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from benchmarks.cell import Cell
from benchmarks.experiment import Measurement, experiment, failed
from benchmarks.experiments.detection.collect import Retraining, build_situation
from benchmarks.experiments.noisy_images.build import build_situation as build_from_images
from benchmarks.experiments.noisy_images.settings import Settings
from benchmarks.experiments.repair.contestant import (
    ABOUT,
    CONTESTANTS,
    NONE,
    RIVALS,
    effect_for,
    plans_for,
)
from benchmarks.experiments.repair.marking import about_edits, gains
from benchmarks.situation import Situation
from chaffinch.core.types import Codes
from chaffinch.diagnosis.judgement import judge_evidence
from chaffinch.models.inputs import Inputs
from chaffinch.pipeline.verification.exam import Exam, Examiner
from chaffinch.pipeline.verification.race import Course
from chaffinch.pipeline.verification.slots import Layout, Slots
from chaffinch.pipeline.work import Work
from chaffinch.repair.effect import Effect

_GROUPS = {"all": CONTESTANTS, "rivals": tuple(RIVALS)}


@dataclass(frozen=True, eq=False)
class Stage:
    """Where contestants meet.

    Attributes:
        situation: What was trained once, with glitches.
        work: How that training went.
        test: Clean test samples and their classes.
    """

    situation: Situation
    work: Work
    test: tuple[Inputs, Codes]


def expand(names: Sequence[str]) -> list[str]:
    """All contestants for ``all``, all trimming by others for ``rivals``; others by name."""
    return [one for name in names for one in _GROUPS.get(name, (name,))]


@experiment("repair", version=2, expand=expand, about=ABOUT)
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
    retraining = cast(Retraining, situation.retrain)
    yield from compete(Stage(situation, retraining.work, retraining.test), methods, cell.seed)


@experiment("repair_images", version=1, expand=expand, about=ABOUT)
def repair_images(cell: Cell, methods: Sequence[str], folder: Path) -> Iterator[Measurement]:
    """The same with images that people labelled.

    Args:
        cell: The cell; its glitch is the sort of labels, its settings as in ``cifar10n``.
        methods: Names of contestants.
        folder: Where evidence and trainings are kept.

    Yields:
        As the experiment ``repair``, and the share of wrong labels (``noise`` of ``none``).
    """
    settings = Settings.of(cell.settings)
    situation, retrainer = build_from_images(cell, settings, folder)
    if NONE in methods:
        yield Measurement(NONE, "noise", float(situation.errors.mean()))
    yield from compete(Stage(situation, retrainer.work, retrainer.test), methods, cell.seed)


def compete(stage: Stage, methods: Sequence[str], seed: int) -> Iterator[Measurement]:
    """Judge the situation, let every contestant repair it, and train afresh on what it makes.

    Args:
        stage: Where.
        methods: Names of contestants.
        seed: Decides initial weights, order, and what contestants draw.
    """
    situation = stage.situation
    findings = judge_evidence(situation.evidence, (), seed)
    plans = plans_for(methods, findings, situation)
    reached: dict[str, float] = {}
    for name in methods:
        try:
            effect = effect_for(name, situation, plans, seed)
            reached[name] = accuracy_after(effect, stage, seed)
        except Exception as error:  # one contestant must not stop the others
            yield failed(name, error)
            continue
        if name in plans:
            yield from about_edits(name, effect, situation)
    yield from gains(reached, bool(situation.errors.any()))


def accuracy_after(effect: Effect, stage: Stage, seed: int) -> float:
    """Accuracy on the clean test samples of a network trained on the repaired data."""
    work = stage.work
    labels = work.dataset.labels
    layout = Layout.of(effect, labels.codes)
    examiner = Examiner(
        work.encoded.inputs,
        labels.codes,
        np.ones(len(labels)),
        stage.test,
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
