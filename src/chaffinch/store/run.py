"""The run folder: findings, the record of how they came about, and samples to look at.

A folder is written beside its final place and renamed when it is whole, so that a folder with a
``run.json`` can be trusted to hold everything.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chaffinch.core.basis import Basis
from chaffinch.core.durable import draft_of, replace
from chaffinch.core.errors import InputError, RunError
from chaffinch.core.explanation import Explanation
from chaffinch.core.kinds import Kind
from chaffinch.core.parsing import parse_json
from chaffinch.core.sample_name import with_places

FINDINGS = "findings.parquet"
RECORD = "run.json"
GALLERY = "gallery.json"
REPORT = "report.html"
EVIDENCE = "evidence"
EXPLANATIONS = "explanations.json"
CALIBRATION = "calibration.json"
CALIBRATED = "calibrated.parquet"


class DataRecord(BaseModel):
    """Which data were scanned."""

    source: str
    fingerprint: str
    modality: str
    samples: int
    classes: list[str]
    class_counts: list[int]
    validation_samples: int = 0


class OriginRecord(BaseModel):
    """Where the data lie and how they are opened, so that a later command finds them again.

    Attributes:
        path: Absolute path or URL of the data; "" where they were in memory.
        label: The label column that was named.
        validation: Absolute path or URL of the validation data; "" for none or in memory.
        model: The user's model by name; "" for the default or one in memory.
    """

    path: str = ""
    label: str | None = None
    validation: str = ""
    model: str = ""


class ModelRecord(BaseModel):
    """Which model looked at them, and how well it did (shares of samples in 0..1)."""

    name: str
    parameters: int = 0
    epochs: int = 0
    training_accuracy: list[float] = Field(default_factory=list)
    """By epoch, in-sample, against the given labels."""
    held_out_accuracy: list[float] = Field(default_factory=list)
    """By epoch, of the fold models on samples that they never saw, against the given labels."""
    validation_accuracy: float | None = None


class JudgementRecord(BaseModel):
    """What was found, in figures."""

    flagged: int
    estimated_errors: float
    flow: list[list[float]] | None = None
    """Expected number of samples by given (row) and right (column) label."""
    scorers: list[str]
    notes: list[str]
    details: dict[str, Any] = Field(default_factory=dict)


class Exhibit(BaseModel):
    """One sample as a person sees it.

    ``content`` is ``{column: value}`` for a table row, ``{"text": ...}`` for text, and
    ``{"image": "data:image/png;base64,..."}`` for images, and for sounds and series with further
    cells beside it.
    """

    id: str
    content: dict[str, Any]


class DrawnRecord(BaseModel):
    """A sample drawn at random for people to check, and one over the probability of that."""

    id: str
    weight: float


class AnswerRecord(BaseModel):
    """An answer that the ledger cannot hold as a decision.

    Attributes:
        id: Id of the sample.
        reviewer: Who said it.
        label: The right label; None where only ``wrong`` is known.
        wrong: Whether the label is wrong; None for "cannot tell".
    """

    id: str
    reviewer: str
    label: str | None = None
    wrong: bool | None = None


class CalibrationRecord(BaseModel):
    """``calibration.json``: which samples people are asked about, and what their answers changed.

    Attributes:
        drawn: The samples drawn so far, in the order in which they are to be checked.
        answers: Those that no ledger holds.
        judgement: What is said of the run after the answers; None before.
    """

    drawn: list[DrawnRecord] = Field(default_factory=list)
    answers: list[AnswerRecord] = Field(default_factory=list)
    judgement: JudgementRecord | None = None


class TaskRecord(BaseModel):
    """What a label is, and how what is wrong with one is told, where it is not one of C classes.

    Attributes:
        name: The task.
        noun: What a label is called, in the singular.
        kinds: The kinds that the findings tell apart, in the order in which they are shown.
        reference: ``MODULE:NAME`` or ``FILE.py:NAME`` of a task that has no name of its own among
            those installed; "" for those.
    """

    name: str
    noun: str
    kinds: dict[str, Kind]
    reference: str = ""


class RunRecord(BaseModel):
    """``run.json``: everything needed to understand and repeat a run."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(default="", pattern="^([0-9a-f]{32})?$")
    """Names the run in the ledger, whatever becomes of its files; "" in runs of older versions."""
    chaffinch: str
    created: str
    """UTC, ISO 8601."""
    data: DataRecord
    model: ModelRecord
    judgement: JudgementRecord
    configuration: dict[str, Any]
    seed: int
    device: str
    versions: dict[str, str]
    timings: dict[str, float]
    """Seconds by stage."""
    task: TaskRecord | None = None
    """Absent for classes and for prompts."""
    origin: OriginRecord | None = None
    """Absent in runs of older versions."""
    demo: dict[str, Any] | None = None
    """Only in the demo, where the truth is known: injected, found, precision, recall."""


class RunFolder:
    """A finished run on disk.

    Args:
        path: The folder.

    Raises:
        RunError: The folder is missing, unfinished or damaged.
        InputError: Something else than a path.
    """

    def __init__(self, path: str | Path) -> None:
        if not isinstance(path, str | os.PathLike):
            raise InputError("the folder of a run", f"a {type(path).__name__}", "Pass its path")
        self.path = Path(path)
        if not os.path.isfile(self.path / RECORD):  # False, too, for names that cannot be
            partial = partial_folder(self.path)
            raise RunError(
                f"a finished run in {self.path}",
                f"an unfinished one in {partial}" if partial.is_dir() else "none there",
                "Run 'chaffinch scan DATA --out RUN' (an interrupted scan resumes)",
            )

    @property
    def record(self) -> RunRecord:
        """The parsed ``run.json``."""
        try:
            return RunRecord.model_validate_json((self.path / RECORD).read_bytes())
        except ValidationError as error:
            first = error.errors()[0]
            raise RunError(
                f"a run.json of this version in {self.path}",
                f"{first['msg']} at {'.'.join(map(str, first['loc'])) or 'the top'}",
                "Scan again with --overwrite",
            ) from error

    @property
    def findings(self) -> pd.DataFrame:
        """The findings table.

        Raises:
            RunError: The file is missing or damaged.
        """
        return self._table(FINDINGS, "Scan again with --overwrite")

    @property
    def calibration(self) -> CalibrationRecord:
        """Draws and answers of people; empty where nobody was asked.

        Raises:
            RunError: The file is damaged.
        """
        file = self.path / CALIBRATION
        if not file.is_file():
            return CalibrationRecord()
        try:
            return CalibrationRecord.model_validate_json(file.read_bytes())
        except ValidationError as error:
            raise RunError(
                f"a calibration in {file}",
                str(error.errors()[0]["msg"]),
                "Delete it and run 'chaffinch calibrate' again",
            ) from error

    def keep_calibration(self, calibration: CalibrationRecord) -> None:
        """Write ``calibration.json``."""
        write_text(self.path / CALIBRATION, calibration.model_dump_json(indent=1) + "\n")

    @property
    def latest(self) -> tuple[RunRecord, pd.DataFrame]:
        """Record and findings as people's answers left them; as the scan did where there are none.

        Raises:
            RunError: A file is missing or damaged.
        """
        record, judgement = self.record, self.calibration.judgement
        if judgement is None:
            return record, self.findings
        table = self._table(CALIBRATED, "Run 'chaffinch calibrate' again")
        return record.model_copy(update={"judgement": judgement}), table

    def _table(self, name: str, remedy: str) -> pd.DataFrame:
        try:
            return with_places(pd.read_parquet(self.path / name))
        except (OSError, ValueError, pa.ArrowException) as error:
            reason = " ".join(str(error).split()).rstrip(".")
            raise RunError(f"findings in {self.path / name}", reason, remedy) from error

    @property
    def basis(self) -> Basis | None:
        """The evidence by which answers recalibrate the findings; None in old runs.

        Raises:
            RunError: The file is damaged.
        """
        return Basis.load(self.path)

    @property
    def gallery(self) -> list[Exhibit]:
        """Samples to look at, most suspicious first."""
        try:
            items = parse_json((self.path / GALLERY).read_text("utf-8"))
            return [Exhibit.model_validate(item) for item in items]
        except (OSError, ValueError, TypeError) as error:
            raise RunError(
                f"samples in {self.path / GALLERY}", str(error), "Scan again with --overwrite"
            ) from error

    @property
    def explanations(self) -> list[Explanation]:
        """Explanations of the flagged samples and of some protected ones; none in old runs.

        Raises:
            RunError: The file is damaged.
        """
        file = self.path / EXPLANATIONS
        if not file.is_file():
            return []
        try:
            items = parse_json(file.read_text("utf-8"))
            return [Explanation.from_dict(item) for item in items]
        except (ValueError, TypeError, AttributeError) as error:
            raise RunError(
                f"explanations in {file}", str(error), "Scan again with --overwrite"
            ) from error


def partial_folder(path: Path) -> Path:
    """Where a run lives until it is whole."""
    full = path.absolute()  # the current folder and the root have no name of their own
    return (path if path.name else full).parent / f"{full.name}.partial"


def write_text(path: Path, text: str) -> None:
    """Write a file so that readers see either the old or the whole new content."""
    draft = draft_of(path)
    try:
        draft.write_text(text, "utf-8")
        replace(draft, path)
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
