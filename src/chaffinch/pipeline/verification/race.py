"""The race: versions of the training data, trained alike under paired seeds, marked alike."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import nn

from chaffinch.core.errors import InputError
from chaffinch.core.progress import Step
from chaffinch.core.types import Floats
from chaffinch.models.factory import ModelFactory
from chaffinch.pipeline.verification.exam import Exam, Examiner
from chaffinch.pipeline.verification.slots import Layout, Slots, Version
from chaffinch.pipeline.verification.statistic import (
    Interval,
    Marks,
    level_of_look,
    paired_interval,
)
from chaffinch.training.loop import StateFile, Task, Training, train
from chaffinch.training.recorder import evaluate
from chaffinch.training.schedule import Schedule

FIRST_LOOK = 3
"""Seeds before the first look: two say nothing of their spread."""


@dataclass(frozen=True, eq=False)
class Course:
    """What all runs share.

    Attributes:
        slots: Inputs of all versions.
        layout: Which sample is behind which slot.
        examiner: Marks them.
        factory: Makes the untrained model.
        schedule: How to train the original; its number of steps holds for all versions.
        device: Where.
        seeds: (S,) seeds of the runs.
        alpha: Allowed error of the verdict, over all looks.
        margin: Differences within this are none.
    """

    slots: Slots
    layout: Layout
    examiner: Examiner
    factory: ModelFactory
    schedule: Schedule
    device: torch.device
    seeds: tuple[int, ...]
    alpha: float
    margin: float

    def run(self, version: Version, exam: Exam, seed: int) -> Floats:
        """Train on a version and give (M, C) outputs for the exam.

        Raises:
            InputError: Nothing is left to train on.
        """
        left = version.within(self.layout.origin, exam.allowed)
        if not len(left.rows):
            raise InputError("samples to train on", "none", "Shorten the plan")
        steps = self.schedule.steps_for(int(exam.allowed.sum()))
        weights = left.weights / left.weights[left.rows].mean()
        task = Task(
            self.slots,
            torch.from_numpy(left.codes),
            self.factory,
            replace(self.schedule, steps=steps),
            self.device,
            torch.from_numpy(weights.astype(np.float32)),
        )
        training = Training(version.name, torch.from_numpy(left.rows), seed, len(self.slots))
        model = train(task, training, _nothing, StateFile(None))
        return evaluate(model, exam.inputs, torch.from_numpy(exam.rows), None).logits


def _nothing(_epoch: int, _model: nn.Module, _rate: float) -> None:
    pass


@dataclass
class Results:
    """What came out so far: by version, one entry a seed.

    Attributes:
        marks: By version, by seed.
        right: By version, by seed, (M,) whether each answer is right.
        weights: By seed, (M,) how much each sample counts.
    """

    marks: dict[str, list[Marks]] = field(default_factory=dict)
    right: dict[str, list[Floats]] = field(default_factory=dict)
    weights: list[Floats] = field(default_factory=list)

    def difference(self, first: str, second: str, level: float, common: bool) -> Interval:
        """Interval of the accuracy that ``second`` gains over ``first``."""
        pairs = zip(self.right[first], self.right[second], strict=True)
        gained = [after - before for before, after in pairs]
        return paired_interval(gained, self.weights[: len(gained)], level, common)


VersionsOf = Callable[[int], Sequence[Version]]
"""Gives the versions to train on under a seed; controls are drawn anew for each."""


def run_race(
    course: Course, versions_of: VersionsOf, pair: tuple[str, str] | None, advance: Step
) -> tuple[Results, int]:
    """Run seed after seed until the answer is clear or the seeds are used up.

    Args:
        course: What all runs share.
        versions_of: What is trained on under each seed.
        pair: The two versions whose difference decides; None to run all seeds.
        advance: Called after each training.

    Returns:
        The results, and after how many seeds the race ended.
    """
    results = Results()
    looks = looks_of(len(course.seeds))
    for number, seed in enumerate(course.seeds):
        exam = course.examiner.exam(number, seed)
        results.weights.append(exam.weights)
        for version in versions_of(seed):
            marks, right = course.examiner.mark(exam, course.run(version, exam, seed))
            results.marks.setdefault(version.name, []).append(marks)
            results.right.setdefault(version.name, []).append(right)
            advance()
        done = number + 1
        if pair is not None and done in looks:
            level = level_of_look(done, looks, course.alpha)
            found = results.difference(*pair, level, course.examiner.common)
            if _is_clear(found, course.margin):
                return results, done
    return results, len(course.seeds)


def looks_of(seeds: int) -> list[int]:
    """After how many seeds the results are looked at."""
    return [*range(min(FIRST_LOOK, seeds), seeds + 1)]


def _is_clear(found: Interval, margin: float) -> bool:
    return found.helps or found.harms or (-margin < found.low and found.high < margin)
