"""Trainings beside the main ones, for scorers that ask for them: ensembles and a fake class."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from chaffinch.core.progress import Step
from chaffinch.core.randomness import stream
from chaffinch.core.types import Codes, Mask
from chaffinch.pipeline.work import Work
from chaffinch.scorers.probability import margin
from chaffinch.store import EvidenceFolder
from chaffinch.training.loop import Task, Training
from chaffinch.training.recorder import evaluate

FAKE_RUNS = 2
"""R: a member of the fake class has no score from its own training, so there is a second one."""


def num_auxiliary_trainings(work: Work) -> int:
    """How many trainings `train_beside` makes."""
    fake = FAKE_RUNS if "fake_class_margins" in work.records else 0
    return fake + (work.ensemble if "ensemble_logits" in work.records else 0)


def train_beside(work: Work, task: Task, store: EvidenceFolder, advance: Step) -> dict[str, Any]:
    """Do the trainings that the work's records ask for.

    Returns:
        Those of ``ensemble_logits`` (S, N, C), ``fake_class_margins`` (R, N) and
        ``fake_class_members`` (R, N) that were asked for.
    """
    found: dict[str, Any] = {}
    everyone = torch.arange(len(task.inputs))
    if "ensemble_logits" in work.records:
        shape = (work.ensemble, len(everyone), len(work.dataset.labels.classes))
        whole = store.holds("ensemble_logits", shape)
        for number in range(work.ensemble):
            training = Training(f"ensemble-{number}", everyone, _seed(work, f"ensemble {number}"))
            work.run(task, training, _Member(store, shape, number, task, advance), whole)
        found["ensemble_logits"] = store.open("ensemble_logits")
    if "fake_class_margins" in work.records and work.wider_factory is not None:
        found |= _train_fake_classes(work, replace(task, factory=work.wider_factory), advance)
    return found


def fake_members(codes: Codes, num_classes: int, seed: int) -> Mask:
    """(R, N) which samples get the fake class in each run: N / (C + 1) of them, none twice.

    As many as another class would have on average (Pleiss et al., NeurIPS 2020).
    """
    order = stream(seed, "fake class").permutation(len(codes))
    size = max(1, len(codes) // (num_classes + 1))
    members = np.zeros((FAKE_RUNS, len(codes)), dtype=bool)
    for run in range(FAKE_RUNS):
        members[run, order[run * size : (run + 1) * size]] = True
    return members


def _train_fake_classes(work: Work, task: Task, advance: Step) -> dict[str, Any]:
    num_classes = len(work.dataset.labels.classes)
    codes = work.dataset.labels.codes
    members = fake_members(codes, num_classes, work.seed)
    # Kept by epoch beside the states, so that an interrupted training goes on.
    store = EvidenceFolder(work.states)
    shape = (FAKE_RUNS, work.schedule.epochs, len(codes))
    whole = store.holds(_MARGINS, shape)
    for run in range(FAKE_RUNS):
        given = np.where(members[run], num_classes, codes)
        training = Training(
            f"fake-{run}", torch.arange(len(codes)), _seed(work, f"fake class {run}")
        )
        fake = replace(task, codes=torch.from_numpy(given))
        work.run(fake, training, _FakeRun(store, shape, run, fake, advance), whole)
    margins = store.open(_MARGINS).mean(axis=1)
    return {"fake_class_margins": margins, "fake_class_members": members}


_MARGINS = "fake_class_margins_by_epoch"


def _seed(work: Work, purpose: str) -> int:
    return int(stream(work.seed, purpose).integers(2**31))


@dataclass
class _Member:
    store: EvidenceFolder
    shape: tuple[int, ...]
    number: int
    task: Task
    advance: Step

    def __call__(self, epoch: int, model: nn.Module, _rate: float) -> None:
        if epoch == self.task.schedule.epochs - 1:
            rows = torch.arange(len(self.task.inputs))
            array = self.store.array("ensemble_logits", self.shape)
            array[self.number] = evaluate(model, self.task.inputs, rows, None).logits
            array.flush()  # type: ignore[attr-defined]
        self.advance()


@dataclass
class _FakeRun:
    store: EvidenceFolder
    shape: tuple[int, ...]
    run: int
    task: Task
    advance: Step

    def __call__(self, epoch: int, model: nn.Module, _rate: float) -> None:
        rows = torch.arange(len(self.task.inputs))
        logits = evaluate(model, self.task.inputs, rows, None).logits
        array = self.store.array(_MARGINS, self.shape)
        array[self.run, epoch] = margin(logits, self.task.codes.numpy())
        array.flush()  # type: ignore[attr-defined]
        self.advance()
