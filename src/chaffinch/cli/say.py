"""What the commands print."""

from pathlib import Path

import typer

from chaffinch.core.plain_text import clean


def say(text: str, *, err: bool = False) -> None:
    """Print a text; names and reasons in it may come from anybody, and give the terminal no orders.

    Args:
        text: What to print.
        err: Whether on standard error.
    """
    typer.echo(clean(text), err=err)


def say_whether_known(run: Path, url: str | None, *, needed: bool = False) -> None:
    """Say on standard error where the ledger does not know a run, or knew other content of it.

    Args:
        run: The run folder.
        url: The ledger that was named; see `ledger_for`.
        needed: Whether it is worth a word that there is no ledger.
    """
    from chaffinch.core.errors import ChaffinchError
    from chaffinch.pipeline.ledger import fault_of, ledger_for
    from chaffinch.store.ledger import NoLedgerError
    from chaffinch.store.run import RunFolder

    folder = RunFolder(run)
    try:
        book = ledger_for(run, url, create=False)
        fault = None if book is None else fault_of(folder.path, book)
        place = "" if book is None else book.database.place
    except NoLedgerError as error:
        fault, place = ("it does not exist yet" if needed else None), error.expected
    except ChaffinchError as error:
        if needed:
            raise
        fault, place = error.got, "the ledger"  # the work does not depend on it
    if fault is not None:
        _ = folder.findings  # where they cannot be read, that is the matter
        say(f"chaffinch: note on {place}: {fault}", err=True)
