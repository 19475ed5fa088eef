"""What a data sheet holds, gathered from data, run and ledger."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from chaffinch.core.dataset import Dataset
from chaffinch.core.rate_range import RateRange
from chaffinch.data import open_data
from chaffinch.data.file import READERS, read_table, suffix_of
from chaffinch.data.opening import columns_of
from chaffinch.pipeline.datasheet.about import About
from chaffinch.pipeline.history import history_of
from chaffinch.pipeline.labelled import need_labels
from chaffinch.pipeline.ledger import ledger_for, run_id
from chaffinch.pipeline.run_data import open_run_data, opening_of
from chaffinch.pipeline.snapshot import files_of, location_of
from chaffinch.store.content import Contents
from chaffinch.store.decision import consensus
from chaffinch.store.ledger import Ledger, NoLedgerError
from chaffinch.store.nearby import NONE, is_run, ledger_near
from chaffinch.store.run import RunFolder, RunRecord

_MOST_PAIRS = 5


@dataclass(frozen=True)
class Sheet:
    """Everything that a data sheet says.

    Attributes:
        about: What people stated.
        source: Name of the data.
        location: Where they lie; None for data that were in memory.
        modality: What a sample is.
        fingerprint: Of all samples and labels.
        classes: Samples of each class by its name.
        files: Names, sizes and hashes of the files; None where they are not at hand.
        columns: Columns of a table file and their types, in Croissant's words.
        run: The record of the scan; None where the data were not scanned.
        faults: Samples by kind, the flagged among them, and what is expected beyond these.
        history: What the ledger knows, as of `history_of`.
        review: Figures on reviewers' decisions.
        verifications: What verifications of repairs found.
    """

    about: About
    source: str
    location: str | None
    modality: str
    fingerprint: str
    classes: Mapping[str, int]
    files: Contents | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    run: RunRecord | None = None
    faults: Mapping[str, Any] = field(default_factory=dict)
    history: pd.DataFrame = field(default_factory=pd.DataFrame)
    review: Mapping[str, int] = field(default_factory=dict)
    verifications: tuple[Mapping[str, Any], ...] = ()

    @property
    def name(self) -> str:
        """What to call the data."""
        return self.about.name or self.source

    @property
    def samples(self) -> int:
        """How many there are."""
        return sum(self.classes.values())


def sheet_of(subject: str | Path, about: About, ledger: str | None = None, **opening: Any) -> Sheet:
    """Gather a data sheet.

    Args:
        subject: A run folder or data. Of data, the newest run that the ledger knows is taken.
        about: What people stated.
        ledger: Where the ledger is; by default the one nearby, if there is one.
        **opening: ``label``, ``id_column`` and ``text_column`` of data without a run.

    Raises:
        InputError: Data that cannot be opened, or a run on prompts and responses.
    """
    book = _book(subject, ledger)
    run = RunFolder(subject) if is_run(subject) else _newest_run(subject, book)
    if run is None:
        location = location_of(subject)
        return _of_data(open_data(subject, trainable=False, **opening), location, about, book)
    record, latest = run.record, run.latest
    need_labels(record)
    location = (record.origin.path if record.origin else "") or None
    data = open_run_data(run) if location and _there(location) else None
    return Sheet(
        about,
        record.data.source,
        location,
        record.data.modality,
        record.data.fingerprint,
        dict(zip(record.data.classes, record.data.class_counts, strict=True)),
        files_of(location, data) if location and data is not None else None,
        _columns(location, opening_of(record)) if location and data is not None else {},
        record,
        _faults(latest[1], latest[0]),
        pd.DataFrame() if book is None else history_of(book, run.path),
        {} if book is None else _review(book, run),
        () if book is None else _verifications(book, run),
    )


def _book(subject: str | Path, url: str | None) -> Ledger | None:
    if url == NONE:
        return None
    try:
        if is_run(subject):
            return ledger_for(subject, url, create=False)
        return ledger_near(subject, url=url)
    except NoLedgerError:  # one that cannot be opened is another matter
        if url is not None:
            raise
        return None


def _newest_run(subject: str | Path, book: Ledger | None) -> RunFolder | None:
    if book is None:
        return None
    digest = files_of(str(location_of(subject))).digest
    versions = book.table("version")
    same = set(versions[versions["files"] == digest]["id"])
    runs = book.table("run")
    for folder in reversed(runs[runs["version"].isin(same)]["folder"].tolist()):
        if is_run(folder):
            return RunFolder(folder)
    return None


def _of_data(data: Dataset, location: str | None, about: About, book: Ledger | None) -> Sheet:
    counts = dict(zip(data.labels.names, data.labels.counts.tolist(), strict=True))
    return Sheet(
        about,
        data.source,
        location,
        data.modality,
        data.fingerprint,
        counts,
        files_of(location, data) if location else None,
        _columns(location, {}) if location else {},
        history=pd.DataFrame() if book is None or not location else history_of(book, location),
    )


def _there(location: str) -> bool:
    return "://" in location or Path(location).exists()


def _columns(location: str, opening: dict[str, Any]) -> dict[str, str]:
    """Columns of CSV and Parquet files, which Croissant can address."""
    if suffix_of(location) not in READERS or suffix_of(location) in (".json", ".jsonl", ".txt"):
        return {}
    words = {"i": "sc:Integer", "u": "sc:Integer", "f": "sc:Float", "b": "sc:Boolean"}
    frame = read_table(location, columns_of(**opening))
    return {
        str(name): words.get(getattr(frame[name].dtype, "kind", "O"), "sc:Text")
        for name in frame.columns
    }


def _faults(findings: pd.DataFrame, record: RunRecord) -> dict[str, Any]:
    kinds = findings["kind"].value_counts()
    flagged = findings[findings["flagged"].astype(bool) & findings["suggested_label"].notna()]
    given, right = (flagged[name].astype(str) for name in ("given_label", "suggested_label"))
    pairs = Counter(zip(given, right, strict=True)).most_common(_MOST_PAIRS)
    return {
        "kinds": {str(kind): int(count) for kind, count in kinds.items() if kind != "clean"},
        "flagged": record.judgement.flagged,
        "said": _said(record),
        "pairs": [(count, *names) for names, count in pairs],
    }


def _said(record: RunRecord) -> str:
    """How many labels may be wrong, in one sentence without the full stop."""
    size, expected = record.data.samples, record.judgement.estimated_errors
    rate = RateRange.of(record.judgement.details, expected / max(size, 1))
    if rate is None:
        return f"About {expected:,.0f} of {size:,} labels are expected to be wrong"
    return rate.words[0].upper() + rate.words[1:]


def _review(book: Ledger, run: RunFolder) -> dict[str, int]:
    decisions = book.decisions(run_id(run.path))
    if not len(decisions):
        return {}
    joint = consensus(decisions)
    several = joint[joint["reviewers"] > 1]
    return {
        "reviewers": int(decisions["reviewer"].nunique()),
        "samples": len(joint),
        "by several": len(several),
        "alike": int(several["agreed"].sum()),
        **{str(key): int(count) for key, count in joint["action"].value_counts().items()},
    }


def _verifications(book: Ledger, run: RunFolder) -> tuple[Mapping[str, Any], ...]:
    rows = book.table("verification", run=run_id(run.path))
    names = ["at", "plan", "verdict", "difference", "lowest", "highest"]
    told = rows[names].to_dict("records")
    return tuple({str(key): value for key, value in row.items()} for row in told)
