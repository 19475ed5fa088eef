"""The ledger that knows data or a run. Imports nothing that learns or reads data."""

import os
from pathlib import Path

from chaffinch.core.errors import InputError
from chaffinch.store.ledger import FILE, FOLDER, LEDGER, Ledger, NoLedgerError
from chaffinch.store.run import RECORD

NONE = "none"
"""As the place of the ledger: write none."""


def ledger_near(*subjects: str | Path | None, url: str | None = None) -> Ledger:
    """The ledger that knows data or runs: the named one, else one here, else one beside them.

    Of a run, the one beside it comes first; without data, the one here is the only one. Where none
    of these is there, one in a folder below counts, such as that of the runs.

    Args:
        subjects: Data, runs, or ids of versions, which have no place.
        url: The ledger that was named.

    Raises:
        InputError: There is none, or several below, or none is wanted.
    """
    named = url or os.environ.get(LEDGER)
    if url == NONE:
        raise InputError("a ledger", "'none'", "Name one with --ledger")
    if named and named != NONE:
        return Ledger(named, create=False)
    known = [one for one in subjects if one is not None]
    folders = [Path.cwd()]
    for one in known:
        folders.insert(0 if is_run(one) else len(folders), Path(one).expanduser().absolute().parent)
    for folder in folders:
        if (folder / FOLDER / FILE).is_file():
            return Ledger(folder / FOLDER / FILE)
    below = sorted({file for one in folders for file in one.glob(f"*/{FOLDER}/{FILE}")})
    if len(below) > 1:
        raise InputError(
            "one ledger", f"{len(below)}: {', '.join(map(str, below[:4]))}", "Name it by --ledger"
        )
    if below:
        return Ledger(below[0])
    beside = f" or beside {' and '.join(map(str, known))}" if known else ""
    raise NoLedgerError(
        f"a ledger at {FOLDER}/{FILE} here{beside}",
        "none",
        "Scan the data with --out first, or name a ledger with --ledger",
    )


def is_run(place: str | Path) -> bool:
    """Whether a path is a finished run."""
    return (Path(place).expanduser() / RECORD).is_file()
