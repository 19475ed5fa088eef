from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from chaffinch.store.database import Database
from chaffinch.store.decision import Decision
from chaffinch.store.ledger import Ledger
from chaffinch.store.migration import MIGRATIONS, NEWEST, migrate, version_of
from chaffinch.store.schema import METADATA

STORED = Path(__file__).with_name("ledger-v1.sql")


@pytest.fixture
def old(url, monkeypatch):
    """URL of a ledger as version 1 left it."""

    def load(connection):
        for statement in STORED.read_text("utf-8").split(";\n"):
            lines = [line for line in statement.splitlines() if not line.startswith("--")]
            if lines:
                connection.execute(text("\n".join(lines).replace(":", r"\:")))

    with monkeypatch.context() as patch:
        patch.setattr("chaffinch.store.database.migrate", load)
        Database(url)
    return url


def test_a_stored_ledger_of_version_1_is_brought_up_to_date(old):
    ledger = Ledger(old)
    with ledger.database.reading() as connection:
        assert version_of(connection) == NEWEST
    assert (ledger.check().fault, ledger.check().entries) == (None, 3)
    head = "ea651acb7cbf4570"
    assert ledger.head().startswith(head)
    assert ledger.decisions("7e9c0b7c064d2fa6")["reason"].tolist() == ["it barks"]
    assert ledger.table("finding")["suspicion"].tolist() == [0.91, 0.5]
    assert ledger.decide("7e9c0b7c064d2fa6", [Decision("s2", "keep", "bob", confidence=0.5)]) == 1
    assert ledger.check().fault is None
    assert Ledger(old).table("decision")["confidence"].tolist()[1] == 0.5


@pytest.mark.parametrize("start", range(len(MIGRATIONS)))
def test_every_way_to_the_newest_version_ends_with_the_same_tables(url, monkeypatch, start):
    with monkeypatch.context() as patch:
        patch.setattr("chaffinch.store.database.migrate", lambda c: migrate(c, start))
        Database(url)
    database = Database(url)
    with database.reading() as connection:
        assert version_of(connection) == NEWEST
        found = inspect(connection)
        assert set(found.get_table_names()) == {*METADATA.tables, "migration"}
        for name, table in METADATA.tables.items():
            columns = {column["name"]: column["type"] for column in found.get_columns(name)}
            assert set(columns) == set(table.columns.keys())
            for column in table.columns:
                assert columns[column.name].python_type is column.type.python_type


def test_a_migration_that_fails_leaves_the_old_version(old, monkeypatch):
    broken = (*MIGRATIONS[:1], (*MIGRATIONS[1][:3], "NONSENSE"))
    monkeypatch.setattr("chaffinch.store.migration.MIGRATIONS", broken)
    with pytest.raises(Exception, match="NONSENSE"):
        Ledger(old)
    monkeypatch.undo()
    assert Ledger(old).check().entries == 3
