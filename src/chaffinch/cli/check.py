"""The command `check`: what is wrong with a data set itself, without a model."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chaffinch.cli.say import console, say
from chaffinch.core.errors import InputError
from chaffinch.core.place import check_path

if TYPE_CHECKING:
    from rich.table import Table

    from chaffinch.checks import CheckResult

_SLATE, _RUST = "#6f8aa3", "#c8643a"
TABLE, ISSUES = "samples.csv", "issues.json"


def check(
    data: Annotated[str, typer.Argument(help="Table, .npz file or folder of images or sounds.")],
    label: Annotated[str | None, typer.Option(help="Column of the labels, if any.")] = None,
    splits: Annotated[
        str | None,
        typer.Option(help="Column of the splits, or their files or folders, commas between."),
    ] = None,
    id_column: Annotated[str | None, typer.Option("--id", help="Column of unique keys.")] = None,
    text: Annotated[
        str | None,
        typer.Option(help="Text column, or several, comma-separated; or none."),
    ] = None,
    series: Annotated[
        str | None, typer.Option(help="Column that names the time series of each row.")
    ] = None,
    max_pixels: Annotated[
        int | None, typer.Option(help="Largest image to decode, in pixels; 40 million by default.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the issues as JSON.")] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="File (.csv or .json), or folder for both."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files that Chaffinch wrote.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="End with 1 on any issue of medium or high severity.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
) -> None:
    """Look at the data set itself: copies, leaks, odd images, columns, labels, order, drift."""
    check_path(data)
    places = {} if out is None else places_of(out, overwrite)
    from chaffinch.checks.run import check as check_data
    from chaffinch.checks.run import named_splits

    found = check_data(
        data,
        label,
        None if splits is None else named_splits(splits, data),
        seed,
        id_column=id_column,
        text_column=text,
        series=series,
        max_pixels=max_pixels,
    )
    if as_json:
        typer.echo(found.to_json())
    else:
        say(found.summary().splitlines()[0])
        if not found.issues.empty:
            console().print(shown(found))
        for note in found.notes:
            say(f"Note: {note}")
    if places:
        write(found, places, overwrite)
    for place in places:
        say(str(place), err=as_json)
    if strict and found.worst():
        raise typer.Exit(1)


def shown(found: "CheckResult") -> "Table":
    """The issues as a table that fits 80 columns; no text of the data is read as markup."""
    from rich.table import Table
    from rich.text import Text

    from chaffinch.checks.result import told_count, told_names
    from chaffinch.core.plain_text import clean

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style=_SLATE)
    table.add_column("issue", no_wrap=True)
    table.add_column("severity")
    table.add_column("found", overflow="fold")
    for one in found.issues.to_dict("records"):
        names = told_names(one)
        lines = [f"{told_count(one)}. {one['description']}.", f"Such as {names}."][
            : 1 + bool(names)
        ]
        style = _RUST if one["severity"] == "high" else ""
        body = Text(clean("\n".join(lines))).append(f"\n{one['remedy']}.", style="dim")
        table.add_row(Text(one["issue"]), Text(one["severity"], style=style), body)
    return table


def places_of(out: Path, overwrite: bool) -> dict[Path, Callable[["CheckResult", Path], Any]]:
    """What writes each file that ``--out`` stands for, by its place.

    Raises:
        InputError: A file with another ending, or one that may not be replaced.
    """
    from chaffinch.checks import CheckResult
    from chaffinch.store.draft import free
    from chaffinch.store.mark import need_local

    need_local(out)
    writers: dict[str, Callable[[CheckResult, Path], Any]] = {
        ".csv": CheckResult.to_csv,
        ".json": CheckResult.to_json,
    }
    if out.suffix in writers and not out.is_dir():
        places = [out]
    elif out.suffix and not out.is_dir():
        raise InputError("a .csv or .json file, or a folder", str(out), "Change the ending")
    else:
        places = [out / TABLE, out / ISSUES]
    for place in places:
        free(place, overwrite)
    return {place: writers[place.suffix] for place in places}


def write(
    found: "CheckResult",
    places: Mapping[Path, Callable[["CheckResult", Path], Any]],
    overwrite: bool,
) -> None:
    """Write the table of samples, the issues, or both, whole or not at all."""
    from chaffinch.store.draft import delivered

    files = {place: partial(writer, found) for place, writer in places.items()}
    delivered(files, overwrite=overwrite)
