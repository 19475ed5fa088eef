"""The command ``calibrate``: learn from a few answers how many labels are wrong, and which."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from chaffinch.cli.history import LEDGER
from chaffinch.core.place import check_path, check_run


def calibrate(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    answers: Annotated[
        Path | None, typer.Option(help="CSV file with the columns id and right_label, or wrong.")
    ] = None,
    count: Annotated[
        int | None, typer.Option(help="How many samples to check; 30 by default.", min=1)
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="File of the samples to check; RUN/to_check.csv by default.")
    ] = None,
    reviewer: Annotated[
        str, typer.Option(help="Who answered; by default the name of your account.")
    ] = "",
    ledger: LEDGER = None,
) -> None:
    """List samples for people to check, and learn from their answers."""
    check_run(run)
    check_path(answers)
    from chaffinch.pipeline import calibrate as job
    from chaffinch.pipeline.answers import answers_of
    from chaffinch.pipeline.check_file import TO_CHECK, read_check_file, write_check_file
    from chaffinch.pipeline.labelled import need_labels
    from chaffinch.pipeline.ledger import ledger_for
    from chaffinch.pipeline.outcome import findings_of
    from chaffinch.store.run import RunFolder

    folder, file = RunFolder(run), out or run / TO_CHECK
    need_labels(folder.record)
    first = findings_of(folder)
    told = None if answers is None else read_check_file(answers, first)
    book = ledger_for(run, ledger)
    if told is not None or job.answered(folder, first, book):
        made = job.calibrate(run, told, ledger=ledger, reviewer=reviewer)
        _tell(made.details["calibration"], len(made))
        typer.echo(f"They count in {run / 'report.html'} and in: chaffinch propose {run}")
        if answers is not None and count is None:
            return
    more = count is not None
    rows = job.samples_to_check(folder, book, count or job.COUNT, more=more)
    if not rows:
        typer.echo(f"All samples drawn are checked; for more: chaffinch calibrate {run} --count 30")
        return
    write_check_file(folder, first, rows, file, set(answers_of(folder, first, book)["id"]))
    typer.echo(
        f"{len(rows):,} samples to check are in {file}, drawn at random and in random order."
    )
    typer.echo("Look at each one and write its right label into the column right_label ('?' if you")
    typer.echo(f"cannot tell). Then: chaffinch calibrate {run} --answers {file}")
    typer.echo(f"Or look at them on a page: chaffinch review {run}")


def _tell(found: Mapping[str, Any], samples: int) -> None:
    """Print what answers changed."""
    level = f"{found['level']:.0%}"
    typer.echo(
        f"{found['answers']:,} samples checked, {found['wrong']:g} of them wrong"
        + (f"; of {found['undecided']:,} more nobody could tell" if found["undecided"] else "")
    )
    typer.echo(
        f"wrong labels: {found['rate']:.1%} of {samples:,} "
        f"({level} interval {found['low']:.1%} to {found['high']:.1%})"
    )
    before, after = found["before"], found["after"]
    typer.echo(
        f"flagged: {before['flagged']:,} before, {after['flagged']:,} now; wrong labels estimated: "
        f"{before['estimated_errors']:,.0f} before, {after['estimated_errors']:,.0f} now"
    )
    agreement = found["agreement"]
    if agreement:
        typer.echo(
            f"reviewers agree on {agreement['share']:.0%} of the answers to the same "
            f"{agreement['samples']:,} samples (Cohen's kappa {agreement['kappa']:.2f})"
        )
    for one in found["more"]:
        typer.echo(
            f"with {one['answers']:,} more answers the interval would be about "
            f"{one['width']:.1%} wide instead of {found['high'] - found['low']:.1%}"
        )
