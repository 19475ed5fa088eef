"""The command `export`: findings for other tools."""

from pathlib import Path
from typing import Annotated, Any

import typer

from chaffinch.cli.command import OUT
from chaffinch.cli.history import LEDGER
from chaffinch.cli.say import say, say_whether_known
from chaffinch.core.place import check_path, check_run


def export(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    to: Annotated[
        str,
        typer.Option(help="csv, parquet, json, cleanlab, label-studio or argilla."),
    ],
    out: Annotated[
        Path | None, typer.Option(*OUT, help="The file; by default named after run and format.")
    ] = None,
    rows: Annotated[
        str | None, typer.Option(help="all or flagged; flagged where people label, else all.")
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="Where the data are, if not where the run found them.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a file that Chaffinch wrote.")
    ] = False,
    safe_csv: Annotated[
        bool,
        typer.Option("--safe-csv", help="Quote texts that a spreadsheet takes for formulas."),
    ] = False,
    ledger: LEDGER = None,
) -> dict[str, Any]:
    """Write the findings as a table or as labelling tasks with suggestions."""
    check_run(run)
    check_path(data)
    from chaffinch.runs.run import Run

    opened = Run.open(run)
    say_whether_known(run, ledger)
    how: dict[str, Any] = {"overwrite": overwrite, "safe_csv": safe_csv}
    place = opened.export(to, out, rows=rows, data=data, **how)
    say(str(place))
    return {"out": place}
