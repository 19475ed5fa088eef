"""A team on one PostgreSQL server: the owner makes the tables, the others read and add."""

import threading
import time

import pytest

from chaffinch.core.errors import InputError
from chaffinch.store.database import Database
from chaffinch.store.decision import Decision
from chaffinch.store.ledger import Ledger

pytestmark = pytest.mark.parametrize("url", ["postgresql"], indirect=True)

GRANTS = """
GRANT USAGE ON SCHEMA {schema} TO {team};
GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA {schema} TO {team};
"""
"""As in docs/ledger.md."""


@pytest.fixture
def owned(postgres, url):
    """URL of the owner's ledger, that of another user, and what runs SQL as the owner."""
    import psycopg

    schema = url.rsplit("%3D", 1)[1]
    user = f"user_{schema}"

    def run(sql):
        with psycopg.connect(postgres, autocommit=True) as connection:
            connection.execute(sql.format(schema=schema, team=user))

    run("CREATE ROLE {team} LOGIN")
    return url, url.replace("postgres@", f"{user}@"), run


def keep(url):
    return Ledger(url).decide("r", [Decision("s", "keep", "ann")])


def test_grants_are_all_that_others_need(owned):
    owner, other, run = owned
    Ledger(owner)
    run(GRANTS)
    assert keep(other) == 1
    Ledger(other).database.need_writable()
    assert Ledger(owner).check().entries == 1
    with pytest.raises(InputError, match="permission denied"):
        Ledger(other).database.write(lambda c: c.exec_driver_sql("DELETE FROM entry"))


@pytest.mark.parametrize(
    ("grants", "lacks"),
    [
        ("", "permission denied|no schema"),
        ("GRANT USAGE ON SCHEMA {schema} TO {team}", "permission denied for table migration"),
    ],
)
def test_without_rights_there_is_one_error_that_says_whom_to_ask(owned, grants, lacks):
    owner, other, run = owned
    Ledger(owner)
    if grants:
        run(grants)
    with pytest.raises(InputError, match=lacks) as told:
        Ledger(other)
    assert "@" not in told.value.got


def test_rights_to_add_are_asked_for_before_the_work(owned):
    owner, other, run = owned
    Ledger(owner)
    run("GRANT USAGE ON SCHEMA {schema} TO {team}")
    run("GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {team}")
    ledger = Ledger(other)
    assert ledger.check().entries == 0
    with pytest.raises(InputError, match=r"SELECT, INSERT.*entry.*docs/ledger\.md"):
        ledger.database.need_writable()
    with pytest.raises(InputError, match=r"permission denied.*docs/ledger\.md"):
        keep(other)
    run("GRANT INSERT ON ALL TABLES IN SCHEMA {schema} TO {team}")
    run("ALTER ROLE {team} SET default_transaction_read_only = on")
    with pytest.raises(InputError, match="read-only"):
        Ledger(other).database.need_writable()
    with pytest.raises(InputError, match="read-only"):
        keep(other)


def test_others_do_not_bring_the_tables_up_to_date(owned, monkeypatch):
    owner, other, run = owned
    from chaffinch.store.migration import migrate

    with monkeypatch.context() as patch:
        patch.setattr("chaffinch.store.database.migrate", lambda c: migrate(c, 1))
        Database(owner)
    run(GRANTS)
    with pytest.raises(InputError, match="rights to"):
        Ledger(other)
    Ledger(owner)
    run(GRANTS)
    assert keep(other) == 1


@pytest.mark.parametrize("held", ["SELECT pg_advisory_xact_lock(1667785062)", "LOCK TABLE entry"])
def test_a_writer_waits_as_long_as_was_promised(owned, monkeypatch, held):
    import psycopg

    owner = owned[0]
    ledger = Ledger(owner)
    monkeypatch.setattr("chaffinch.store.database.PATIENCE", 1.0)
    options = owner.partition("?")[2].replace("%3D", "=")
    place = dict(part.split("=", 1) for part in options.split("&"))
    with psycopg.connect(user="postgres", dbname="postgres", **place) as other:
        other.execute(held)
        start = time.monotonic()
        with pytest.raises(InputError, match="free within 1 seconds"):
            ledger.decide("r", [Decision("s", "keep", "ann")])
        assert time.monotonic() - start < 10
        if "TABLE" in held:
            with pytest.raises(InputError, match="lock timeout"):
                ledger.check()
        release = threading.Timer(0.2, other.rollback)
        monkeypatch.setattr("chaffinch.store.database.PATIENCE", 30.0)
        release.start()
        assert ledger.decide("r", [Decision("s", "keep", "ann")]) == 1
        release.join()
