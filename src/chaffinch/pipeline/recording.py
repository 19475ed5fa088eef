"""How a scan writes itself into its ledger; SQLAlchemy is imported only where there is one."""

from typing import TYPE_CHECKING

from chaffinch.pipeline.options import ScanOptions

if TYPE_CHECKING:
    from chaffinch.pipeline.request import Request
    from chaffinch.store.ledger import Ledger


def ledger_of(options: ScanOptions) -> "Ledger | None":
    """The ledger of a scan, opened; None where nothing is kept or no ledger is wanted."""
    from chaffinch.pipeline.ledger import ledger_for

    return None if options.out is None else ledger_for(options.out, options.ledger)


def write_down(request: "Request") -> None:
    """Record a finished run; nothing is recorded twice."""
    from chaffinch.pipeline.ledger import record_run

    ledger, run = ledger_of(request.options), request.options.out
    if ledger is not None and run is not None:
        record_run(run, request.whole, ledger, request.origin.path or None)
