"""The ledger of a run that is being made; SQLAlchemy is imported only where there is one."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from chaffinch.store.ledger import Ledger


class Recorded(Protocol):
    """What says where a run is kept, and where it is recorded."""

    @property
    def out(self) -> Path | None:
        """The folder of the run; None where it is not kept."""
        ...

    @property
    def ledger(self) -> str | None:
        """See `chaffinch.pipeline.ledger.ledger_for`."""
        ...


def ledger_of(options: Recorded) -> "Ledger | None":
    """The ledger of a scan, opened; None where nothing is kept or no ledger is wanted."""
    from chaffinch.pipeline.ledger import ledger_for

    return None if options.out is None else ledger_for(options.out, options.ledger)


def check_ledger(options: Recorded) -> None:
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
