"""The last entry of a ledger, noted beside its file, so that a file that lost its rows shows."""

import os
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, select

from chaffinch.core.durable import sync
from chaffinch.store.chain import START
from chaffinch.store.schema import ENTRY

ENDING = ".head"


@dataclass(frozen=True)
class Entry:
    """An entry of the chain: its number, from 1, and its hash."""

    seq: int
    hash: str


class Head:
    """A small file beside the file of a ledger.

    It is written after the entry: it may be behind the ledger, never ahead of it. So a ledger
    without the entry that is noted has lost it.

    Args:
        ledger: The file of the ledger; None for one that is no file, of which nothing is noted.
    """

    def __init__(self, ledger: Path | None) -> None:
        self.file = None if ledger is None else Path(f"{ledger}{ENDING}")

    def noted(self) -> Entry | None:
        """The entry that was noted last; None where there is none that can be read."""
        if self.file is None:
            return None
        try:
            number, _, written = self.file.read_text("ascii").strip().partition(" ")
            entry = Entry(int(number), written)
        except (OSError, ValueError):
            return None
        return entry if entry.seq > 0 and len(entry.hash) == len(START) else None

    def note(self, entry: Entry) -> None:
        """Note an entry that is in the ledger; an earlier one than the noted one is not."""
        known = self.noted()
        if self.file is None or (known is not None and known.seq >= entry.seq):
            return
        draft = self.file.with_name(f".{uuid.uuid4().hex}.draft")
        # The entry is in the ledger: that it could not be noted is no reason to fail.
        with suppress(OSError):
            try:
                draft.write_text(f"{entry.seq} {entry.hash}\n", "ascii")
                sync(draft)
                os.replace(draft, self.file)
                sync(self.file.parent)
            finally:
                draft.unlink(missing_ok=True)


def missing(connection: Connection, entry: Entry) -> bool:
    """Whether an entry that was noted is not in the ledger."""
    query = select(ENTRY.c.hash).where(ENTRY.c.seq == entry.seq)
    return bool(connection.execute(query).scalar() != entry.hash)
