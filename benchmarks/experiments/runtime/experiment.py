"""The experiment ``runtime``: seconds and peak memory of each method on factors of some size."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.cell import Cell
from benchmarks.experiment import Measurement, experiment, failed
from benchmarks.experiments.runtime.factors import Sizes
from benchmarks.experiments.runtime.work import ABOUT, expand

LEFT_OUT = "left_out"
"""Metric of a method that was given up; its group says why."""

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@experiment("runtime", version=1, expand=expand, about=ABOUT)
def runtime(cell: Cell, methods: Sequence[str], _folder: Path) -> Iterator[Measurement]:
    """Measure each method on one thread, in a process of its own, on random factors.

    Args:
        cell: The cell; `Sizes` says what its settings may be.
        methods: Names from `expand`.
        _folder: Not used: nothing but the figures is worth keeping.

    Yields:
        ``seconds`` (median of up to three runs, after one on small data) and ``peak_mib`` (above
        the data that it is given). A method that takes too long or too much memory, or that needs
        a matrix which is too large to be formed, has NaN for both, and `LEFT_OUT` with the reason.
        A method that raises an error counts as failed.
    """
    Sizes.of(cell.settings)
    asked = {"settings": cell.settings, "seed": cell.seed, "methods": list(methods)}
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.experiments.runtime.measure"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **dict.fromkeys(_THREADS, "1")},
    )
    with process:
        answers, _ = process.communicate(json.dumps(asked) + "\n")
    found = {one["method"]: one for one in map(json.loads, answers.splitlines())}
    for name in methods:
        one = found.get(name, {"error": f"the measuring process ended with {process.returncode}"})
        if "error" in one:
            yield failed(name, RuntimeError(one["error"]))
            continue
        for metric in ("seconds", "peak_mib"):
            yield Measurement(name, metric, float(one.get(metric, "nan")))
        if "reason" in one:
            yield Measurement(name, LEFT_OUT, 1.0, group=one["reason"])
