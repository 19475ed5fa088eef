"""A process that measures one method after another, each in a child of its own.

Run as a module: a line of JSON on standard input says what, and a line of JSON for each method
comes back. The data are made once; each child is a fresh copy
of this process, which has not computed anything, so that no method profits from another's memory.
"""

import ctypes
import importlib
import json
import os
import resource
import select
import signal
import statistics
import sys
import time
import traceback
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

import torch

from benchmarks.catalogue import load_catalogue
from benchmarks.experiments.runtime.factors import Sizes, make_situation
from benchmarks.experiments.runtime.work import INFLUENCE, find_work
from benchmarks.method import METHODS
from benchmarks.peers.library import library
from benchmarks.situation import Situation
from chaffinch.core.errors import InputError

# Imports and compilers are not what is timed.
_WARM = {"samples": 200, "targets": 20, "classes": 3, "inputs": 16}
_IMPORTED = {
    "captum": ("captum.influence",),
    "cleanlab": ("cleanlab.rank", "cleanlab.filter", "cleanlab.outlier"),
    "dattri": ("dattri.task", "dattri.algorithm.influence_function", "dattri.algorithm.trak"),
    "pyod": ("pyod.models.iforest",),
}
_WARM_SECONDS = 120.0
_ENOUGH_SECONDS = 1.0
_REPEATS = 3


def resident(which: str) -> float:
    """Memory of this process in MiB: ``VmRSS`` for now, ``VmHWM`` for the peak (Linux)."""
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(which)) / 1024


def clock(name: str, situation: Situation, seed: int) -> dict[str, Any]:
    """Seconds (median of up to three runs) and peak memory in MiB above what was there before."""
    work = find_work(name, situation, seed)
    _give_back()
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", "utf-8")  # forgets the peak so far
    taken: list[float] = []
    while len(taken) < _REPEATS and sum(taken) < _ENOUGH_SECONDS:
        # Nothing derived from the evidence in the last run may be found again.
        fresh = replace(situation, evidence=replace(situation.evidence))
        start = time.perf_counter()
        work(fresh)
        taken.append(time.perf_counter() - start)
    peak = max(0.0, resident("VmHWM") - before)
    return {"seconds": statistics.median(taken), "peak_mib": peak}


def _give_back() -> None:
    """Return freed memory to the system: what is used again would not show in the peak."""
    with suppress(AttributeError, OSError):  # other C libraries do not have it
        ctypes.CDLL(None).malloc_trim(0)


def in_child(name: str, sizes: Sizes, situation: Situation, seed: int, pipe: int) -> None:
    """Measure one method in this process, and tell the parent through a pipe."""
    try:
        find_work(name, situation, seed)
    except InputError as error:
        os.write(pipe, (json.dumps({"reason": str(error)}) + "\n").encode())
        return
    try:
        small = make_situation(sizes.model_copy(update=_WARM), seed)
        find_work(name, small, seed)(small)
        os.write(pipe, b"ready\n")
        limit = int((resident("VmSize") + sizes.memory_mib) * 2**20)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        found = clock(name, situation, seed)
    except BaseException as error:  # a peer may raise anything
        traceback.print_exc()
        found = {"error": f"{type(error).__name__}: {error}"[:300]}
        if isinstance(error, MemoryError) or "allocate memory" in str(error):
            found = {"reason": f"more than {sizes.memory_mib} MiB"}
    os.write(pipe, (json.dumps(found) + "\n").encode())


def measure_one(name: str, sizes: Sizes, situation: Situation, seed: int) -> dict[str, Any]:
    """Fork, measure, and give up after the time that is allowed."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        in_child(name, sizes, situation, seed, write)
        os._exit(0)
    os.close(write)
    try:
        with os.fdopen(read, encoding="utf-8") as lines:
            line = _next_line(lines, _WARM_SECONDS)
            if line == "ready\n":
                line = _next_line(lines, sizes.cap)
                late = f"more than {sizes.cap:g} s"
            else:
                late = f"not warm after {_WARM_SECONDS:g} s"
        if line is None:
            return {"reason": late}
        answer: dict[str, Any] = json.loads(line or '{"error": "the process died"}')
        return answer
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _next_line(lines: TextIO, seconds: float) -> str | None:
    """A line, "" if there will be none, or None if none came in time."""
    # The two lines are never written at once: between them lies the measurement.
    ready, _, _ = select.select([lines], [], [], seconds)
    return lines.readline() if ready else None


def main() -> None:
    """Read what to measure, and answer line by line."""
    torch.set_num_threads(1)
    asked = json.loads(sys.stdin.readline())
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever peers print is no answer
    importlib.import_module("benchmarks.methods")
    if not all(name in INFLUENCE or name in METHODS for name in asked["methods"]):
        load_catalogue()  # takes seconds, which most calls are spared
    sizes = Sizes.of(asked["settings"])
    situation = make_situation(sizes, asked["seed"])
    for peer in {name.partition(" ")[0] for name in asked["methods"]} & set(_IMPORTED):
        for module in _IMPORTED[peer]:
            library(module)
    for name in asked["methods"]:
        found = measure_one(name, sizes, situation, asked["seed"])
        print(json.dumps({"method": name, **found}), file=answers, flush=True)


if __name__ == "__main__":
    main()
