"""The commands. Each turns words into one call of the library and prints what came back."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

import chaffinch
from chaffinch.cli import (
    apply,
    attribute,
    calibrate,
    check,
    consensus,
    datasheet,
    explain,
    export,
    history,
    import_,
    propose,
    review,
    verify,
)
from chaffinch.cli import ledger as ledger_command
from chaffinch.cli.command import OUT, register
from chaffinch.cli.options import options_in_shell
from chaffinch.cli.say import console, say
from chaffinch.core.errors import ChaffinchError, InputError
from chaffinch.core.place import check_model, check_paths, check_run
from chaffinch.pipeline.scan_declaration import ScanDeclaration

if TYPE_CHECKING:
    from chaffinch.runs.run import Run

app = typer.Typer(
    help="Chaffinch finds the chaff in your training data.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

_RUN = Annotated[Path, typer.Argument(help="Folder of a finished run.")]
_SEED = Annotated[int, typer.Option(help="Random seed.")]
_ANY_WORDS = {"allow_extra_args": True, "ignore_unknown_options": True}
_OVERWRITE = Annotated[bool, typer.Option("--overwrite", help="Replace an earlier run.")]


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        typer.echo(f"chaffinch {chaffinch.__version__}")
        raise typer.Exit


def scan(
    data: Annotated[str, typer.Argument(help="Table, .npz file or folder of images.")],
    label: Annotated[str | None, typer.Option(help="Column of the labels.")] = None,
    validation: Annotated[str | None, typer.Option(help="Clean data of the same kind.")] = None,
    model: Annotated[
        str | None,
        typer.Option(help="Your model as MODULE:FACTORY or FILE.py:FACTORY; for texts a folder."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(*OUT, help="Run folder; by default DATA.chaffinch.")
    ] = None,
    **options: Any,
) -> Any:
    """Find the samples that do harm, say why, and write a report."""
    check_paths(data, validation, options["lora"], options["embedder"])
    check_model(model)
    place = out or Path(Path(data).resolve().name.split(".")[0] + ".chaffinch")
    with _interruptible():
        run = chaffinch.scan(data, label, model, validation, out=place, **options)
    return _show(run)


def report(run: _RUN) -> Any:
    """Write a run's report anew and print its summary."""
    check_run(run)
    from chaffinch.runs.run import Run

    opened = Run.open(run)
    opened.report()
    return _show(opened)


def demo(
    out: Annotated[Path, typer.Option(*OUT, help="Run folder.")] = Path("chaffinch-demo"),
    seed: _SEED = 0,
    overwrite: _OVERWRITE = False,
) -> Any:
    """The whole job on 1,797 scanned digits with 90 labels made wrong on purpose."""
    from chaffinch.cli.demo import run_demo

    with _interruptible():
        run_demo(out, seed, overwrite)
    return _show(chaffinch.Run.open(out))


def bench() -> None:
    """Say where the benchmark went; until 0.1 this command ran it."""
    raise InputError(
        "a command of the package",
        "'bench', which is part of the repository only since 0.2",
        "In a checkout, type: python -m benchmarks SUITE",
    )


def scorers() -> Any:
    """List the scorers: name, family, what each looks at, and where it comes from."""
    table = Table("name", "family", "what it looks at", "paper", box=None, header_style="bold")
    table.columns[0].no_wrap = True
    for name, scorer in chaffinch.scorers.SCORERS.items():
        table.add_row(name, scorer.family, scorer.summary, scorer.paper)
    console().print(table)
    return [
        {"name": name, "family": one.family, "summary": one.summary, "paper": one.paper}
        for name, one in chaffinch.scorers.SCORERS.items()
    ]


def estimators() -> Any:
    """List the influence estimators: name, what each computes, what it costs, and the paper."""
    table = Table("name", "what it computes", "cost", "paper", box=None, header_style="bold")
    table.columns[0].no_wrap = True
    for name, preset in chaffinch.influence.ESTIMATORS.items():
        table.add_row(name, preset.summary, preset.cost, preset.paper)
    console().print(table)
    return [
        {"name": name, "summary": one.summary, "cost": one.cost, "paper": one.paper}
        for name, one in chaffinch.influence.ESTIMATORS.items()
    ]


# In the order of the help.
register(app, "scan", scan, options_in_shell(ScanDeclaration, "out", "embeddings"))
register(app, "check", check.check)
register(app, "report", report)
register(app, "explain", explain.explain)
register(app, "review", review.review)
register(app, "calibrate", calibrate.calibrate)
register(app, "propose", propose.propose)
register(app, "apply", apply.apply)
register(app, "verify", verify.verify)
register(app, "history", history.history)
register(app, "diff", history.diff)
register(app, "restore", history.restore)
register(app, "ledger", ledger_command.ledger)
register(app, "export", export.export)
register(app, "import", import_.import_)
register(app, "consensus", consensus.consensus)
register(app, "datasheet", datasheet.datasheet)
register(app, "attribute", attribute.attribute)
register(app, "scorers", scorers)
register(app, "estimators", estimators)
register(app, "demo", demo)
app.command("bench", hidden=True, context_settings=_ANY_WORDS)(bench)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C is no accident: say that nothing is lost."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo("chaffinch: stopped; the same command goes on where it was", err=True)
        raise typer.Exit(130) from None


def _show(run: "Run") -> dict[str, Any]:
    """Print the summary of a run; returns what ``--json`` prints of it."""
    from chaffinch.report import summary
    from chaffinch.store.run import FINDINGS, REPORT, RunFolder

    summary(RunFolder(run.path), console())
    record, place = run.info, run.path
    kinds = run.flagged["kind"].value_counts()
    return {
        "run": place,
        "samples": record.data.samples,
        "flagged": len(run.flagged),
        "kinds": {str(kind): int(count) for kind, count in kinds.items()},
        "estimated_errors": run.estimated_errors,
        "notes": run.notes,
        "report": place / REPORT,
        "findings": place / FINDINGS,
    }


def main() -> None:
    """Run a command; errors made on purpose become one message and an exit status."""
    try:
        app()
    except ChaffinchError as error:
        say(f"chaffinch: {error}", err=True)
        sys.exit(error.exit_status)
    except OSError as error:  # a full disk, a folder that may not be written to, ...
        message = InputError("to read and write files", str(error), "Check path, rights and space")
        say(f"chaffinch: {message}", err=True)
        sys.exit(message.exit_status)
