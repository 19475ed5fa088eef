"""The command ``review``: a page on this computer to look at findings and decide."""

from pathlib import Path
from typing import Annotated

import typer

from chaffinch.cli.say import say, say_whether_known
from chaffinch.core.place import check_path, check_run


def review(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    reviewer: Annotated[
        str | None, typer.Option(help="Your name; by default that of your account.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Port of the page; by default any free one.")
    ] = None,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Print the address only.")
    ] = False,
    data: Annotated[
        str | None, typer.Option(help="Where the data lie now, if they were moved.")
    ] = None,
    check: Annotated[
        int, typer.Option(help="Samples, drawn at random, to check before the queue.", min=0)
    ] = 30,
    ledger: Annotated[
        str | None, typer.Option(help="File or URL of the ledger that takes the decisions.")
    ] = None,
) -> None:
    """Look at the findings and decide, on a page that only this computer can see."""
    check_run(run)
    check_path(data)
    from chaffinch.core.errors import InputError
    from chaffinch.pipeline.ledger import ledger_for
    from chaffinch.review.server import serve
    from chaffinch.review.session import Session
    from chaffinch.store.ledger import user
    from chaffinch.store.run import RunFolder

    folder = RunFolder(run)
    say_whether_known(run, ledger, needed=True)
    book = ledger_for(run, ledger)
    if book is None:
        raise InputError("a ledger for the decisions", "'none'", "Name one with --ledger")
    name = user() if reviewer is None else reviewer
    session = Session(folder, book, name, data, checks=check)
    serve(session, port, browser=not no_browser, say=say)
    session.finish()
    plural = "" if session.decided == 1 else "s"
    say(f"{session.decided:,} decision{plural} recorded in {book.database.place}")
    say(f"They count in: chaffinch propose {run.as_posix()}")
