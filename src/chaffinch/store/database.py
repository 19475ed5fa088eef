"""Connections to the ledger's database: SQLite in a file, or PostgreSQL by URL."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    DBAPIError,
    NoSuchModuleError,
    OperationalError,
)
from sqlalchemy.pool import NullPool

from chaffinch.core.errors import InputError, MissingExtraError
from chaffinch.store.migration import NEWEST, migrate, version_of
from chaffinch.store.schema import METADATA

T = TypeVar("T")

PATIENCE = 60.0
"""Seconds for which a writer waits for others before it gives up."""

_CONNECT = 10
"""Seconds for which an answer of a PostgreSQL server is awaited."""

_NO_RIGHT, _READ_ONLY = "42501", "25006"
_REFUSALS = (_NO_RIGHT, _READ_ONLY, "42P01", "3F000", "55P03", "57014")
"""What PostgreSQL says where rights or tables are missing, or somebody holds a lock too long."""

_LOCK = 0x63686166  # any constant will do, the same for every writer
_WRITES = "chaffinch_writes"


class Database:
    """Short transactions on one database; no connection stays open between them.

    Args:
        url: A path of an SQLite file, made where it is missing, or a URL that starts with
            ``sqlite:///`` or ``postgresql://``.

    Raises:
        InputError: A URL of another kind, or a database that cannot be opened.
        MissingExtraError: PostgreSQL without its driver.
    """

    def __init__(self, url: str | Path) -> None:
        self.url = _normal(str(url))
        self._engine = _engine(self.url)
        with self.reading() as connection:
            current = version_of(connection) == NEWEST
        if not current:
            self.write(migrate)

    @property
    def place(self) -> str:
        """Where the database is, for people, without a password."""
        url = make_url(self.url)
        return str(url.database) if url.drivername == "sqlite" else url.render_as_string()

    @property
    def file(self) -> Path | None:
        """The file of an SQLite database; None of any other."""
        url = make_url(self.url)
        place = str(url.database)
        local = url.get_backend_name() == "sqlite" and not place.startswith((":", "file:"))
        return Path(place) if local else None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one state of the database."""
        with self._reached(), self._patiently(self._readable) as connection:
            yield connection

    def _readable(self) -> Connection:
        """A connection that reads; of a file that cannot be written to, too.

        SQLite makes files beside the database even to read it. Where they cannot be made, on a full
        disk or in a folder without rights, nobody can be writing either, and the file alone is all
        there is.
        """
        if self.file is None:
            return self._engine.connect()
        try:
            with ExitStack() as undo:
                connection = undo.enter_context(self._engine.connect())
                connection.exec_driver_sql("SELECT 1 FROM sqlite_master")
                undo.pop_all()
                return connection
        except OperationalError as error:
            if _passes(error) or not self.file.is_file() or _unsettled(self.file):
                raise
            address = f"{self.file.absolute().as_uri()}?immutable=1"
            alone = partial(sqlite3.connect, address, uri=True)
            return create_engine("sqlite://", creator=alone, poolclass=NullPool).connect()

    def write(self, work: Callable[[Connection], T]) -> T:
        """Do the work in a transaction of its own: all of it or nothing, one writer at a time.

        Raises:
            InputError: Others kept the database locked for `PATIENCE` seconds.
        """
        with self._reached():
            return self._patiently(lambda: self._write_once(work))

    def need_writable(self) -> None:
        """Refuse a database that entries cannot be added to, before the work that they record.

        Raises:
            InputError: It can only be read, or rights are missing.
        """
        self.write(self._need_rights)

    def _need_rights(self, connection: Connection) -> None:
        if connection.dialect.name != "postgresql":
            return  # the lock for writing was taken: that is all that a file asks for
        asked = text(
            "SELECT has_table_privilege(:name, 'SELECT') AND has_table_privilege(:name, 'INSERT')"
        )
        lacking = [
            name
            for name in METADATA.tables
            if not connection.execute(asked, {"name": name}).scalar_one()
        ]
        if lacking:
            raise self._refused(f"none on {', '.join(lacking)}")
        if connection.execute(text("SHOW transaction_read_only")).scalar_one() == "on":
            raise self._refused("a server or a session that is read-only")

    def _refused(self, got: str) -> InputError:
        return InputError(
            f"rights to read and to add rows (SELECT, INSERT) in the ledger {self.place}",
            got,
            "Ask the owner of its tables for the grants in docs/ledger.md",
        )

    def _patiently(self, work: Callable[[], T]) -> T:
        end = time.monotonic() + PATIENCE
        while True:
            try:
                return work()
            except DBAPIError as error:
                if not _passes(error):
                    raise
                if time.monotonic() > end:
                    raise InputError(
                        f"the ledger {self.place} to be free within {PATIENCE:g} seconds",
                        "a database that others keep locked",
                        "Stop the program that holds it, then repeat the command",
                    ) from error
            # Not the same for two that wait, so that they do not wake in step.
            time.sleep(0.01 + time.monotonic_ns() % 90 / 1000)

    def _write_once(self, work: Callable[[Connection], T]) -> T:
        with self._engine.execution_options(**{_WRITES: True}).begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            return work(connection)

    @contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except DatabaseError as error:
            state = getattr(error.orig, "sqlstate", None)
            reason = " ".join(str(error.orig).split()).rstrip(".?")[:200]
            if state in (_NO_RIGHT, _READ_ONLY):
                raise self._refused(reason) from error
            # The very class itself: SQLite says so of a file that is no database.
            plain = isinstance(error, OperationalError) or type(error) is DatabaseError
            if not plain and state not in _REFUSALS:
                raise
            raise InputError(
                f"a ledger that can be opened and used at {self.place}",
                reason,
                "Check path, rights, space and server, or name another one with --ledger",
            ) from error


def _unsettled(file: Path) -> bool:
    """Whether there are transactions that are not in the file itself yet."""
    journal = Path(f"{file}-wal")
    return journal.is_file() and journal.stat().st_size > 0


def _normal(url: str) -> str:
    if url.startswith(("postgres://", "postgresql://")):
        return "postgresql+psycopg://" + url.split("://", 1)[1]
    if "://" in url:
        return url
    return f"sqlite:///{Path(url).expanduser().absolute()}"


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
        name = parsed.get_backend_name()
        if name not in ("sqlite", "postgresql") or (name == "sqlite" and _passing(parsed)):
            raise ArgumentError
        if name == "sqlite":
            Path(str(parsed.database)).parent.mkdir(parents=True, exist_ok=True)
        elif "connect_timeout" not in parsed.query:
            parsed = parsed.update_query_dict({"connect_timeout": str(_CONNECT)})
        engine = create_engine(parsed, poolclass=NullPool)
    except ModuleNotFoundError as error:
        raise MissingExtraError("a ledger in PostgreSQL", "postgres", "psycopg") from error
    except (ArgumentError, NoSuchModuleError) as error:
        raise InputError(
            "a ledger as the path of a file or as postgresql://USER@HOST/DATABASE",
            repr(url),
            "Give one of these with --ledger or in CHAFFINCH_LEDGER",
        ) from error
    except OSError as error:
        raise InputError(
            "a folder for the ledger", str(error), "Name another place with --ledger"
        ) from error
    if name == "sqlite":
        event.listen(engine, "connect", _prepare)
        event.listen(engine, "begin", _begin)
    else:
        event.listen(engine, "connect", _limit)
    return engine


def _passing(url: URL) -> bool:
    """Whether a URL of SQLite names no file: nothing would be there the next time."""
    place = str(url.database or "")
    return not place or place.startswith(":memory:") or "mode=memory" in str(url)


def _limit(connection: Any, _record: Any) -> None:
    # Who waits for another writer, or for somebody's lock on a table, gives up in the end.
    with connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = {int(1000 * PATIENCE)}")
    connection.commit()


def _prepare(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver shall not open transactions by itself
    # Bytes that are no text must not stop a check; written by us there are none.
    connection.text_factory = partial(str, encoding="utf-8", errors="surrogateescape")
    connection.execute("PRAGMA busy_timeout = 10000")
    connection.execute("PRAGMA journal_mode = WAL")  # readers and one writer side by side
    connection.execute("PRAGMA synchronous = FULL")


def _begin(connection: Connection) -> None:
    # IMMEDIATE takes the write lock before anything is read, so that the head of the chain
    # cannot move between reading and writing.
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _passes(error: DBAPIError) -> bool:
    """Whether the transaction was rolled back for a reason that goes away by itself."""
    state = getattr(error.orig, "sqlstate", None)
    message = str(error.orig)
    return state in ("40001", "40P01", "55P03") or "locked" in message or "busy" in message
