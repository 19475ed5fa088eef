"""How a scan writes itself into its ledger; SQLAlchemy is imported only where there is one."""

import os
from typing import TYPE_CHECKING

from chaffinch.pipeline.options import ScanOptions

if TYPE_CHECKING:
    from chaffinch.pipeline.request import Request
    from chaffinch.store.ledger import Ledger


def ledger_of(options: ScanOptions) -> "Ledger | None":
    """The ledger of a scan, opened; None where nothing is kept or no ledger is wanted."""
    from chaffinch.pipeline.ledger import ledger_for

    return None if options.out is None else ledger_for(options.out, options.ledger)


def check_ledger(options: ScanOptions) -> None:
    """Open the ledger of a scan, if one was named or exists, before the work that it records.

    Raises:
        InputError: It cannot be opened, or entries cannot be added to it.
        RunError: It has lost entries, or is of a newer version of Chaffinch.
    """
    out = options.out
    if out is None:
        return
    beside = out.expanduser().absolute().parent / ".chaffinch" / "ledger.db"
    if options.ledger or os.environ.get("CHAFFINCH_LEDGER") or beside.is_file():
        ledger_of(options)


def write_down(request: "Request") -> None:
    """Record a finished run; nothing is recorded twice."""
    from chaffinch.pipeline.ledger import record_run

    ledger, run = ledger_of(request.options), request.options.out
    if ledger is not None and run is not None:
        record_run(run, request.whole, ledger, request.origin.path or None)
