"""Runs made of evidence that somebody else collected: those of `judge` and of a watch."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np

from chaffinch.core.dataset import Dataset
from chaffinch.core.errors import InputError
from chaffinch.core.evidence import Evidence
from chaffinch.core.findings import Findings
from chaffinch.core.identity import digest, fingerprint
from chaffinch.core.labels import Labels, class_named
from chaffinch.core.types import Modality, Strings
from chaffinch.core.version import VERSION
from chaffinch.data import open_data
from chaffinch.pipeline.gallery import gallery
from chaffinch.pipeline.judge_inputs import JudgeInputs
from chaffinch.pipeline.keeping import Place, keep
from chaffinch.pipeline.outcome import (
    Result,
    Stopwatch,
    data_record,
    judgement_of,
    model_record,
    new_record,
)
from chaffinch.pipeline.places import with_places_in
from chaffinch.pipeline.resume import Plan
from chaffinch.pipeline.snapshot import location_of
from chaffinch.store import EvidenceFolder
from chaffinch.store.run import EVIDENCE, Exhibit, OriginRecord

NO_MODEL = "none (evidence was given)"


@dataclass(frozen=True)
class Opening:
    """How the data of a run are opened, as `open_data` takes it.

    Attributes:
        label: Column of the labels.
        id_column: Column of unique keys.
        text_column: Column(s) of the text.
    """

    label: str | None = None
    id_column: str | None = None
    text_column: str | None = None


@final
@dataclass(frozen=True, eq=False)
class Unseen:
    """A `Dataset` of samples of which no more is known than ids, labels and evidence.

    Attributes:
        ids: (N,) unique ids.
        labels: The given labels.
        digests: (N,) hash of the evidence on each sample.
        fingerprint: Hash of ids, evidence and labels; "" where the run is not kept.
    """

    ids: Strings
    labels: Labels
    digests: tuple[str, ...] = ()
    fingerprint: str = ""

    source: ClassVar[str] = "evidence without data"
    modality: ClassVar[Modality] = "array"

    @classmethod
    def of(cls, ids: Strings, labels: Labels, evidence: Evidence) -> "Unseen":
        """The samples, known by what the evidence says of each; of those left out it says nothing.

        Args:
            ids: (N,) unique ids.
            labels: The given labels.
            evidence: Of some of the samples.
        """
        size, parts = len(evidence), []
        for name, array in evidence.records.items():
            axis = 0 if name in ("embeddings", "features") else 1
            if array.ndim > axis and array.shape[axis] == size and "validation" not in name:
                parts.append(np.moveaxis(array, axis, 0))
        row_of = {str(name): row for row, name in enumerate(evidence.ids)}
        digests = []
        for name in ids:
            row = row_of.get(str(name))
            known = () if row is None else (part[row].tobytes() for part in parts)
            digests.append(digest(*known))
        return cls(ids, labels, tuple(digests), fingerprint(ids, digests, labels.values))

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, index: Any) -> "Unseen":
        """The samples at the positions ``index``."""
        digests = tuple(self.digests[row] for row in np.arange(len(self))[index])
        return Unseen(self.ids[index], self.labels.take(index), digests)

    def show(self, position: int) -> Mapping[str, Any]:  # noqa: ARG002  # there is nothing to see
        """Nothing."""
        return {}


@dataclass(frozen=True, eq=False)
class About:
    """The samples that evidence is about.

    Attributes:
        ids: (N,) their ids.
        labels: Their labels.
        data: The data, open; None where they were not given.
        location: Where the data lie; "" for data in memory or none.
        opened: How they were opened.
        rows: (N,) positions of the samples in the data; None where they are in the same order.
    """

    ids: Strings
    labels: Labels
    data: Dataset | None = None
    location: str = ""
    opened: Opening = field(default_factory=Opening)
    rows: Sequence[int] | None = None

    @classmethod
    def of(cls, data: Any, opening: Opening | None, named: bool, given: JudgeInputs) -> "About":
        """The samples that `judge` was asked about.

        Args:
            data: What `open_data` takes, or None.
            opening: How they are opened.
            named: Whether the user named the samples.
            given: Labels and ids.

        Raises:
            InputError: Data that cannot be opened, or hold other samples or labels.
        """
        opening = opening or Opening()
        if data is None:
            return cls(given.ids, given.labels, opened=opening)
        if named:
            raise InputError(
                "ids or data, which have ids",
                "both",
                "Leave ids out; name the column of the ids with id_column",
            )
        opened = open_data(data, trainable=False, **asdict(opening))
        check_labels(opened, given.labels)
        return cls(opened.ids, given.labels, opened, location_of(data) or "", opening)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was interpreted when the data were opened."""
        return tuple(getattr(self.data, "notes", ()))

    @property
    def opening(self) -> dict[str, Any]:
        """How the data are opened, for the configuration of the run."""
        return {"id_column": self.opened.id_column, "text_column": self.opened.text_column}

    def placed(self, findings: Findings) -> Findings:
        """The findings with ``row`` and ``source``."""
        return with_places_in(findings, self.data, self.location, self.rows)


def check_labels(data: Dataset, labels: Labels, rows: Sequence[int] | None = None) -> None:
    """Refuse data whose labels are not those that are judged.

    Args:
        data: The data.
        labels: (N,) the labels that are judged.
        rows: (N,) positions of their samples in the data; None for all, in order.

    Raises:
        InputError: Fewer or more samples, or another label.
    """
    places = range(len(data)) if rows is None else rows
    if len(places) != len(labels) or max(places, default=0) >= len(data):
        raise InputError(
            f"data of the {len(labels):,} samples that are judged",
            f"{len(data):,} samples",
            "Give the data that the evidence is about, row by row",
        )
    names, there = set(data.labels.names), data.labels.texts
    told = zip(places, labels.texts, labels.known, strict=True)
    other = [row for row, text, known in told if known and class_named(text, names) != there[row]]
    if other:
        raise InputError(
            "data with the labels that are judged, in the same order",
            f"another label in {len(other):,} rows, such as row {other[0]}",
            "Sort them alike, or name the column of the labels with label",
        )


@dataclass(frozen=True, eq=False)
class Judging:
    """What is judged, and how.

    Attributes:
        evidence: Of the samples that can be judged.
        configuration: All that decides the outcome, but for seed and evidence.
        seed: Decides every random choice.
        about: All samples.
        model: What the record says of the model.
        parameters: How many it has.
    """

    evidence: Evidence
    configuration: dict[str, Any]
    seed: int
    about: About
    model: str = NO_MODEL
    parameters: int = 0


def made_of_evidence(judging: Judging, find: Callable[[], Findings], place: Place | None) -> Result:
    """Judge, and keep the run where asked.

    Args:
        judging: What is judged, and how.
        find: Judges it.
        place: Where the run is kept; None for memory.

    Raises:
        InputError: Any reason of ``find``, or a place that cannot be written to.
        RunError: The place holds another run.
    """
    about = judging.about
    # Maps of other files count as arrays: they are to be written into the run.
    records: dict[str, Any] = {
        name: np.asarray(array) for name, array in judging.evidence.records.items()
    }
    evidence = replace(judging.evidence, **records)
    if place is None:
        return _result(judging, find, about.data or Unseen(about.ids, about.labels))
    data = about.data or Unseen.of(about.ids, about.labels, evidence)
    kept = {
        **judging.configuration,
        "seed": judging.seed,
        "version": VERSION,
        "records": {name: _hash(array) for name, array in evidence.records.items()},
    }

    def job(folder: Path) -> tuple[Result, list[Exhibit]]:
        result = _result(judging, find, data)
        EvidenceFolder(folder / EVIDENCE).finish(evidence)
        return result, [] if about.data is None else gallery(about.data, result.findings)

    return keep(place, Plan(data.fingerprint, kept), data, about.location, job)


def _result(judging: Judging, find: Callable[[], Findings], data: Dataset) -> Result:
    watch, about, evidence = Stopwatch(), judging.about, judging.evidence
    with watch.stage("judging"):
        findings = find()
    codes = evidence.validation_codes
    record = new_record(
        data=data_record(data, evidence.labels, 0 if codes is None else len(codes)),
        model=model_record(evidence, judging.model, judging.parameters),
        judgement=judgement_of(findings),
        configuration=judging.configuration,
        seed=judging.seed,
        device="cpu",
        timings=watch.seconds,
        origin=OriginRecord(path=about.location, label=about.opened.label),
    )
    return Result(record, findings, evidence)


def _hash(array: Any) -> str:
    hasher = hashlib.blake2b(repr((array.shape, str(array.dtype))).encode(), digest_size=16)
    if array.size:
        content: Any = np.ascontiguousarray(array)
        hasher.update(memoryview(content).cast("B"))
    return hasher.hexdigest()
