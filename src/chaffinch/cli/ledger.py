"""The command `ledger`: look into the record of who decided what, and check it."""

import os
import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chaffinch.cli.history import LEDGER, show
from chaffinch.cli.say import say
from chaffinch.core.errors import CheckFailedError, InputError
from chaffinch.core.place import check_ledger, check_path, check_run

if TYPE_CHECKING:
    from chaffinch.store.ledger import Ledger

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
) -> Any:
    """Check the ledger, list its entries or decisions, or keep a version of data."""
    if action not in ACTIONS:
        raise InputError(f"one of {', '.join(ACTIONS)}", repr(action), "Choose one")
    if subject is not None and action in ("decisions", "disagreements"):
        check_run(subject)
    check_path(subject)
    if action != "keep":
        check_ledger(ledger)
    if action == "check":
        return _check(subject, ledger, head)
    if action == "log":
        return _log(subject, ledger)
    if subject is None:
        raise InputError(f"a run or data after 'ledger {action}'", "nothing", "Name it")
    if action == "keep":
        return _keep(subject, ledger, {"label": label, "id_column": id_column})
    return _decisions(subject, ledger, action == "disagreements")


def _check(subject: str | None, url: str | None, head: str | None) -> dict[str, Any]:
    from chaffinch.store.nearby import is_run

    if head is not None and re.fullmatch("[0-9a-f]{64}", head) is None:
        raise InputError("a hash of 64 digits from 0 to f", repr(head), "Copy all of it")
    book = _near(subject, url)
    found = book.check(head)
    if found.fault is not None:
        whole = f"Entries 1 to {found.entries} are whole" if found.entries else "No entry is whole"
        raise CheckFailedError(
            f"a whole chain in {book.database.place}",
            f"entry {found.fault} is not as it was written: {found.reason}",
            f"{whole}; compare the rest with a copy",
        )
    if subject is not None and is_run(subject):
        _check_known(book, subject)
    if not found.entries:
        say(f"no entries in {book.database.place}: nothing was ever written, or all is lost")
        return {"entries": 0, "head": found.head}
    plural = "y" if found.entries == 1 else "ies"
    say(f"{found.entries:,} entr{plural}, all as written; head {found.head}")
    return {"entries": found.entries, "head": found.head}


def _check_known(book: "Ledger", run: str) -> None:
    """A run remembers what a ledger that lost its last entries, or all, does not."""
    from chaffinch.pipeline.ledger import UNKNOWN, fault_of

    fault = fault_of(run, book)
    if fault is not None:
        raise CheckFailedError(
            f"the run {run} in {book.database.place}",
            "a ledger that does not know it" if fault == UNKNOWN else fault,
            "It was scanned with another ledger or none, entries were cut off, or its files were"
            " changed",
        )


def _log(subject: str | None, url: str | None) -> Any:
    entries = _near(subject, url).entries()
    show(entries[["seq", "at", "who", "kind", "hash"]])
    return entries


def _near(subject: str | None, url: str | None) -> "Ledger":
    from chaffinch.store.nearby import ledger_near

    return ledger_near(subject, url=url)


def _decisions(subject: str, url: str | None, only_disagreements: bool) -> Any:
    from chaffinch.pipeline.ledger import ledger_for, run_id
    from chaffinch.store.decision import consensus, disagreements

    name = run_id(subject)
    book = ledger_for(subject, url, create=False)
    if book is None:
        raise InputError("a ledger", "none", "Name one with --ledger")
    decisions = book.decisions(name)
    if not len(decisions):
        say(f"Nobody has decided anything on {subject} yet.")
        return decisions
    joint = consensus(decisions)
    if only_disagreements:
        open_questions = disagreements(decisions)
        if len(open_questions):
            show(open_questions[["sample", "reviewers", "action", "label", "votes"]])
    else:
        columns = ["sample", "reviewer", "action", "label", "confidence", "decided_at", "reason"]
        show(decisions[columns])
    several = joint[joint["reviewers"] > 1]
    say(
        f"{len(joint):,} samples decided, {len(several):,} by several reviewers, of which "
        f"{int(several['agreed'].sum()):,} alike"
    )
    return disagreements(decisions) if only_disagreements else decisions


def _keep(subject: str, url: str | None, options: dict[str, Any]) -> dict[str, Any]:
    from chaffinch.data import open_data
    from chaffinch.pipeline.ledger import ledger_for
    from chaffinch.pipeline.snapshot import location_of, snapshot
    from chaffinch.store.ledger import LEDGER as VARIABLE
    from chaffinch.store.ledger import NoLedgerError
    from chaffinch.store.nearby import NONE, is_run, ledger_near
    from chaffinch.store.version import record

    if NONE in (url, url or os.environ.get(VARIABLE)):
        raise InputError("a ledger to keep the data in", "'none'", "Name one with --ledger")
    if is_run(subject):
        raise InputError("data", f"the run {subject}", "Name the data that were scanned")
    # First of all: bad data shall not leave an empty ledger behind, which later commands find.
    data = open_data(subject, trainable=False, **options)
    try:
        book = ledger_near(subject, url=url)
        book.need_whole()
    except NoLedgerError:
        made = ledger_for("here", url)
        if made is None:
            raise
        book = made
    version = record(book, snapshot(data, location_of(subject)), whole=True)
    say(version)
    return {"version": version}
