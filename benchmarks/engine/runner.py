"""Measures the cells of a plan in several processes; one that dies does not stop the others."""

import contextlib
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from benchmarks import catalogue
from benchmarks.engine.part import CellFolder
from benchmarks.engine.plan import Job, Plan
from benchmarks.engine.worker import Failure, work
from chaffinch.core.errors import RunError
from chaffinch.core.progress import Step, track

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_SECONDS_TO_LEAVE = 5


@dataclass
class _Worker:
    """A process, the connection to it, and the number of the job that it is at."""

    process: BaseProcess
    connection: Connection
    number: int | None = None


def jobs_to_do(plan: Plan, cache: Path) -> list[Job]:
    """What is not yet in the cache."""
    missing = [(job.cell, CellFolder(cache, job.cell).missing(job.methods)) for job in plan.jobs]
    return [Job(cell, tuple(methods)) for cell, methods in missing if methods]


def run_plan(plan: Plan, cache: Path, workers: int) -> list[Failure]:
    """Measure what is not yet in the cache.

    Args:
        plan: Cells and methods.
        cache: Where results are kept.
        workers: Most processes side by side; a suite may allow fewer.

    Returns:
        What failed, in the order of the plan; the next run tries it again.

    Raises:
        RunError: No process can be started.
    """
    jobs = jobs_to_do(plan, cache)
    workers = min(workers, plan.suite.workers or workers, len(jobs))
    with track(plan.suite.name, total=len(jobs)) as advance:
        return run_jobs(jobs, workers, lambda: _start(cache, plan.suite.modules), advance)


def run_jobs(
    jobs: Sequence[Job], workers: int, start: Callable[[], _Worker], advance: Step
) -> list[Failure]:
    """Hand out jobs to workers until all are done; failures come in the order of the jobs."""
    waiting = deque(range(len(jobs)))
    failures: dict[int, list[Failure]] = {}
    crew: list[_Worker] = []
    try:
        while len(crew) < workers:
            crew.append(start())
        while crew:
            ready = wait([one.connection for one in crew])
            for one in [one for one in crew if one.connection in ready]:
                alive, report = _receive(one, jobs)
                if one.number is not None:
                    failures[one.number] = report
                    advance()
                if alive and waiting:
                    one.number = waiting.popleft()
                    _send(one, jobs[one.number])
                    continue
                crew.remove(one)
                _dismiss(one)
                if waiting:
                    crew.append(start())
    finally:
        for one in crew:
            _stop(one)
    return [one for number in sorted(failures) for one in failures[number]]


def _start(cache: Path, modules: list[str]) -> _Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=(theirs, cache, catalogue.MODULES, modules))
    with _one_thread():
        process.start()
    theirs.close()  # else the end of the process would go unnoticed
    return _Worker(process, ours)


@contextmanager
def _one_thread() -> Iterator[None]:
    """The libraries of numbers read these when a process starts."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _send(one: _Worker, job: Job | None) -> None:
    with contextlib.suppress(OSError):  # a worker that is dead is noticed when it is listened to
        one.connection.send(job)


def _receive(one: _Worker, jobs: Sequence[Job]) -> tuple[bool, list[Failure]]:
    """Whether the worker lives, and what failed in its job."""
    try:
        return True, one.connection.recv()
    except (EOFError, ConnectionError):
        one.process.join()
    status = one.process.exitcode
    if one.number is None:
        raise RunError(
            "a process that can measure",
            f"one that ended with status {status} at its start",
            "Free some memory or use fewer --workers",
        )
    return False, [Failure(jobs[one.number], f"the process ended with status {status}")]


def _dismiss(one: _Worker) -> None:
    """Let a worker go that has nothing left to do."""
    _send(one, None)
    one.process.join(_SECONDS_TO_LEAVE)
    _stop(one)


def _stop(one: _Worker) -> None:
    """End a worker and what it started."""
    if one.process.is_alive() and one.process.pid is not None:
        with contextlib.suppress(OSError):
            os.killpg(one.process.pid, signal.SIGTERM)
        one.process.terminate()
        one.process.join()
    one.connection.close()
