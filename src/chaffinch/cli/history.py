"""The commands `history`, `diff` and `restore`: versions of the data."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chaffinch.cli.command import OUT
from chaffinch.cli.say import say
from chaffinch.core.errors import InputError
from chaffinch.core.place import check_ledger, check_path, check_version, nearest
from chaffinch.core.plain_text import clean

if TYPE_CHECKING:
    import pandas as pd

    from chaffinch.store.ledger import Ledger

LEDGER = Annotated[
    str | None, typer.Option(help="File or URL of the ledger; by default the one nearby.")
]
_SHORT = 12


def history(
    subject: Annotated[
        str | None, typer.Argument(help="Data or a run; everything by default.")
    ] = None,
    ledger: LEDGER = None,
) -> "pd.DataFrame":
    """Show what happened to data or to a run: versions, plans, verifications, decisions."""
    check_ledger(ledger)
    from chaffinch.store.nearby import ledger_near

    gone = subject is not None and "://" not in subject and not os.path.exists(_local(subject))
    try:
        book = ledger_near(subject, url=ledger)
    except InputError:
        check_path(subject)  # where there is nothing, that is the matter
        raise
    # Data that are gone may still be known.
    if subject is not None and gone and not len(book.table("version", location=_local(subject))):
        raise _unknown(book, subject)
    from chaffinch.pipeline.history import history_of

    found = history_of(book, subject)
    if subject is not None and not len(found):
        raise _unknown(book, subject)
    show(found)
    return found


def _local(path: str) -> str:
    return os.path.abspath(os.path.expanduser(path))


def _unknown(book: "Ledger", subject: str) -> InputError:
    near = "" if os.path.exists(_local(subject)) else nearest(subject)
    return InputError(
        f"a run or data that the ledger {book.database.place} knows",
        f"{subject!r}, of which nothing was recorded",
        (f"Did you mean {near!r}? " if near else "")
        + "Check the path, or name another ledger with --ledger",
    )


def diff(
    before: Annotated[str, typer.Argument(help="Data, or the id of a version.")],
    after: Annotated[str, typer.Argument(help="Data, or the id of a version.")],
    out: Annotated[Path | None, typer.Option(*OUT, help="CSV file for the whole table.")] = None,
    ledger: LEDGER = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing file.")
    ] = False,
) -> dict[str, Any]:
    """Show which samples two versions of the data have not alike, and why."""
    check_version(before)
    check_version(after)
    check_ledger(ledger)
    import pandas as pd

    from chaffinch.pipeline.version import versions_between
    from chaffinch.store.draft import delivered, free
    from chaffinch.store.nearby import ledger_near
    from chaffinch.store.version import difference, find, rows_at, with_reasons

    if out is not None:
        free(out, overwrite)
    book = ledger_near(before, after, url=ledger)
    first, second = versions_between(book, before, after)
    later = find(book, second)
    plan = None if pd.isna(later["plan"]) else str(later["plan"])
    changes = with_reasons(book, difference(rows_at(book, first), rows_at(book, second)), plan)
    counts = changes["change"].value_counts(sort=False)
    told = ", ".join(f"{count:,} {word}" for word, count in counts.items()) or "no sample differs"
    say(f"{first[:_SHORT]} -> {second[:_SHORT]}: {told}")
    if out is not None:
        delivered({out: lambda draft: changes.to_csv(draft, index=False)}, overwrite=overwrite)
        say(str(out))
    elif len(changes):
        show(changes[["id", "change", "old_label", "new_label", "new_weight", "kind", "reason"]])
    return {"before": first, "after": second, "out": out, "changes": changes}


def restore(
    version: Annotated[str, typer.Argument(help="Id of a version, or its beginning.")],
    out: Annotated[Path, typer.Option(*OUT, help="Where to write the data; must not exist yet.")],
    ledger: LEDGER = None,
) -> dict[str, Any]:
    """Write a version of the data as it was, byte by byte."""
    check_ledger(ledger)
    from chaffinch.store.nearby import ledger_near
    from chaffinch.store.version import restore_version

    place = restore_version(ledger_near(out, url=ledger), version, out)
    say(str(place))
    return {"out": place}


def show(frame: "pd.DataFrame") -> None:
    """Print a table with nothing cut off, whatever the width of the terminal."""
    rows = [list(map(str, frame.columns))]
    rows += [list(map(_told, cells)) for cells in frame.to_numpy(dtype=object).tolist()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        say("  ".join(padded).rstrip())


def _told(cell: object) -> str:
    if cell is None or cell != cell:
        return ""
    return f"{cell:g}" if isinstance(cell, float) else " ".join(clean(cell).split())
