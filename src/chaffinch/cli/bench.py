"""The command ``bench``: run suites, write their pages, say what failed."""

import os
from collections.abc import Sequence
from dataclasses import replace

import typer
from rich.console import Console
from rich.table import Table

from chaffinch.bench.engine.plan import Choice
from chaffinch.bench.engine.suite import bundled_suites, open_suite
from chaffinch.bench.engine.worker import Failure
from chaffinch.bench.session import Session, find_suites
from chaffinch.core.errors import ChaffinchError, InputError


def list_suites() -> None:
    """Print the suites that come with the package."""
    table = Table("suite", "minutes", "what it answers", box=None, header_style="bold")
    table.columns[0].no_wrap = True
    for suite in map(open_suite, bundled_suites()):
        table.add_row(suite.name, f"{suite.minutes:g}", suite.question)
    Console().print(table)


def run_bench(suites: Sequence[str], choice: Choice, session: Session) -> int:
    """Run suites one after another.

    Args:
        suites: Names or paths, ``all``, or ``list``.
        choice: The part of each suite that is wanted.
        session: How to run them; no workers stand for as many as there are cores.

    Returns:
        The exit status: 1 if anything failed, or one of ``all`` was left out.

    Raises:
        ChaffinchError: A suite cannot be run; one of ``all`` is left out with a message.
    """
    if list(suites) == ["list"]:
        list_suites()
        return 0
    if session.workers < 0:
        raise InputError(
            "at least one worker", str(session.workers), "Leave --workers out for all cores"
        )
    session = replace(session, workers=session.workers or _cores())
    failed = False
    for suite in find_suites(suites):
        try:
            page, failures = session.run(suite, choice, lambda text: typer.echo(text, err=True))
        except ChaffinchError as error:
            if list(suites) != ["all"]:
                raise
            typer.echo(f"chaffinch: left out: {suite.name}: {error}", err=True)
            failed = True
            continue
        for failure in failures:
            typer.echo(_told(failure), err=True)
        failed |= bool(failures)
        typer.echo(str(page))
    return int(failed)


def _told(failure: Failure) -> str:
    cell = failure.job.cell
    place = f"{cell.data}, {cell.model}, {cell.glitch} {cell.rate:g}, seed {cell.seed}"
    method = f", {failure.method}" if failure.method else ""
    return f"chaffinch: failed: {cell.suite} ({place}{method}): {failure.message}"


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
