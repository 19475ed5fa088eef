"""The command ``calibrate``: learn from a few answers how many labels are wrong, and which."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from chaffinch.cli.command import OUT
from chaffinch.cli.history import LEDGER
from chaffinch.cli.say import say
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
        Path | None,
        typer.Option(*OUT, help="File of the samples to check; RUN/to_check.csv by default."),
    ] = None,
    reviewer: Annotated[
        str, typer.Option(help="Who answered; by default the name of your account.")
    ] = "",
    ledger: LEDGER = None,
) -> dict[str, Any]:
    """List samples for people to check, and learn from their answers."""
    check_run(run)
    check_path(answers)
    from chaffinch.runs.run import Run

    opened = Run.open(run)
    told: dict[str, Any] = {"run": run, "calibration": None, "to_check": None}
    if answers is not None or opened.has_answers(ledger=ledger):
        made = opened.calibrate(answers, ledger=ledger, reviewer=reviewer)
        told["calibration"] = made.details["calibration"]
        _tell(made.details["calibration"], len(made))
        say(f"They count in {run / 'report.html'} and in: chaffinch propose {run}")
        if answers is not None and count is None:
            return told
    file = opened.ask(count, out, ledger=ledger)
    if file is None:
        say(f"All samples drawn are checked; for more: chaffinch calibrate {run} --count 30")
        return told
    told["to_check"] = file.path
    told_of = f"{file.samples:,} samples to check are in {file.path}"
    say(f"{told_of}, drawn at random and in random order.")
    say("Look at each one and write its right label into the column right_label ('?' if you")
    say(f"cannot tell). Then: chaffinch calibrate {run} --answers {file.path}")
    say(f"Or look at them on a page: chaffinch review {run}")
    return told


def _tell(found: Mapping[str, Any], samples: int) -> None:
    """Print what answers changed."""
    level = f"{found['level']:.0%}"
    say(
        f"{found['answers']:,} samples checked, {found['wrong']:g} of them wrong"
        + (f"; of {found['undecided']:,} more nobody could tell" if found["undecided"] else "")
    )
    say(
        f"wrong labels: {found['rate']:.1%} of {samples:,} "
        f"({level} interval {found['low']:.1%} to {found['high']:.1%})"
    )
    before, after = found["before"], found["after"]
    say(
        f"flagged: {before['flagged']:,} before, {after['flagged']:,} now; wrong labels estimated: "
        f"{before['estimated_errors']:,.0f} before, {after['estimated_errors']:,.0f} now"
    )
    agreement = found["agreement"]
    if agreement:
        say(
            f"reviewers agree on {agreement['share']:.0%} of the answers to the same "
            f"{agreement['samples']:,} samples (Cohen's kappa {agreement['kappa']:.2f})"
        )
    for one in found["more"]:
        say(
            f"with {one['answers']:,} more answers the interval would be about "
            f"{one['width']:.1%} wide instead of {found['high'] - found['low']:.1%}"
        )
