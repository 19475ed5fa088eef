"""The command ``review``: a page on this computer to look at findings and decide."""

from pathlib import Path
from typing import Annotated, Any

import typer

from chaffinch.cli.say import say, say_always, say_whether_known
from chaffinch.core.place import check_path, check_run


def review(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    reviewer: Annotated[
        str | None, typer.Option(help="Your name; by default that of your account.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Port of the page; by default any free one.")
    ] = None,
    host: Annotated[
        str, typer.Option(help="Serve a trusted network too: this computer's address in it.")
    ] = "127.0.0.1",
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Print the address only.")
    ] = False,
    data: Annotated[
        str | None, typer.Option(help="Where the data are, if not where the run found them.")
    ] = None,
    check: Annotated[
        int, typer.Option(help="Samples, drawn at random, to check before the queue.", min=0)
    ] = 30,
    ledger: Annotated[
        str | None, typer.Option(help="File or URL of the ledger that takes the decisions.")
    ] = None,
) -> dict[str, Any]:
    """Look at the findings and decide, on a page for this computer (or on purpose a network)."""
    check_run(run)
    check_path(data)
    from chaffinch.pipeline.ledger import ledger_for
    from chaffinch.runs.run import Run

    opened = Run.open(run)
    say_whether_known(run, ledger, needed=True)
    decided = opened.review(
        reviewer=reviewer,
        port=port,
        host=host,
        browser=not no_browser,
        check=check,
        data=data,
        ledger=ledger,
        say=say_always,  # without the address there is no page
    )
    book = ledger_for(run, ledger)
    place = "" if book is None else book.database.place
    plural = "" if decided == 1 else "s"
    say(f"{decided:,} decision{plural} recorded in {place}")
    say(f"They count in: chaffinch propose {run.as_posix()}")
    return {"decisions": decided, "ledger": place}
