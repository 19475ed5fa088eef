"""`visit`: one reviewer looks at one run, from opening the page to closing it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chaffinch.core.errors import InputError
from chaffinch.pipeline.calibrate import COUNT
from chaffinch.pipeline.ledger import ledger_for
from chaffinch.review import server
from chaffinch.review.session import Session
from chaffinch.store.ledger import user
from chaffinch.store.run import RunFolder


@dataclass(frozen=True)
class Desk:
    """Who reviews, and where.

    Attributes:
        reviewer: The name; by default that of the account.
        port: Of the page; any free one by default.
        host: Name or address of this computer under which it is served; by default 127.0.0.1, which
            no other computer reaches.
        browser: Whether to open the page.
        check: How many samples, drawn at random, to check before the queue.
        data: The data, or where they lie now; by default where the run found them.
    """

    reviewer: str | None = None
    port: int | None = None
    host: str = server.HOST
    browser: bool = True
    check: int = COUNT
    data: Any = None


def visit(
    run: RunFolder, desk: Desk, ledger: str | None = None, say: Callable[[str], object] = print
) -> int:
    """Serve the page of a run until Ctrl-C, then learn from what was decided.

    Args:
        run: The run.
        desk: Who reviews, and where.
        ledger: What takes the decisions; see `ledger_for`.
        say: Is told the address.

    Returns:
        How many decisions were recorded.

    Raises:
        InputError: No ledger, a reviewer without a name, or a port that is taken.
    """
    book = ledger_for(run.path, ledger)
    if book is None:
        raise InputError("a ledger for the decisions", "'none'", "Name one with --ledger")
    name = user() if desk.reviewer is None else desk.reviewer
    session = Session(run, book, name, desk.data, checks=desk.check)
    server.serve(session, desk.port, host=desk.host, browser=desk.browser, say=say)
    session.finish()
    return session.decided
