"""The ledger: an append-only, hash-chained record of runs, decisions, plans and versions."""

import getpass
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy import Connection, insert, make_url, select

from chaffinch.core.errors import InputError, RunError
from chaffinch.store.artifact import ArtifactStore
from chaffinch.store.chain import Check, check_chain, digest_of, hash_of, head_of, stored_rows
from chaffinch.store.database import Database
from chaffinch.store.decision import Decision, latest
from chaffinch.store.head import Entry, Head, missing
from chaffinch.store.schema import DECISION, ENTRY, KINDS, TABLES, Row

FOLDER = ".chaffinch"
FILE = "ledger.db"
LEDGER, ARTIFACTS, USER = "CHAFFINCH_LEDGER", "CHAFFINCH_ARTIFACTS", "CHAFFINCH_USER"
"""Environment variables: the ledger, where bytes are kept, and who writes."""

_SAME_DECISION = ("run", "sample", "reviewer", "action", "label", "decided_at")


class NoLedgerError(InputError):
    """There is no ledger where one was looked for."""


class Ledger:
    """Opens a ledger; tables that are missing or old are brought up to date.

    Args:
        url: A file (SQLite), or ``postgresql://USER@HOST/DATABASE`` (needs ``[postgres]``).
        artifacts: Folder or URL in which bytes are kept; by default what CHAFFINCH_ARTIFACTS
            says, else ``artifacts`` beside the file, else ``.chaffinch/artifacts`` here.
        create: Whether to make an SQLite file that is not there.

    Raises:
        InputError: A database that cannot be opened; `NoLedgerError` where there is none.
        MissingExtraError: PostgreSQL without its driver.
        RunError: A ledger of a newer version of Chaffinch.
    """

    def __init__(
        self, url: str | Path, artifacts: str | Path | None = None, *, create: bool = True
    ) -> None:
        if not create and "://" not in str(url) and not Path(url).expanduser().is_file():
            raise NoLedgerError(
                f"a ledger at {url}", "none", "Scan with --out first, or name one with --ledger"
            )
        self.database = Database(url)
        self._head = Head(self.database.file)
        self._artifacts = artifacts

    @cached_property
    def artifacts(self) -> ArtifactStore:
        """Where the bytes of versions are kept."""
        place = self._artifacts or os.environ.get(ARTIFACTS)
        if not place:
            url = make_url(self.database.url)
            file = Path(str(url.database)) if url.get_backend_name() == "sqlite" else None
            place = (file.parent if file else Path(FOLDER)) / "artifacts"
        return ArtifactStore(place)

    def append(
        self,
        kind: str,
        rows: Mapping[str, Sequence[Row]],
        *,
        unless: Callable[[Connection], bool] | None = None,
    ) -> Entry | None:
        """Add one entry, whole or not at all.

        Args:
            kind: One of `chaffinch.store.schema.KINDS`.
            rows: The rows of each of its tables.
            unless: Asked inside of the transaction; True leaves the entry out.

        Returns:
            The entry, or None where it was left out.

        Raises:
            InputError: Rows that the tables cannot hold.
            RunError: A ledger that has lost entries.
        """
        tables = KINDS[kind]
        content = {table.name: stored_rows(table, rows.get(table.name, ())) for table in tables}

        def work(connection: Connection) -> Entry | None:
            if unless is not None and unless(connection):
                return None
            return _append(connection, kind, content)

        return self._written(work)

    def decide(self, run: str, decisions: Sequence[Decision]) -> int:
        """Record decisions on samples of a run; those that are in the ledger already are left out.

        Returns:
            How many were new.

        Raises:
            InputError: Decisions that the tables cannot hold.
            RunError: A ledger that has lost entries.
        """
        rows = [{"run": run, **asdict(decision)} for decision in decisions]
        stored = stored_rows(DECISION, rows)
        count = 0

        def work(connection: Connection) -> Entry | None:
            nonlocal count
            found = connection.execute(select(DECISION).where(DECISION.c.run == run)).mappings()
            known = {_key(dict(row)) for row in found}
            new: dict[tuple[Any, ...], Row] = {}
            for row in stored:
                if _key(row) not in known:
                    new.setdefault(_key(row), row)
            count = len(new)
            return _append(connection, "decision", {"decision": [*new.values()]}) if new else None

        self._written(work)
        return count

    def decisions(self, run: str) -> pd.DataFrame:
        """The last decision of every reviewer on every sample of a run.

        Returns:
            Columns as of `Decision`, besides ``seq``, ``at`` and ``who`` of the entry.
        """
        return latest(self.table("decision", run=run))

    def table(self, name: str, **equal: Any) -> pd.DataFrame:
        """Rows of one kind in the order in which they were written.

        Args:
            name: One of `chaffinch.store.schema.TABLES`.
            **equal: Only rows with these values.

        Returns:
            ``seq``, ``at`` and ``who`` of the entry, then the columns of the table.
        """
        table = TABLES[name]
        query = select(
            ENTRY.c.seq, ENTRY.c.at, ENTRY.c.who, *(c for c in table.columns if c.name != "entry")
        ).join(ENTRY, table.c.entry == ENTRY.c.seq)
        for column, value in equal.items():
            query = query.where(table.columns[column] == value)
        return self._frame(query.order_by(ENTRY.c.seq, table.c.position))

    def entries(self) -> pd.DataFrame:
        """The chain, first entry first."""
        return self._frame(select(ENTRY).order_by(ENTRY.c.seq))

    def head(self) -> str:
        """Hash of the last entry: note it elsewhere, and `check` proves that none was cut off."""
        with self.database.reading() as connection:
            return head_of(connection)[1]

    def check(self, head: str | None = None) -> Check:
        """Compute all hashes again, and look for the entry that was noted beside the file.

        Args:
            head: A hash noted earlier, which must still be that of an entry.
        """
        noted = self._head.noted()  # before the rows are read, or it might be ahead of them
        with self.database.reading() as connection:
            found = check_chain(connection, head)
            if found.fault is None and noted is not None and missing(connection, noted):
                first = min(noted.seq, found.entries + 1)
                reason = f"{self._head.file} remembers another entry {noted.seq}"
                return replace(found, fault=first, reason=reason)
            return found

    def need_whole(self) -> None:
        """Refuse a ledger that has lost entries, before work that it should record.

        Raises:
            RunError: The entry that was noted beside its file is not in it.
        """
        noted = self._head.noted()
        with self.database.reading() as connection:
            self._refuse(connection, noted)

    def _written(self, work: Callable[[Connection], Entry | None]) -> Entry | None:
        def guarded(connection: Connection) -> Entry | None:
            self._refuse(connection, self._head.noted())
            return work(connection)

        entry = self.database.write(guarded)
        if entry is not None:
            self._head.note(entry)
        return entry

    def _refuse(self, connection: Connection, noted: Entry | None) -> None:
        if noted is not None and missing(connection, noted):
            raise RunError(
                f"entry {noted.seq} in {self.database.place}, as {self._head.file} remembers it",
                f"a ledger of {head_of(connection)[0]:,} entries without it",
                "Bring the ledger back from a copy; to go on without what was lost, delete"
                f" {self._head.file}",
            )

    def _frame(self, query: Any) -> pd.DataFrame:
        with self.database.reading() as connection:
            result = connection.execute(query)
            names = list(result.keys())
            return pd.DataFrame(result.fetchall(), columns=names)


def default_ledger(folder: Path) -> str:
    """The ledger of runs in a folder: what CHAFFINCH_LEDGER says, else a file below the folder."""
    return os.environ.get(LEDGER) or str(folder / FOLDER / FILE)


def user() -> str:
    """Who writes: what CHAFFINCH_USER says, else the name of the account."""
    try:
        return os.environ.get(USER) or getpass.getuser()
    except (KeyError, OSError):  # an account without a name, as in some containers
        return "unknown"


def _append(connection: Connection, kind: str, content: Mapping[str, Sequence[Row]]) -> Entry:
    last, previous = head_of(connection)
    entry: dict[str, Any] = {
        "seq": last + 1,
        "at": datetime.now(UTC).isoformat(timespec="microseconds"),
        "who": user(),
        "kind": kind,
        "digest": digest_of((name, row) for name, rows in content.items() for row in rows),
        "previous": previous,
    }
    entry["hash"] = hash_of(entry)
    connection.execute(insert(ENTRY), [entry])
    for name, rows in content.items():
        columns = [column.name for column in TABLES[name].columns if column.name != "entry"]
        filled = [
            {"entry": entry["seq"], **dict.fromkeys(columns), **row, "position": position}
            for position, row in enumerate(rows)
        ]
        if filled:
            connection.execute(insert(TABLES[name]), filled)
    return Entry(int(entry["seq"]), str(entry["hash"]))


def _key(row: Row) -> tuple[Any, ...]:
    return tuple(row.get(name) for name in _SAME_DECISION)
