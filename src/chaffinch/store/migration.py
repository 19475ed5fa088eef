"""Forward migrations of the ledger's tables, and the triggers that keep them append-only.

A migration may add tables and columns that can be empty; it never changes a row, because the rows
are hashed. Cells that are empty are no part of a hash, so a new column leaves old hashes valid.
"""

from datetime import UTC, datetime

from sqlalchemy import Connection, inspect, text

from chaffinch.core.errors import RunError

_REFUSAL = "the ledger is append-only"
_ROW = "entry position"


def _guard(table: str, *keys: str) -> str:
    """A trigger by which SQLite refuses REPLACE, which deletes rows without firing triggers.

    PostgreSQL needs none: what replaces rows there is an update.

    Args:
        table: The table.
        keys: Its unique keys, each a column or several with spaces between.
    """
    unique = [key.split() for key in ("rowid", *keys)]
    same = [" AND ".join(f"{name} = NEW.{name}" for name in key) for key in unique]
    return (
        f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table}"
        f" WHEN EXISTS (SELECT 1 FROM {table} WHERE {' OR '.join(same)})"
        f" BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
    )


MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (  # 1: runs, findings, decisions and versions of the data
        "CREATE TABLE entry (seq BIGINT PRIMARY KEY, at TEXT NOT NULL, who TEXT NOT NULL,"
        " kind TEXT NOT NULL, digest TEXT NOT NULL, previous TEXT NOT NULL UNIQUE,"
        " hash TEXT NOT NULL UNIQUE)",
        "CREATE TABLE run (entry BIGINT, position BIGINT, id TEXT, folder TEXT, source TEXT,"
        " location TEXT, fingerprint TEXT, version TEXT, findings TEXT, record TEXT,"
        " samples BIGINT, PRIMARY KEY (entry, position))",
        "CREATE TABLE finding (entry BIGINT, position BIGINT, run TEXT, sample TEXT,"
        " given_label TEXT, kind TEXT, suggested_label TEXT, suspicion DOUBLE PRECISION,"
        " kind_probability DOUBLE PRECISION, suggestion_confidence DOUBLE PRECISION,"
        " q_value DOUBLE PRECISION, flagged BIGINT, PRIMARY KEY (entry, position))",
        "CREATE TABLE decision (entry BIGINT, position BIGINT, run TEXT, sample TEXT,"
        " action TEXT, label TEXT, reason TEXT, reviewer TEXT, decided_at TEXT,"
        " PRIMARY KEY (entry, position))",
        "CREATE TABLE version (entry BIGINT, position BIGINT, id TEXT, fingerprint TEXT,"
        " source TEXT, location TEXT, modality TEXT, files TEXT, rows_artifact TEXT,"
        " files_artifact TEXT, parent TEXT, plan TEXT, run TEXT, samples BIGINT,"
        " PRIMARY KEY (entry, position))",
        "CREATE INDEX decision_run ON decision (run)",
        "CREATE INDEX version_id ON version (id)",
    ),
    (  # 2: plans and their verifications; how sure a reviewer was, and where the decision was made
        "CREATE TABLE plan (entry BIGINT, position BIGINT, id TEXT, run TEXT, policy TEXT,"
        " fingerprint TEXT, document TEXT, edits BIGINT, PRIMARY KEY (entry, position))",
        "CREATE TABLE edit (entry BIGINT, position BIGINT, plan TEXT, sample TEXT, action TEXT,"
        " kind TEXT, old_label TEXT, new_label TEXT, reason TEXT, who TEXT,"
        " weight DOUBLE PRECISION, confidence DOUBLE PRECISION, PRIMARY KEY (entry, position))",
        "CREATE TABLE verification (entry BIGINT, position BIGINT, run TEXT, plan TEXT,"
        " verdict TEXT, document TEXT, difference DOUBLE PRECISION, lowest DOUBLE PRECISION,"
        " highest DOUBLE PRECISION, PRIMARY KEY (entry, position))",
        "ALTER TABLE decision ADD COLUMN confidence DOUBLE PRECISION",
        "ALTER TABLE decision ADD COLUMN source TEXT",
        "CREATE INDEX edit_plan ON edit (plan)",
    ),
    (  # 3: SQLite refuses to replace rows, too
        _guard("migration"),
        _guard("entry", "seq", "previous", "hash"),
        _guard("run", _ROW),
        _guard("finding", _ROW),
        _guard("decision", _ROW),
        _guard("version", _ROW),
        _guard("plan", _ROW),
        _guard("edit", _ROW),
        _guard("verification", _ROW),
    ),
    (  # 4: what answers of people changed
        "CREATE TABLE calibration (entry BIGINT, position BIGINT, run TEXT, document TEXT,"
        " rate DOUBLE PRECISION, lowest DOUBLE PRECISION, highest DOUBLE PRECISION,"
        " answers BIGINT, flagged BIGINT, PRIMARY KEY (entry, position))",
        _guard("calibration", _ROW),
    ),
)
"""The statements of each migration, valid in SQLite and in PostgreSQL alike; the first makes
version 1 of an empty database. Triggers are left out in PostgreSQL, see `_guard`."""

NEWEST = len(MIGRATIONS)


def version_of(connection: Connection) -> int:
    """The version of the tables; 0 for a database without a ledger."""
    if not inspect(connection).has_table("migration"):
        return 0
    found = connection.execute(text("SELECT max(version) FROM migration")).scalar_one()
    if not isinstance(found, int):
        raise RunError(
            "the number of a version in the ledger's table 'migration'",
            repr(found),
            "The ledger was damaged: bring it back from a copy",
        )
    return found


def migrate(connection: Connection, target: int = NEWEST) -> None:
    """Bring the tables to version ``target``, inside the transaction that is open.

    Raises:
        RunError: The ledger was written by a newer version of Chaffinch.
    """
    found = version_of(connection)
    if found > NEWEST:
        raise RunError(
            f"a ledger of version {NEWEST} or older",
            f"one of version {found}",
            "Install a newer version of Chaffinch",
        )
    if found == 0 < target:
        connection.execute(text("CREATE TABLE migration (version BIGINT, applied_at TEXT)"))
        _protect(connection, "migration")
    sqlite = connection.dialect.name == "sqlite"
    for number in range(found + 1, target + 1):
        for statement in MIGRATIONS[number - 1]:
            if sqlite or not statement.startswith("CREATE TRIGGER"):
                connection.execute(text(statement))
            if statement.startswith("CREATE TABLE"):
                _protect(connection, statement.split()[2])
        connection.execute(
            text("INSERT INTO migration (version, applied_at) VALUES (:number, :now)"),
            {"number": number, "now": datetime.now(UTC).isoformat()},
        )


def _protect(connection: Connection, table: str) -> None:
    """Let the database itself refuse changes: rows can be added, and nothing else."""
    if connection.dialect.name == "sqlite":
        for action in ("UPDATE", "DELETE"):
            connection.exec_driver_sql(
                f"CREATE TRIGGER {table}_no_{action.lower()} BEFORE {action} ON {table}"
                f" BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
            )
        return
    connection.exec_driver_sql(
        "CREATE OR REPLACE FUNCTION chaffinch_refuse() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN RAISE EXCEPTION '{_REFUSAL}'; END $$"
    )
    connection.exec_driver_sql(
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
        " FOR EACH STATEMENT EXECUTE FUNCTION chaffinch_refuse()"
    )
