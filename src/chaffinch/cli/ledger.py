"""The command `ledger`: look into the record of who decided what, and check it."""

from typing import Annotated, Any

import typer

from chaffinch.cli.history import LEDGER, show
from chaffinch.core.errors import CheckFailedError, InputError

ACTIONS = ("check", "log", "decisions", "disagreements", "keep")


def ledger(
    action: Annotated[str, typer.Argument(help=f"One of {', '.join(ACTIONS)}.")],
    subject: Annotated[str | None, typer.Argument(help="A run, or for keep the data.")] = None,
    ledger: LEDGER = None,
    head: Annotated[
        str | None, typer.Option(help="A hash noted earlier, which must still be in the chain.")
    ] = None,
    label: Annotated[str | None, typer.Option(help="Column of the labels, for keep.")] = None,
    id_column: Annotated[
        str | None, typer.Option("--id", help="Column of unique keys, for keep.")
    ] = None,
) -> None:
    """Check the ledger, list its entries or decisions, or keep a version of data."""
    if action not in ACTIONS:
        raise InputError(f"one of {', '.join(ACTIONS)}", repr(action), "Choose one")
    if action == "check":
        return _check(subject, ledger, head)
    if action == "log":
        return _log(subject, ledger)
    if subject is None:
        raise InputError(f"a run or data after 'ledger {action}'", "nothing", "Name it")
    if action == "keep":
        return _keep(subject, ledger, {"label": label, "id_column": id_column})
    return _decisions(subject, ledger, action == "disagreements")


def _check(subject: str | None, url: str | None, head: str | None) -> None:
    from chaffinch.pipeline.ledger import ledger_near

    book = ledger_near(subject or ".", url)
    found = book.check(head)
    if found.fault is not None:
        raise CheckFailedError(
            f"a whole chain in {book.database.place}",
            f"entry {found.fault} is not as it was written: {found.reason}",
            f"Entries 1 to {found.entries} are whole; compare the rest with a copy",
        )
    typer.echo(f"{found.entries:,} entries, all as they were written; head {found.head}")


def _log(subject: str | None, url: str | None) -> None:
    from chaffinch.pipeline.ledger import ledger_near

    entries = ledger_near(subject or ".", url).entries()
    show(entries[["seq", "at", "who", "kind", "hash"]])


def _decisions(subject: str, url: str | None, only_disagreements: bool) -> None:
    from chaffinch.pipeline.ledger import ledger_for, run_id
    from chaffinch.store.decision import consensus, disagreements

    name = run_id(subject)
    book = ledger_for(subject, url, create=False)
    if book is None:
        raise InputError("a ledger", "none", "Name one with --ledger")
    decisions = book.decisions(name)
    joint = consensus(decisions)
    if only_disagreements:
        show(disagreements(decisions))
    else:
        columns = ["sample", "reviewer", "action", "label", "confidence", "decided_at", "reason"]
        show(decisions[columns])
    several = joint[joint["reviewers"] > 1]
    typer.echo(
        f"{len(joint):,} samples decided, {len(several):,} by several reviewers, of which "
        f"{int(several['agreed'].sum()):,} alike"
    )


def _keep(subject: str, url: str | None, options: dict[str, Any]) -> None:
    from chaffinch.data import open_data
    from chaffinch.pipeline.ledger import ledger_for, ledger_near
    from chaffinch.pipeline.snapshot import location_of, snapshot
    from chaffinch.store.version import record

    # First of all: bad data shall not leave an empty ledger behind, which later commands find.
    data = open_data(subject, trainable=False, **options)
    try:
        book = ledger_near(subject, url)
    except InputError:
        made = ledger_for("here", url)
        if made is None:
            raise
        book = made
    typer.echo(record(book, snapshot(data, location_of(subject)), whole=True))
