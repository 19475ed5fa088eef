"""The commands. Each turns words into one call of the library and prints what came back."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

import chaffinch
from chaffinch.cli import (
    apply,
    attribute,
    calibrate,
    check,
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
from chaffinch.cli.say import say
from chaffinch.core.errors import ChaffinchError, InputError
from chaffinch.core.place import check_path, check_run

app = typer.Typer(
    help="Chaffinch finds the chaff in your training data.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

_RUN = Annotated[Path, typer.Argument(help="Folder of a finished run.")]
_SEED = Annotated[int, typer.Option(help="Decides every random choice.")]
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
    checkpoints: Annotated[
        str | None, typer.Option(help="Pattern of trained states of --model, scored as they are.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder; by default DATA.chaffinch.")] = None,
    id_column: Annotated[str | None, typer.Option("--id", help="Column of unique keys.")] = None,
    text: Annotated[
        str | None, typer.Option(help="Text column, several with commas between, or none.")
    ] = None,
    sep: Annotated[
        str | None, typer.Option(help="Character between the cells of a text file; or tab.")
    ] = None,
    decimal: Annotated[str | None, typer.Option(help="Decimal sign of its numbers, . or ,")] = None,
    encoding: Annotated[str | None, typer.Option(help="Its encoding, such as cp1252.")] = None,
    prompt: Annotated[str | None, typer.Option(help="Column of prompts without labels.")] = None,
    response: Annotated[str | None, typer.Option(help="Column of their responses.")] = None,
    lora: Annotated[Path | None, typer.Option(help="Adapters of a causal --model.")] = None,
    embedder: Annotated[
        Path | None, typer.Option(help="Folder of an encoder that embeds texts.")
    ] = None,
    length: Annotated[
        int | None, typer.Option(help="Most tokens of a text for the model in a folder.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the data.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Samples a step.")] = None,
    lr: Annotated[float | None, typer.Option(help="Peak learning rate.")] = None,
    folds: Annotated[
        int | None, typer.Option(help="Models held back from a part of the data; 0 for none.")
    ] = None,
    fold_epochs: Annotated[
        int | None, typer.Option(help="Passes of each of them; few by default.")
    ] = None,
    scorers: Annotated[
        str | None, typer.Option(help="Scorers wanted, or families, or all; commas between.")
    ] = None,
    select: Annotated[
        str, typer.Option(help="Flag for the best expected F1 (f1), or by false alarms (fdr).")
    ] = "f1",
    fdr: Annotated[float, typer.Option(help="False alarms that --select fdr allows.")] = 0.1,
    assume: Annotated[
        str,
        typer.Option(
            help="What a label is: one right class (crisp), an outcome (graded), or auto."
        ),
    ] = "auto",
    rounds: Annotated[
        str, typer.Option(help="Rounds of cleaning, training and judging; or auto.")
    ] = "1",
    canaries: Annotated[
        bool,
        typer.Option("--canaries/--no-canaries", help="Train a few spoilt copies beside the data."),
    ] = True,
    repeats: Annotated[
        int, typer.Option(help="Trainings under different seeds whose scores are fused.")
    ] = 1,
    ensemble: Annotated[
        int, typer.Option(help="Models to train for scorers that need an ensemble.")
    ] = 3,
    dropout_passes: Annotated[
        int, typer.Option(help="Passes with dropout on, for scorers that need them.")
    ] = 5,
    keep_checkpoints: Annotated[
        bool, typer.Option("--keep-checkpoints", help="Keep the weights after every epoch.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse data of which a sample cannot be judged.")
    ] = False,
    max_pixels: Annotated[
        int | None, typer.Option(help="Read images of up to so many pixels; 40 million by default.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, ...")] = "auto",
    seed: _SEED = 0,
    overwrite: _OVERWRITE = False,
    ledger: Annotated[
        str | None, typer.Option(help="File or URL of the ledger; none for no ledger.")
    ] = None,
) -> None:
    """Find the samples that do harm, say why, and write a report."""
    check_path(data)
    check_path(validation)
    options: dict[str, Any] = {
        "checkpoints": checkpoints,
        "id_column": id_column,
        "text_column": text,
        "sep": sep,
        "decimal": decimal,
        "encoding": encoding,
        "embedder": embedder,
        "length": length,
        "prompt": prompt,
        "response": response,
        "lora": lora,
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": lr,
        "folds": folds,
        "fold_epochs": fold_epochs,
        "scorers": scorers,
        "select": select,
        "fdr": fdr,
        "assume": assume,
        "rounds": rounds,
        "canaries": canaries,
        "repeats": repeats,
        "ensemble": ensemble,
        "dropout_passes": dropout_passes,
        "keep_checkpoints": keep_checkpoints,
        "strict": strict,
        "max_pixels": max_pixels,
        "device": device,
        "seed": seed,
        "overwrite": overwrite,
        "ledger": ledger,
        "out": out or Path(Path(data).resolve().name.split(".")[0] + ".chaffinch"),
    }
    with _interruptible():
        chaffinch.scan(data, label, model, validation, **options)
    _show(options["out"])


def report(run: _RUN) -> None:
    """Write a run's report anew and print its summary."""
    check_run(run)
    from chaffinch.report import write
    from chaffinch.store.run import RunFolder

    write(RunFolder(run))
    _show(run)


def demo(
    out: Annotated[Path, typer.Option(help="Run folder.")] = Path("chaffinch-demo"),
    seed: _SEED = 0,
    overwrite: _OVERWRITE = False,
) -> None:
    """The whole job on 1,797 scanned digits with 90 labels made wrong on purpose."""
    from chaffinch.cli.demo import run_demo

    with _interruptible():
        run_demo(out, seed, overwrite)
    _show(out)


def bench(
    suites: Annotated[
        list[str], typer.Argument(help="Suites by name, TOML files, 'all', or 'list'.")
    ],
    full: Annotated[bool, typer.Option("--full", help="The papers' sizes.")] = False,
    out: Annotated[Path, typer.Option(help="Folder of the pages.")] = Path("docs/benchmarks"),
    cache: Annotated[
        Path | None, typer.Option(help="Where results are kept; else CHAFFINCH_CACHE.")
    ] = None,
    workers: Annotated[int, typer.Option(help="Processes side by side; 0 for all cores.")] = 0,
    seeds: Annotated[int | None, typer.Option(help="How many seeds.", min=1)] = None,
    methods: Annotated[
        str, typer.Option(help="Only these methods or origins, commas between.")
    ] = "",
    only: Annotated[str, typer.Option(help="Only cells such as data=digits,rate=0.1.")] = "",
    fresh: Annotated[bool, typer.Option("--fresh", help="Measure again what is known.")] = False,
    pages: Annotated[
        bool, typer.Option("--pages", help="Measure nothing; write pages of what is known.")
    ] = False,
) -> None:
    """Measure how well glitches are found, by Chaffinch and others, and write pages about it."""
    from chaffinch.bench.engine.plan import Choice, parse_only
    from chaffinch.bench.session import Session, default_cache
    from chaffinch.cli.bench import run_bench

    names = tuple(filter(None, (name.strip() for name in methods.split(","))))
    choice = Choice(full, seeds, names, parse_only(only))
    with _interruptible():
        session = Session(out, cache or default_cache(), workers, fresh, pages)
        status = run_bench(suites, choice, session)
    raise typer.Exit(status)


def scorers() -> None:
    """List the scorers: name, family, what each looks at, and where it comes from."""
    table = Table("name", "family", "what it looks at", "paper", box=None, header_style="bold")
    table.columns[0].no_wrap = True
    for name, scorer in chaffinch.scorers.SCORERS.items():
        table.add_row(name, scorer.family, scorer.summary, scorer.paper)
    Console().print(table)


def estimators() -> None:
    """List the influence estimators: name, what each computes, what it costs, and the paper."""
    table = Table("name", "what it computes", "cost", "paper", box=None, header_style="bold")
    table.columns[0].no_wrap = True
    for name, preset in chaffinch.influence.ESTIMATORS.items():
        table.add_row(name, preset.summary, preset.cost, preset.paper)
    Console().print(table)


# In the order of the help.
app.command("scan")(scan)
app.command("check")(check.check)
app.command("report")(report)
app.command("explain")(explain.explain)
app.command("review")(review.review)
app.command("calibrate")(calibrate.calibrate)
app.command("propose")(propose.propose)
app.command("apply")(apply.apply)
app.command("verify")(verify.verify)
app.command("history")(history.history)
app.command("diff")(history.diff)
app.command("restore")(history.restore)
app.command("ledger")(ledger_command.ledger)
app.command("export")(export.export)
app.command("import")(import_.import_)
app.command("datasheet")(datasheet.datasheet)
app.command("attribute")(attribute.attribute)
app.command("scorers")(scorers)
app.command("estimators")(estimators)
app.command("demo")(demo)
app.command("bench")(bench)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C is no accident: say that nothing is lost."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo("chaffinch: stopped; the same command goes on where it was", err=True)
        raise typer.Exit(130) from None


def _show(run: Path) -> None:
    from chaffinch.report import summary
    from chaffinch.store.run import RunFolder

    summary(RunFolder(run), Console())


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
