"""The command `datasheet`: what the data are, and which faults are known."""

from pathlib import Path
from typing import Annotated, Any

import typer

from chaffinch.cli.command import OUT
from chaffinch.cli.history import LEDGER
from chaffinch.cli.say import say
from chaffinch.core.place import check_paths


def datasheet(
    subject: Annotated[str, typer.Argument(help="A run, or data.")],
    about: Annotated[
        Path | None, typer.Option(help="TOML file with what only people know.")
    ] = None,
    out: Annotated[
        Path, typer.Option(*OUT, help="Path of both files, without an extension.")
    ] = Path("datasheet"),
    label: Annotated[str | None, typer.Option(help="Column of the labels, for data.")] = None,
    id_column: Annotated[
        str | None, typer.Option("--id", help="Column of unique keys, for data.")
    ] = None,
    ledger: LEDGER = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
) -> dict[str, Any]:
    """Write a data sheet, as Markdown and as Croissant JSON."""
    check_paths(subject, about)
    from chaffinch.pipeline.datasheet import read_about, sheet_of, write_sheet

    sheet = sheet_of(subject, read_about(about), ledger, label=label, id_column=id_column)
    files = list(write_sheet(sheet, out, overwrite=overwrite))
    for place in files:
        say(str(place))
    return {"files": files}
