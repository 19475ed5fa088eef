"""A ledger that lost its rows is told from a new one by what is noted beside it."""

import shutil
from pathlib import Path

import pytest

from chaffinch.core.errors import RunError
from chaffinch.store.chain import START
from chaffinch.store.decision import Decision
from chaffinch.store.head import Entry, Head
from chaffinch.store.ledger import Ledger

FILES = ("ledger.db", "ledger.db-wal", "ledger.db-shm")


def decision(number):
    return [Decision(f"s{number}", "keep", "ann", decided_at="2025-01-01")]


@pytest.fixture
def book(tmp_path):
    """A ledger of three entries, and a copy of it as it was after the first."""
    made = Ledger(tmp_path / "ledger.db")
    made.decide("r", decision(1))
    shutil.copy(tmp_path / "ledger.db", tmp_path / "old.db")
    made.decide("r", decision(2))
    made.decide("r", decision(3))
    return made


def lose(place, how):
    for name in FILES[1:]:
        (place / name).unlink(missing_ok=True)
    if how == "emptied":
        (place / "ledger.db").write_bytes(b"")
    elif how == "deleted":
        (place / "ledger.db").unlink()
    else:
        shutil.copy(place / "old.db", place / "ledger.db")


@pytest.mark.parametrize(
    ("how", "whole"), [("emptied", 0), ("deleted", 0), ("replaced by an old copy", 1)]
)
def test_a_ledger_that_lost_rows_fails_the_check_and_takes_no_more(book, tmp_path, how, whole):
    assert book.check().fault is None
    lose(tmp_path, how)
    again = Ledger(tmp_path / "ledger.db")
    found = again.check()
    assert (found.entries, found.fault) == (whole, whole + 1)
    assert "ledger.db.head remembers another entry 3" in found.reason
    for write in (
        lambda: again.decide("r", decision(4)),
        lambda: again.append("plan", {"plan": [{"id": "p"}]}),
        again.need_whole,
    ):
        with pytest.raises(RunError, match=r"delete .*ledger\.db\.head"):
            write()
    assert again.check().entries == whole
    (tmp_path / "ledger.db.head").unlink()
    assert again.decide("r", decision(4)) == 1
    assert again.check().fault is None


def test_a_chain_made_anew_is_another_one(book, tmp_path):
    lose(tmp_path, "deleted")
    (tmp_path / "ledger.db.head").rename(tmp_path / "kept")
    again = Ledger(tmp_path / "ledger.db")
    for number in range(5):
        again.decide("r", decision(number))
    assert again.check().fault is None
    (tmp_path / "kept").rename(tmp_path / "ledger.db.head")
    found = again.check()
    assert (found.entries, found.fault) == (5, 3)


@pytest.mark.parametrize("content", [None, "", "three", "1 abc\0", "-1"])
def test_a_note_that_is_missing_or_damaged_is_written_anew(book, tmp_path, content):
    note = tmp_path / "ledger.db.head"
    note.unlink() if content is None else note.write_text(content)
    assert book.check().fault is None
    assert book.decide("r", decision(4)) == 1
    assert note.read_text() == f"4 {book.head()}\n"
    assert not list(tmp_path.glob("*.draft"))


def test_a_note_that_is_behind_is_no_fault(book, tmp_path):
    first = book.entries().iloc[0]
    (tmp_path / "ledger.db.head").write_text(f"1 {first['hash']}\n")
    assert book.check().fault is None
    book.need_whole()


def test_a_note_never_goes_back(tmp_path):
    head = Head(tmp_path / "x.db")
    head.note(Entry(7, "7" * 64))
    head.note(Entry(6, "6" * 64))
    assert head.noted() == Entry(7, "7" * 64)


def test_an_entry_that_cannot_be_noted_is_written_nevertheless(tmp_path, monkeypatch):
    book = Ledger(tmp_path / "ledger.db")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("chaffinch.store.head.os.replace", full)
    assert book.decide("r", decision(1)) == 1
    assert book.check().entries == 1
    assert sorted(path.name for path in Path(tmp_path).iterdir()) == ["ledger.db"]


def test_nothing_is_noted_beside_a_server():
    head = Head(None)
    head.note(Entry(1, START))
    assert (head.file, head.noted()) == (None, None)
