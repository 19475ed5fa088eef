import itertools
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from chaffinch.core.errors import InputError, RunError
from chaffinch.store.chain import START
from chaffinch.store.decision import Decision
from chaffinch.store.ledger import Ledger
from chaffinch.store.migration import NEWEST
from chaffinch.store.schema import TABLES


def fill(ledger):
    """One entry of every kind, with cells that are missing, long and odd."""
    finding = {"run": "r", "sample": "s1", "suspicion": 0.1 + 0.2, "q_value": np.nan, "flagged": 1}
    ledger.append("run", {"run": [{"id": "r", "samples": 7}], "finding": [finding, finding]})
    ledger.decide("r", [Decision("s1", "keep", "ann"), Decision("s2", "relabel", "bob", "ä€😀")])
    ledger.append("version", {"version": [{"id": "v", "source": "it's; --", "samples": 2**40}]})
    ledger.append("plan", {"plan": [{"id": "p"}], "edit": [{"plan": "p", "weight": 1e-300}]})
    ledger.append("verification", {"verification": [{"run": "r", "difference": -0.0}]})


def test_what_is_written_is_read_back(ledger, monkeypatch):
    monkeypatch.setenv("CHAFFINCH_USER", "Zoë")
    fill(ledger)
    findings = ledger.table("finding", run="r")
    assert findings["suspicion"].tolist() == [0.1 + 0.2] * 2
    assert findings["q_value"].isna().all()
    assert findings["position"].tolist() == [0, 1]
    assert findings["who"].tolist() == ["Zoë"] * 2
    assert ledger.table("decision")["label"].tolist()[1] == "ä€😀"
    assert ledger.table("version")["samples"].tolist() == [2**40]
    assert ledger.table("edit", plan="p")["weight"].tolist() == [1e-300]
    assert ledger.table("edit", plan="q").empty
    kinds = ["run", "decision", "version", "plan", "verification"]
    assert ledger.entries()["kind"].tolist() == kinds


def test_a_whole_chain_passes_and_each_entry_carries_the_hash_before(ledger):
    assert ledger.check().entries == 0
    assert ledger.head() == START
    fill(ledger)
    found = ledger.check()
    assert (found.fault, found.entries) == (None, 5)
    entries = ledger.entries()
    assert entries["previous"].tolist() == [START, *entries["hash"].tolist()[:-1]]
    assert found.head == ledger.head() == entries["hash"].iloc[-1]
    assert ledger.check(head=entries["hash"][2]).fault is None


@pytest.mark.parametrize("table", ["entry", "migration", *TABLES])
def test_the_database_refuses_changes(ledger, table):
    fill(ledger)
    ledger.append("calibration", {"calibration": [{"run": "r", "answers": 30, "rate": 0.1}]})
    for change in (f"UPDATE {table} SET {column_of(table)} = 'x'", f"DELETE FROM {table}"):
        with pytest.raises(DBAPIError, match="append-only"):
            ledger.database.write(lambda connection, sql=change: connection.execute(text(sql)))
    assert ledger.check().fault is None


def column_of(table):
    if table == "migration":
        return "applied_at"
    return (
        "who"
        if table == "entry"
        else next(column.name for column in TABLES[table].columns if str(column.type) == "TEXT")
    )


def test_truncating_is_refused(ledger):
    if ledger.database.url.startswith("sqlite"):
        pytest.skip("SQLite has no TRUNCATE")
    with pytest.raises(DBAPIError, match="append-only"):
        ledger.database.write(lambda connection: connection.execute(text("TRUNCATE finding")))


def tamper(ledger, statement):
    """What somebody with full rights on the database could do."""

    def work(connection):
        sqlite = connection.dialect.name == "sqlite"
        for table in ("entry", *TABLES):
            names = (
                [f"{table}_no_{what}" for what in ("update", "delete", "replace")]
                if sqlite
                else [f"{table}_append_only"]
            )
            for name in names:
                on = "" if sqlite else f" ON {table}"
                connection.execute(text(f"DROP TRIGGER {name}{on}"))
        connection.execute(text(statement))

    ledger.database.write(work)


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("UPDATE decision SET label = 'dog' WHERE label IS NOT NULL", 2),
        ("UPDATE finding SET suspicion = 0.30000000000000001 WHERE position = 1", 1),
        ("UPDATE finding SET q_value = 0 WHERE position = 0", 1),
        ("DELETE FROM edit", 4),
        ("UPDATE entry SET who = 'eve' WHERE seq = 3", 3),
        ("UPDATE entry SET at = '2020-01-01' WHERE seq = 5", 5),
        ("DELETE FROM entry WHERE seq = 2", 2),
        ("INSERT INTO edit (entry, position, plan) VALUES (4, 1, 'p')", 4),
        ("INSERT INTO edit (entry, position, plan) VALUES (2, 0, 'p')", 2),
        ("INSERT INTO edit (entry, position, plan) VALUES (9, 0, 'p')", 9),
        ("UPDATE decision SET position = 1 - position + 2", 2),
    ],
)
def test_tampering_is_found_and_the_first_entry_named(ledger, statement, fault):
    fill(ledger)
    tamper(ledger, statement)
    assert ledger.check().fault == fault


def fill_all(ledger):
    """The same, and a calibration."""
    fill(ledger)
    ledger.append("calibration", {"calibration": [{"run": "r", "answers": 30, "rate": 0.1}]})


STRANGE = ("NULL", "'abc'", "x'00ff'", "CAST(x'ff41' AS TEXT)", "1.5", "-7", "9e999")


@pytest.mark.parametrize("table", ["entry", *TABLES])
def test_no_cell_whatever_is_in_it_stops_the_check_or_passes_it(tmp_path, table):
    fill_all(Ledger(tmp_path / "whole.db"))
    file = tmp_path / "changed.db"
    with closing(sqlite3.connect(tmp_path / "whole.db")) as whole:
        columns = [row[1] for row in whole.execute(f"PRAGMA table_info({table})")]
        for what in ("update", "delete", "replace"):
            whole.execute(f"DROP TRIGGER {table}_no_{what}")
        whole.commit()
        values = itertools.cycle(STRANGE)  # so many columns that each meets several
        for column, value in ((one, next(values)) for one in columns * 3):
            with closing(sqlite3.connect(file)) as copy:
                whole.backup(copy)
                row = f"(SELECT max(rowid) FROM {table})"
                cell = f"SELECT {column} FROM {table} WHERE rowid = {row}"
                before = copy.execute(cell).fetchone()
                with suppress(sqlite3.IntegrityError):
                    copy.execute(f"UPDATE {table} SET {column} = {value} WHERE rowid = {row}")
                    copy.commit()
                copy.text_factory = bytes
                after = copy.execute(cell).fetchone()
            told = [one.encode() if isinstance(one, str) else one for one in before]
            same = told == [*after]
            fault = Ledger(file).check().fault
            assert (fault is None) == same, (column, value)


@pytest.mark.parametrize("table", ["entry", "migration", *TABLES])
def test_rows_are_not_replaced_either(tmp_path, table):
    ledger = Ledger(tmp_path / "ledger.db")
    fill_all(ledger)
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as other:
        columns = [row[1] for row in other.execute(f"PRAGMA table_info({table})")]
        names = ", ".join(columns)
        before = other.execute(f"SELECT rowid, {names} FROM {table}").fetchall()
        words = [f"(rowid, {names}) SELECT rowid, {names}"]  # in place of a row as such
        if table == "entry":
            for unique in ("previous", "hash"):
                others = (n if n == unique else f"{n} || 'x'" for n in columns[1:])
                words.append(f"({names}) SELECT seq + 99, {', '.join(others)}")
        if table != "migration":
            words.append(f"({names}) SELECT {names}")
        for one in words:
            for verb in ("INSERT OR REPLACE", "REPLACE"):
                with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                    other.execute(f"{verb} INTO {table} {one} FROM {table}")
        assert other.execute(f"SELECT rowid, {names} FROM {table}").fetchall() == before
    assert ledger.check().fault is None


def test_a_last_entry_that_is_none_is_refused_in_words(tmp_path):
    ledger = Ledger(tmp_path / "ledger.db")
    fill(ledger)
    tamper(ledger, "UPDATE entry SET seq = x'ff' WHERE seq = 5")
    assert ledger.check().fault == 5
    with pytest.raises(RunError, match="ledger check"):
        ledger.decide("r", [Decision("s", "keep", "ann")])


def test_cutting_off_the_end_is_found_with_a_noted_head(ledger, tmp_path):
    fill(ledger)
    head = ledger.head()
    tamper(ledger, "DELETE FROM verification")
    ledger.database.write(lambda c: c.execute(text("DELETE FROM entry WHERE seq = 5")))
    (tmp_path / "ledger.db.head").unlink(missing_ok=True)  # tests/store/test_head.py has one
    assert ledger.check().fault is None
    found = ledger.check(head)
    assert found.fault == 5
    assert "cut off" in found.reason


def test_rows_that_cannot_be_held_are_refused_before_anything_is_written(ledger):
    for row, message in (
        ({"nonsense": 1}, "columns of 'version'"),
        ({"entry": 1}, "columns of 'version'"),
        ({"id": "a\0b"}, "text that a database can hold"),
        ({"id": "\ud800"}, "text that a database can hold"),
    ):
        with pytest.raises(InputError, match=message):
            ledger.append("version", {"version": [{"id": "fine"}, row]})
    with pytest.raises(InputError, match="finite"):
        ledger.append("verification", {"verification": [{"difference": np.inf}]})
    assert ledger.check().entries == 0


def test_an_entry_that_fails_half_way_leaves_nothing(ledger, monkeypatch):
    fill(ledger)

    def stop(connection):
        connection.execute(text("INSERT INTO edit (entry, position) VALUES (6, 0)"))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ledger.append("version", {"version": [{"id": "x"}]}, unless=stop)
    assert ledger.check().fault is None
    assert ledger.check().entries == 5


def test_decisions_known_already_are_left_out(ledger):
    first = Decision("s", "keep", "ann", decided_at="2025-01-01T12:00:00+02:00")
    same = Decision("s", "keep", "ann", decided_at="2025-01-01T10:00:00Z")
    assert ledger.decide("r", [first, first]) == 1
    assert ledger.decide("r", [same]) == 0
    assert ledger.decide("r", []) == 0
    assert ledger.decide("other run", [same]) == 1
    assert ledger.check().entries == 2


WRITER = """
import sys
from chaffinch.store.decision import Decision
from chaffinch.store.ledger import Ledger
sys.stdin.readline()
for number in range(20):
    Ledger(sys.argv[1]).decide("r", [Decision(f"s{number}", "keep", sys.argv[2])])
"""


def test_two_writers_at_once_lose_nothing(url):
    words = [sys.executable, "-c", WRITER, url]
    writers = [
        subprocess.Popen([*words, name], stdin=subprocess.PIPE, text=True) for name in ("a", "b")
    ]
    for writer in writers:  # both make the tables, too
        writer.stdin.write("go\n")
        writer.stdin.flush()
    assert [writer.wait(120) for writer in writers] == [0, 0]
    for writer in writers:
        writer.stdin.close()
    ledger = Ledger(url)
    assert (ledger.check().fault, ledger.check().entries) == (None, 40)
    counts = ledger.decisions("r")["reviewer"].value_counts().to_dict()
    assert counts == {"a": 20, "b": 20}


def test_a_missing_ledger_is_not_made_for_reading(tmp_path):
    with pytest.raises(InputError, match="got none"):
        Ledger(tmp_path / "no.db", create=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://somewhere/db", "postgresql://USER@HOST/DATABASE"),
        ("sqlite://", "the path of a file"),
        ("sqlite:///:memory:", "the path of a file"),
        ("sqlite:///file:x?mode=memory&uri=true", "the path of a file"),
        ("memory://x", "the path of a file"),
        ("postgresql://nobody@127.0.0.1:1/none", "can be opened"),
    ],
)
def test_places_that_cannot_be_a_ledger(url, message):
    with pytest.raises(InputError, match=message):
        Ledger(url)


def test_a_file_that_is_no_database(tmp_path):
    file = tmp_path / "notes.txt"
    file.write_text("hello " * 500)
    with pytest.raises(InputError, match="ledger"):
        Ledger(file)
    assert file.read_text() == "hello " * 500


def test_a_newer_ledger_is_refused(ledger, url):
    newer = f"INSERT INTO migration (version, applied_at) VALUES ({NEWEST + 1}, 'now')"
    ledger.database.write(lambda connection: connection.execute(text(newer)))
    with pytest.raises(RunError, match="newer version of Chaffinch"):
        Ledger(url)


def test_tables_come_as_frames_even_when_empty(ledger):
    for name in TABLES:
        frame = ledger.table(name)
        assert isinstance(frame, pd.DataFrame)
        assert frame.empty
        assert list(frame.columns[:3]) == ["seq", "at", "who"]
