"""A process that measures one cell after another, on one thread."""

import os
import signal
import sys
import time
import traceback
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks.catalogue import load_catalogue
from benchmarks.engine.part import CellFolder
from benchmarks.engine.plan import Job
from benchmarks.experiment import EXPERIMENTS, FAILED, Measurement


@dataclass(frozen=True)
class Failure:
    """A cell, or one method in it, that came to nothing.

    Attributes:
        job: The cell and the methods that were to be measured.
        message: What went wrong.
        method: The only method concerned, or "" for all of them.
    """

    job: Job
    message: str
    method: str = ""


def measure(job: Job, cache: Path) -> list[Failure]:
    """Measure a cell and keep the results, a part for each method.

    Parts are kept when the experiment is done with the cell: it may come back to a method.
    """
    folder = CellFolder(cache, job.cell)
    found: dict[str, list[Measurement]] = defaultdict(list)
    failures = {}
    start = time.perf_counter()
    try:
        folder.describe(job.cell)
        run = EXPERIMENTS[job.cell.experiment].function
        for one in run(job.cell, job.methods, folder.kept):
            found[one.method].append(one)
            if one.metric == FAILED:
                failures[one.method] = Failure(job, one.group, one.method)
    except Exception as error:  # whatever it is, the other cells go on
        traceback.print_exc()
        return [Failure(job, f"{type(error).__name__}: {error}")]
    seconds = time.perf_counter() - start
    for method in job.methods:
        if method not in failures:
            folder.write(method, found[method], seconds)
    return list(failures.values())


def work(connection: Connection, cache: Path, own: Sequence[str], modules: Sequence[str]) -> None:
    """Measure the jobs that come through a connection until it says None or closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop
    if hasattr(os, "setpgrp"):
        os.setpgrp()  # so that it can stop the children of this process as well
    load_catalogue(modules, own)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    connection.send([])
    while True:
        try:
            job = connection.recv()
            if job is None:
                return
            with _printing_to(CellFolder(cache, job.cell).log):
                failures = measure(job, cache)
            connection.send(failures)
        except (EOFError, BrokenPipeError):  # the parent is gone
            return


@contextmanager
def _printing_to(path: Path) -> Iterator[None]:
    """Send standard output and error to a file, also those of C libraries and children."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = os.dup(1), os.dup(2)
    with path.open("wb") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for before, number in zip(kept, (1, 2), strict=True):
            os.dup2(before, number)
            os.close(before)
