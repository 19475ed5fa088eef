"""What the commands print."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from chaffinch.core.plain_text import clean

if TYPE_CHECKING:
    from rich.console import Console

_QUIET: ContextVar[bool] = ContextVar("quiet", default=False)


@contextmanager
def hushed(quiet: bool) -> Iterator[None]:
    """Print nothing but errors and warnings, and show no progress, where ``quiet``."""
    from chaffinch.core.progress import silent

    token = _QUIET.set(quiet)
    try:
        with silent(quiet):
            yield
    finally:
        _QUIET.reset(token)


def console() -> "Console":
    """Where tables and summaries are printed."""
    from rich.console import Console

    return Console(quiet=_QUIET.get())


def say(text: str, *, err: bool = False) -> None:
    """Print a text; names and reasons in it may come from anybody, and give the terminal no orders.

    Args:
        text: What to print.
        err: Whether on standard error.
    """
    if err or not _QUIET.get():
        typer.echo(clean(text), err=err)


def say_always(text: str) -> None:
    """Print what is needed in any case: on standard error where all else is hushed."""
    say(text, err=_QUIET.get())


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
