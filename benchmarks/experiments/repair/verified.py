"""The experiment ``repair_verified``: what ``verify`` says of a plan, and whether it is right."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast, get_args

import numpy as np
import torch

from benchmarks.cell import Cell
from benchmarks.experiment import Measurement, experiment
from benchmarks.experiments.detection.collect import build_situation
from benchmarks.experiments.detection.settings import Settings
from benchmarks.experiments.repair.contestant import plans_for
from chaffinch.core.labels import Labels
from chaffinch.core.types import Codes
from chaffinch.data import TensorData
from chaffinch.diagnosis.judgement import judge_evidence
from chaffinch.models.inputs import Inputs
from chaffinch.pipeline.verification import Outcome, verify
from chaffinch.pipeline.verification.outcome import Verdict

SEEDS = 3
"""Pairs of trainings at most; a race looks at its results after three."""


@experiment("repair_verified", version=1)
def repair_verified(cell: Cell, methods: Sequence[str], folder: Path) -> Iterator[Measurement]:
    """Train once on data with glitches, judge, propose, and let ``verify`` judge the plan.

    `verify` runs as for a user who has clean held-out data: it trains by itself, with the ablation
    by kinds and the random-trim control.

    Args:
        cell: The cell; settings as in the experiment ``detection``.
        methods: Names of policies, as in the experiment ``repair``.
        folder: Where evidence and trainings are kept.

    Yields:
        ``verdict`` (1 for the one that was given, 0 for the others; the group names it), ``right``
        (whether it is "no repair needed" on clean data, "helps" on others), ``verified_gain`` and
        ``control_gain`` in points, ``withheld`` (share of the plan's parts).
    """
    situation = build_situation(cell, folder)
    evidence = situation.evidence
    findings = judge_evidence(evidence, (), cell.seed)
    classes = evidence.labels.classes
    data = TensorData.of(_all(situation.inputs), evidence.labels, ids=evidence.ids)
    held, codes = cast(tuple[Inputs, Codes], situation.test)
    clean = TensorData.of(_all(held), Labels(np.asarray(codes, dtype=np.int64), classes))
    for name, plan in plans_for(methods, findings, situation).items():
        outcome = verify(
            plan,
            data,
            clean,
            model=situation.factory,
            findings=findings,
            seeds=SEEDS,
            seed=cell.seed,
            device="cpu",
            **Settings.of(cell.settings).training,
        )
        yield from _told(name, outcome, bool(situation.errors.any()))


def _told(name: str, outcome: Outcome, errors: bool) -> Iterator[Measurement]:
    for verdict in get_args(Verdict):
        yield Measurement(name, "verdict", float(outcome.verdict == verdict), group=verdict)
    expected = "helps" if errors else "no repair needed"
    yield Measurement(name, "right", float(outcome.verdict == expected))
    yield Measurement(name, "verified_gain", 100 * outcome.difference.mean)
    if outcome.control is not None:
        yield Measurement(name, "control_gain", 100 * outcome.control.mean)
    parts = len(outcome.parts)
    yield Measurement(name, "withheld", len(outcome.withheld) / parts if parts else 0.0)


def _all(inputs: Inputs) -> torch.Tensor:
    return inputs.batch(torch.arange(len(inputs))).contiguous()
