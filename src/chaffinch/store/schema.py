"""The tables of the ledger, as the newest migration leaves them.

Every table but ``entry`` holds the content of entries: row ``position`` of entry ``entry``. Texts
are texts in every dialect, JSON documents and times (UTC, ISO 8601) included, so that what is
read back is, letter by letter, what was hashed.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import BigInteger, Column, Double, MetaData, Table, Text

METADATA = MetaData()

ENTRY = Table(
    "entry",
    METADATA,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("previous", Text, nullable=False),
    Column("hash", Text, nullable=False),
)


def _content(name: str, texts: str, numbers: str = "", integers: str = "") -> Table:
    """A table of content; the arguments list its columns by type."""
    return Table(
        name,
        METADATA,
        Column("entry", BigInteger, primary_key=True, autoincrement=False),
        Column("position", BigInteger, primary_key=True, autoincrement=False),
        *(Column(column, Text) for column in texts.split()),
        *(Column(column, Double) for column in numbers.split()),
        *(Column(column, BigInteger) for column in integers.split()),
    )


RUN = _content(
    "run", "id folder source location fingerprint version findings record", integers="samples"
)
FINDING = _content(
    "finding",
    "run sample given_label kind suggested_label",
    "suspicion kind_probability suggestion_confidence q_value",
    "flagged",
)
DECISION = _content(
    "decision", "run sample action label reason reviewer decided_at source", "confidence"
)
VERSION = _content(
    "version",
    "id fingerprint source location modality files rows_artifact files_artifact parent plan run",
    integers="samples",
)
PLAN = _content("plan", "id run policy fingerprint document", integers="edits")
EDIT = _content(
    "edit", "plan sample action kind old_label new_label reason who", "weight confidence"
)
VERIFICATION = _content("verification", "run plan verdict document", "difference lowest highest")
CALIBRATION = _content("calibration", "run document", "rate lowest highest", "answers flagged")

KINDS: Mapping[str, tuple[Table, ...]] = {
    "run": (RUN, FINDING),
    "decision": (DECISION,),
    "version": (VERSION,),
    "plan": (PLAN, EDIT),
    "verification": (VERIFICATION,),
    "calibration": (CALIBRATION,),
}
"""The kinds of entries, and the tables that hold the content of each."""

TABLES: Mapping[str, Table] = {table.name: table for tables in KINDS.values() for table in tables}
"""The tables of content by name."""

Row = Mapping[str, Any]
