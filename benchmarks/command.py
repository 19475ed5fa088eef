"""The command line: run suites and write their pages, or list what can be measured."""

import ast
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.engine.plan import Choice, parse_only
from benchmarks.engine.suite import bundled_suites, open_suite
from benchmarks.engine.worker import Failure
from benchmarks.session import Session, default_cache, find_suites
from chaffinch.cli.say import say
from chaffinch.core.errors import ChaffinchError, InputError

NAME = "python -m benchmarks"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
def bench(
    suites: Annotated[
        list[str] | None, typer.Argument(help="Suites by name, TOML files, 'all', or 'list'.")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="The papers' sizes.")] = False,
    out: Annotated[Path, typer.Option(help="Folder of the pages.")] = Path("docs/benchmarks"),
    cache: Annotated[
        Path | None, typer.Option(help="Where results are kept; else CHAFFINCH_CACHE.")
    ] = None,
    workers: Annotated[int, typer.Option(help="Parallel processes; 0 for all cores.")] = 0,
    seeds: Annotated[int | None, typer.Option(help="Number of seeds.", min=1)] = None,
    methods: Annotated[
        str, typer.Option(help="Only these methods or origins, separated by commas.")
    ] = "",
    only: Annotated[str, typer.Option(help="Only cells such as data=digits,rate=0.1.")] = "",
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Measure again what is in the cache.")
    ] = False,
    pages: Annotated[
        bool, typer.Option("--pages", help="Measure nothing; write pages from the cache.")
    ] = False,
) -> None:
    """Measure how well errors are found, by Chaffinch and others, and write pages about it.

    Without a suite, or with 'list', print the suites and the single benchmarks.
    """
    if not suites or suites == ["list"]:
        list_benchmarks()
        return
    names = tuple(filter(None, (name.strip() for name in methods.split(","))))
    choice = Choice(full, seeds, names, parse_only(only))
    session = Session(out, cache or default_cache(), workers, fresh, pages)
    with _interruptible():
        status = run_suites(suites, choice, session)
    raise typer.Exit(status)


def list_benchmarks() -> None:
    """Print the suites, and the benchmarks that are modules of their own."""
    table = Table("suite", "minutes", "what it answers", box=None, header_style="bold")
    table.columns[0].no_wrap = True
    for suite in map(open_suite, bundled_suites()):
        table.add_row(suite.name, f"{suite.minutes:g}", suite.question)
    console = Console()
    console.print(table)
    console.print(f"\n{NAME} SUITE runs one; {NAME} --help lists the options.\n")
    table = Table("single benchmark", "what it measures", box=None, header_style="bold")
    table.columns[0].no_wrap = True
    for name, line in single_benchmarks().items():
        table.add_row(name, line)
    console.print(table)
    console.print(f"\n{NAME}.NAME runs one, {NAME}.NAME --help lists its options.")


def single_benchmarks() -> dict[str, str]:
    """The first line about every other module with a `main`, by name below ``benchmarks``.

    The modules are read, not imported.
    """
    folder = Path(__file__).parent
    own = {Path(__file__), folder / "__main__.py", *(folder / "experiments").rglob("*.py")}
    found = {}
    for path in sorted(set(folder.rglob("*.py")) - own):
        tree = ast.parse(path.read_text("utf-8"))
        if any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in tree.body):
            name = ".".join(path.relative_to(folder).with_suffix("").parts)
            line = (ast.get_docstring(tree) or "").split("\n")[0]
            found[name.removesuffix(".__main__")] = line
    return found


def run_suites(suites: Sequence[str], choice: Choice, session: Session) -> int:
    """Run suites one after another.

    Args:
        suites: Names or paths, or ``all``.
        choice: The part of each suite that is wanted.
        session: How to run them; no workers stand for as many as there are cores.

    Returns:
        The exit status: 1 if anything failed, or one of ``all`` was left out.

    Raises:
        ChaffinchError: A suite cannot be run; one of ``all`` is left out with a message.
    """
    if session.workers < 0:
        raise InputError(
            "at least one worker", str(session.workers), "Leave --workers out for all cores"
        )
    for name in suites:
        if name in single_benchmarks():
            raise InputError(
                "the name of a suite or the path of a TOML file",
                f"{name!r}, a benchmark of its own",
                f"Type {NAME}.{name}",
            )
    session = replace(session, workers=session.workers or _cores())
    failed = False
    for suite in find_suites(suites):
        try:
            page, failures = session.run(suite, choice, lambda text: typer.echo(text, err=True))
        except ChaffinchError as error:
            if list(suites) != ["all"]:
                raise
            typer.echo(f"benchmarks: left out: {suite.name}: {error}", err=True)
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
    return f"benchmarks: failed: {cell.suite} ({place}{method}): {failure.message}"


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def _interruptible() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        typer.echo("benchmarks: stopped; the same command continues from here", err=True)
        raise typer.Exit(130) from None


def main() -> None:
    """Run the command; errors made on purpose become one message and an exit status."""
    try:
        app(prog_name=NAME)
    except ChaffinchError as error:
        say(f"benchmarks: {error}", err=True)
        sys.exit(error.exit_status)
    except OSError as error:
        message = InputError("to read and write files", str(error), "Check path, rights and space")
        say(f"benchmarks: {message}", err=True)
        sys.exit(message.exit_status)
