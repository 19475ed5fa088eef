"""Results on disk: one small file for each set, method and seed, so that a run goes on."""

import json
import math
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd

from benchmarks.people import ours, peers  # noqa: F401 - they register the methods
from benchmarks.people.case import Case
from benchmarks.people.measure import measure
from benchmarks.people.method import METHODS, Skipped
from benchmarks.people.sets import SETS, Size, load_set

COLUMNS = ["group", "set", "method", "kind", "seed", "samples", "metric", "value", "seconds"]
Note = tuple[str, str, str]


@dataclass(frozen=True)
class Plan:
    """What is measured.

    Attributes:
        sets: Names of `SETS`.
        methods: Names of `METHODS`.
        seeds: Each redraws samples and noise.
        size: How many samples the sets have.
        cache: Folder of evidence and results.
    """

    sets: Sequence[str]
    methods: Sequence[str]
    seeds: Sequence[int]
    size: Size
    cache: Path

    def file(self, name: str, method: str, seed: int) -> Path:
        """Where one result is kept."""
        sizes = f"{self.size.injected}-{self.size.human}-{self.size.clean}"
        return self.cache / "results" / sizes / quote(name, safe="") / method / f"{seed}.json"


def run(plan: Plan, fresh: bool = False) -> list[Note]:
    """Measure what is missing.

    Returns:
        Set, method and reason for all that was skipped; these are tried again by the next run.
    """
    notes: list[Note] = []
    for seed in plan.seeds:
        for name in plan.sets:
            missing = [m for m in plan.methods if fresh or not plan.file(name, m, seed).is_file()]
            if missing:
                start = time.perf_counter()
                case = load_set(name, seed, plan.size, plan.cache)
                notes += _measure_case(plan, case, name, missing, seed)
                print(f"{name} {seed}: {time.perf_counter() - start:.1f} s", flush=True)
    return list(dict.fromkeys(notes))


def _measure_case(
    plan: Plan, case: Case, name: str, methods: Sequence[str], seed: int
) -> list[Note]:
    notes = []
    for method in methods:
        start = time.perf_counter()
        try:
            figures = measure(case, METHODS[method].run(case, seed))
        except Skipped as reason:
            notes.append((name, method, str(reason)))
            continue
        content = {"samples": len(case), "seconds": time.perf_counter() - start}
        _write(plan.file(name, method, seed), {**content, "figures": figures})
    return notes


def gather(plan: Plan) -> pd.DataFrame:
    """The long table of all that is known: one row a figure."""
    rows = []
    for name in plan.sets:
        for method in plan.methods:
            for seed in plan.seeds:
                file = plan.file(name, method, seed)
                if not file.is_file():
                    continue
                kept = json.loads(file.read_text("utf-8"))
                head = [SETS[name].group, name, method, METHODS[method].kind, seed, kept["samples"]]
                rows += [
                    [*head, metric, math.nan if value is None else value, kept["seconds"]]
                    for metric, value in kept["figures"].items()
                ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _write(file: Path, content: dict[str, Any]) -> None:
    figures = {k: None if math.isnan(v) else v for k, v in content["figures"].items()}
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps({**content, "figures": figures}), "utf-8")
    os.replace(draft, file)
