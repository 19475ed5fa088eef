"""How entries are hashed: each carries the hash of the one before, so that tampering shows."""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Connection, Double, Table, func, or_, select

from chaffinch.core.errors import InputError, RunError
from chaffinch.store.schema import ENTRY, KINDS, TABLES, Row

START = "0" * 64
"""What the first entry carries in place of the hash before it."""

_KEYS = ("entry", "position")
_OWN = ("seq", "at", "who", "kind", "digest", "previous")


@dataclass(frozen=True)
class Check:
    """What a check of the chain found.

    Attributes:
        entries: How many entries were found to be whole.
        head: Hash of the last of them; noted elsewhere, it proves later that none was cut off.
        fault: The number of the first entry that is not as it was written; None where all are.
        reason: What is wrong with it.
    """

    entries: int
    head: str
    fault: int | None = None
    reason: str = ""


def as_stored(table: Table, row: Row) -> dict[str, Any]:
    """The row with each cell of its column's type; what is missing (None, NaN) is left out.

    Raises:
        InputError: A column that the table has not, an infinite number, or a text that a
            database cannot hold.
    """
    unknown = sorted(set(row) - set(table.columns.keys()) | set(row) & set(_KEYS))
    if unknown:
        raise InputError(f"columns of {table.name!r}", f"{unknown}", "Leave them out")
    stored: dict[str, Any] = {}
    for name, value in row.items():
        if value is None or value != value:
            continue
        kind = table.columns[name].type
        if isinstance(kind, BigInteger):
            stored[name] = int(value)
        elif isinstance(kind, Double):
            stored[name] = float(value) + 0.0  # SQLite keeps no sign of zero
            if math.isinf(stored[name]):
                raise InputError(f"finite numbers for {name!r}", "an infinite one", "Leave it out")
        else:
            stored[name] = _text(str(value), name)
    return stored


def _text(value: str, name: str) -> str:
    if "\0" in value or (not value.isprintable() and _lone_surrogate(value)):
        raise InputError(
            f"text that a database can hold for {name!r}",
            repr(value[:60]),
            "Remove null characters and broken Unicode",
        )
    return value


def _lone_surrogate(value: str) -> bool:
    return any("\ud800" <= sign <= "\udfff" for sign in value)


def canonical(row: Row) -> str:
    """The one way of writing a row as text: sorted keys, no empty cell, no spaces."""
    filled = {name: value for name, value in row.items() if value is not None}
    return json.dumps(filled, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest_of(content: Iterable[tuple[str, Row]]) -> str:
    """SHA-256 of the content of an entry: names of tables and rows, in order."""
    hasher = hashlib.sha256()
    for table, row in content:
        hasher.update(f"{table}\t{canonical(row)}\n".encode())
    return hasher.hexdigest()


def hash_of(entry: Mapping[str, Any]) -> str:
    """SHA-256 of all of an entry but its own hash, that of the entry before included."""
    return hashlib.sha256(canonical({name: entry[name] for name in _OWN}).encode()).hexdigest()


def head_of(connection: Connection) -> tuple[int, str]:
    """Number and hash of the last entry; 0 and `START` where there is none."""
    last = connection.execute(
        select(ENTRY.c.seq, ENTRY.c.hash).order_by(ENTRY.c.seq.desc()).limit(1)
    ).first()
    if last is None:
        return 0, START
    if not isinstance(last.seq, int) or not isinstance(last.hash, str):
        raise RunError(
            "a last entry with a number and a hash in the ledger",
            f"{last.seq!r} and {last.hash!r}",
            "Somebody changed it: see 'chaffinch ledger check'",
        )
    return last.seq, last.hash


def check_chain(connection: Connection, head: str | None = None) -> Check:
    """Compute every hash again and compare.

    Args:
        connection: An open transaction.
        head: A hash noted earlier, which must be that of an entry.
    """
    previous, count, known = START, 0, head is None
    rows = connection.execute(select(ENTRY).order_by(ENTRY.c.seq)).mappings().all()
    for entry in map(dict, rows):
        reason = _reason(connection, entry, count + 1, previous)
        if reason:
            return Check(count, previous, count + 1, reason)
        previous, count = str(entry["hash"]), count + 1
        known = known or previous == head
    for name, table in TABLES.items():
        lost = or_(table.c.entry.is_(None), table.c.entry.not_in(select(ENTRY.c.seq)))
        found = connection.execute(select(table.c.entry).where(lost).limit(1)).first()
        if found is not None:
            at = found.entry if isinstance(found.entry, int) else count + 1
            return Check(count, previous, at, f"rows of {name!r} without an entry")
    if not known:
        return Check(count, previous, count + 1, f"no entry has the hash {head}: some were cut off")
    return Check(count, previous)


def _reason(connection: Connection, entry: Mapping[str, Any], number: int, previous: str) -> str:
    """What is wrong with an entry, whatever its cells hold; "" where nothing is."""
    if entry["seq"] != number or not isinstance(entry["seq"], int):
        return f"missing; the next one is number {entry['seq']}"
    if entry["previous"] != previous:
        return "it does not carry the hash of the entry before"
    if entry["kind"] not in KINDS:
        return f"it is of an unknown kind, {entry['kind']!r}"
    try:
        if entry["hash"] != hash_of(entry):
            return "its hash does not fit what it says"
        if entry["digest"] != digest_of(content_of(connection, number, entry["kind"])):
            return "its content is not what was hashed"
    except (TypeError, ValueError) as error:  # a cell that no entry was written with
        return f"a cell of it is not what was hashed ({error})"
    own = {table.name for table in KINDS[entry["kind"]]}
    for name in sorted(set(TABLES) - own):
        table = TABLES[name]
        found = select(func.count()).select_from(table).where(table.c.entry == number)
        if connection.execute(found).scalar_one():
            return f"rows of {name!r} were added to it"
    return ""


def content_of(connection: Connection, seq: int, kind: str) -> list[tuple[str, dict[str, Any]]]:
    """The content of an entry in the order in which it was written.

    Raises:
        ValueError: The rows are not numbered as they were written.
    """
    content = []
    for table in KINDS.get(kind, ()):
        rows = select(table).where(table.c.entry == seq).order_by(table.c.position)
        for number, row in enumerate(connection.execute(rows).mappings()):
            if row["position"] != number or not isinstance(row["position"], int):
                raise ValueError(f"position {row['position']!r} of row {number} in {table.name!r}")
            cells = {name: value for name, value in row.items() if name not in _KEYS}
            content.append((table.name, cells))
    return content


def stored_rows(table: Table, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """`as_stored` for each row."""
    return [as_stored(table, row) for row in rows]
