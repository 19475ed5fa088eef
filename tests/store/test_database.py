"""A ledger on a full disk or in a folder without rights is read, and not written."""

import sqlite3

import pytest

from chaffinch.core.errors import InputError
from chaffinch.store.decision import Decision
from chaffinch.store.ledger import Ledger


@pytest.fixture
def locked_away(tmp_path, monkeypatch):
    """A ledger of one entry in a place where SQLite can make no file, as the next to open finds."""
    Ledger(tmp_path / "it's 100% #1.db").decide("r", [Decision("s", "keep", "ann")])

    def refuse(*_):
        raise sqlite3.OperationalError("unable to open database file")

    monkeypatch.setattr("chaffinch.store.database._prepare", refuse)
    return tmp_path / "it's 100% #1.db"


def test_what_cannot_be_written_is_read(locked_away):
    ledger = Ledger(locked_away)
    assert ledger.check().entries == 1
    assert ledger.decisions("r")["sample"].tolist() == ["s"]
    before = locked_away.read_bytes()
    with pytest.raises(InputError, match="unable to open database file"):
        ledger.decide("r", [Decision("t", "keep", "ann")])
    assert locked_away.read_bytes() == before
    assert sorted(path.name for path in locked_away.parent.iterdir()) == [
        locked_away.name,
        f"{locked_away.name}.head",
    ]


def test_what_is_not_all_in_the_file_is_not_read_without_the_rest(locked_away):
    locked_away.with_name(f"{locked_away.name}-wal").write_bytes(b"transactions")
    with pytest.raises(InputError, match="unable to open database file"):
        Ledger(locked_away)
