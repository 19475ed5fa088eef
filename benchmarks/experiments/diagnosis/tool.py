"""Variants of the tool: scans of the same data under different options, and what they cost."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from torch.optim.optimizer import register_optimizer_step_post_hook

from benchmarks.experiments.diagnosis.problem import Problem
from chaffinch.core.evidence import Evidence
from chaffinch.core.findings import Findings
from chaffinch.pipeline.outcome import findings_of
from chaffinch.pipeline.scan_input import ScanInput
from chaffinch.store import EvidenceFolder
from chaffinch.store.run import EVIDENCE, RunFolder
from chaffinch.tasks.registry import scan_by_task

DEFAULT = "chaffinch"
VARIANTS: dict[str, dict[str, Any]] = {
    DEFAULT: {},
    "chaffinch one run": {"folds": 0},
    "chaffinch thorough": {"folds": 5, "fold_epochs": 1000},
    "chaffinch no canaries": {"canaries": False},
    "chaffinch rounds": {"rounds": "auto"},
}
"""Options of a scan by name of a method; `DEFAULT` is what a user gets who names none."""

ABOUT = {
    "chaffinch one run": "The scan without fold models (`folds=0`)",
    "chaffinch thorough": "The scan with five fold models that are trained to the end",
    "chaffinch no canaries": "The scan without samples that are spoilt on purpose",
    "chaffinch rounds": "The scan that cleans and looks again (`rounds='auto'`)",
}
"""One line about each variant but the default."""

_STEPS = "steps.json"


@dataclass(frozen=True, eq=False)
class Scanned:
    """What came out of a scan.

    Attributes:
        findings: What a user is shown.
        evidence: What it was judged by; None where it was not kept.
        cost: Optimizer steps of all its trainings over those of one training on the N samples.
    """

    findings: Findings
    evidence: Evidence | None
    cost: float

    @property
    def table(self) -> pd.DataFrame:
        """The findings table."""
        return self.findings.table


def run_variant(
    name: str, problem: Problem, options: dict[str, Any], seed: int, folder: Path
) -> Scanned:
    """Scan the data of a problem; a second call with the same folder reads what the first found.

    Args:
        name: One of `VARIANTS`.
        problem: The data.
        options: Options of all variants.
        seed: Of the scan.
        folder: Where runs are kept. Evidence is kept of the default variant alone.
    """
    run, counted = folder / f"run {name}", folder / f"{name} {_STEPS}"
    if not counted.is_file():
        # A run that was cut short begins anew: its steps were not counted.
        for rest in (run, run.with_name(run.name + ".partial")):
            shutil.rmtree(rest, ignore_errors=True)
        with counted_steps() as steps:
            how = {"ledger": "none", **options, **VARIANTS[name], "seed": seed, "out": run}
            scan_by_task(
                ScanInput.of(
                    problem.data, model=problem.model, validation=problem.validation, **how
                )
            )
        if name != DEFAULT:
            shutil.rmtree(run / EVIDENCE, ignore_errors=True)
        counted.write_text(json.dumps(steps), "utf-8")
    known = RunFolder(run)
    kept = EvidenceFolder(run / EVIDENCE)
    evidence = kept.load() if kept.whole else None
    steps_of_one = _steps_of_one(known.record.configuration, len(problem.kinds))
    cost = json.loads(counted.read_text("utf-8"))[0] / steps_of_one
    return Scanned(findings_of(known), evidence, cost)


@contextmanager
def counted_steps() -> Iterator[list[int]]:
    """Count the steps of all optimizers in this process; the count is the only item."""
    steps = [0]

    def count(*_: object) -> None:
        steps[0] += 1

    hook = register_optimizer_step_post_hook(count)
    try:
        yield steps
    finally:
        hook.remove()


def _steps_of_one(configuration: dict[str, Any], samples: int) -> int:
    """Steps of one training on all samples."""
    return int(configuration["epochs"]) * -(-samples // int(configuration["batch_size"]))
