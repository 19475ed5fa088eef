"""`calibrate`: a run judged anew by what people answered about its labels."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd

from chaffinch.core.durable import replace
from chaffinch.core.errors import ChaffinchError, InputError
from chaffinch.core.evidence import Evidence
from chaffinch.core.findings import Findings
from chaffinch.core.types import Floats
from chaffinch.diagnosis.relearning import relearn
from chaffinch.pipeline.answers import answers_of, take_answers
from chaffinch.pipeline.check_file import TO_CHECK, write_check_file
from chaffinch.pipeline.labelled import refuse_prompts
from chaffinch.pipeline.ledger import ledger_for, run_id
from chaffinch.pipeline.outcome import findings_of, judgement_of
from chaffinch.report import write
from chaffinch.store import EvidenceFolder
from chaffinch.store.ledger import Ledger, user
from chaffinch.store.run import (
    CALIBRATED,
    EVIDENCE,
    CalibrationRecord,
    DrawnRecord,
    RunFolder,
)

COUNT = 30
"""How many samples people are asked to check first."""


def calibrate(
    run: "str | os.PathLike[str] | Findings | Calibrates",
    answers: Mapping[Any, Any] | pd.DataFrame | None = None,
    *,
    ledger: str | None = None,
    reviewer: str = "",
) -> Findings:
    """Learn from what people say of labels: how many are wrong, and which.

    Answers given here, decisions in the ledger and those on earlier versions of the same data
    count together. The findings of the scan stay as they are; what was learned is kept beside them
    and is what `propose`, the report and the review go by from then on.

    Args:
        run: A finished run or its folder, or findings in memory (then nothing is written).
        answers: As `Findings.calibrate` takes them; by default those that are known already.
        ledger: See `chaffinch.pipeline.ledger.ledger_for`.
        reviewer: Who answered, where the answers do not say; by default the user.

    Returns:
        The findings as recalibrated; ``details["calibration"]`` says what changed.

    Raises:
        InputError: No answers, ids or labels that are not in the run, or a run on prompts.
        RunError: The run is damaged.
    """
    if isinstance(run, Findings):
        if answers is None:
            raise InputError("answers", "none", "Pass {id: right label}; to_check says which ids")
        return run.calibrate(answers)
    if isinstance(run, Calibrates):
        made: Findings = run.calibrate(answers, ledger=ledger, reviewer=reviewer).findings
        return made
    folder = RunFolder(_place(run))
    refuse_prompts(folder.record)
    book, first = ledger_for(folder.path, ledger), findings_of(folder)
    if answers is not None:
        take_answers(folder, first, answers, book, reviewer or user())
    found = recalibrate(folder, book, first)
    if found is None:
        raise InputError(
            "answers about the labels of this run",
            "none",
            f"Fill in the file that 'chaffinch calibrate {folder.path}' writes, or run "
            f"'chaffinch review {folder.path}'",
        )
    record_calibration(folder, book)
    write(folder)
    return found


@dataclass(frozen=True)
class CheckFile:
    """A file of samples for people to check, and how many there are."""

    path: Path
    samples: int


@runtime_checkable
class Calibrates(Protocol):
    """A run, of whatever kind."""

    def calibrate(self, answers: Any = None, /, *, ledger: str | None, reviewer: str) -> Any:
        """Learn from answers."""
        ...


def recalibrate(
    run: RunFolder, ledger: Ledger | None, first: Findings | None = None
) -> Findings | None:
    """Judge a run anew by all answers that are known, and keep the outcome in it.

    Args:
        run: The run.
        ledger: Where decisions are.
        first: Its findings as the scan left them, if they are read already.

    Returns:
        The new findings; None, and nothing is changed, where nobody has answered.
    """
    first = findings_of(run) if first is None else first
    if not answered(run, first, ledger):
        return None
    made = learned(first, answers_of(run, first, ledger), _evidence(run))
    draft = run.path / (CALIBRATED + ".draft")
    made.table.to_parquet(draft, index=False)
    replace(draft, run.path / CALIBRATED)
    run.keep_calibration(run.calibration.model_copy(update={"judgement": judgement_of(made)}))
    return made


def record_calibration(run: RunFolder, ledger: Ledger | None) -> None:
    """Record in the ledger what answers changed, with all answers; once, if nothing is new."""
    found = run.latest[0].judgement.details.get("calibration")
    if ledger is None or not found:
        return
    said = answers_of(run, findings_of(run), ledger)
    row = {
        "run": run_id(run.path),
        "document": json.dumps({**found, "said": said.to_dict("records")}, sort_keys=True),
        "rate": float(found["rate"]),
        "lowest": float(found["low"]),
        "highest": float(found["high"]),
        "answers": int(found["answers"]),
        "flagged": int(found["after"]["flagged"]),
    }
    known = ledger.table("calibration", run=row["run"])
    if not len(known) or known["document"].iloc[-1] != row["document"]:
        ledger.append("calibration", {"calibration": [row]})


def samples_to_check(
    run: RunFolder, ledger: Ledger | None, count: int = COUNT, *, more: bool = False
) -> list[int]:
    """The samples that were drawn for people to check, those not answered yet first.

    Args:
        run: The run; a draw is kept in it, so that everybody is asked about the same samples.
        ledger: Where decisions are; samples decided by anybody are answered.
        count: How many to draw, where none are left of an earlier draw.
        more: Whether to draw again once all that were drawn are answered.

    Returns:
        Positions in the findings, in random order; without those answered if there are others.

    Raises:
        InputError: A count below one, or nothing left to check.
    """
    first, kept = findings_of(run), run.calibration
    place = {str(one): row for row, one in enumerate(first.table["id"])}
    told = answers_of(run, first, ledger)
    done = set(told["id"])
    drawn = [one.id for one in kept.drawn if one.id in place]
    open_ = [place[one] for one in drawn if one not in done]
    if open_ or (drawn and not more):
        return open_
    learned = first.calibrate(told) if answered(run, first, ledger) else first
    asked = learned.to_check(count, run.record.seed)
    new = [
        DrawnRecord(id=str(name), weight=float(weight))
        for name, weight in zip(asked["id"], asked["weight"], strict=True)
    ]
    run.keep_calibration(kept.model_copy(update={"drawn": [*kept.drawn, *new]}))
    return [place[str(one)] for one in asked["id"]]


def ask(
    run: RunFolder, count: int | None = None, out: Path | None = None, ledger: str | None = None
) -> CheckFile | None:
    """Write a file of samples for people to check.

    Args:
        run: The run.
        count: How many to draw anew; by default those still open of an earlier draw, or `COUNT`.
        out: The file; ``to_check.csv`` in the run by default.
        ledger: Where answers are; see `ledger_for`.

    Returns:
        The file; None where all that were drawn are answered.

    Raises:
        InputError: A run on prompts, nothing left to check, or a file with answers that would be
            lost.
    """
    refuse_prompts(run.record)
    book, first = ledger_for(run.path, ledger), findings_of(run)
    rows = samples_to_check(run, book, COUNT if count is None else count, more=count is not None)
    if not rows:
        return None
    known = set(answers_of(run, first, book)["id"])
    return CheckFile(
        write_check_file(run, first, rows, out or run.path / TO_CHECK, known), len(rows)
    )


def answered(run: RunFolder, findings: Findings, ledger: Ledger | None) -> set[str]:
    """The samples of which somebody said whether the label is right."""
    told = answers_of(run, findings, ledger)
    return set(told["id"][told[["label", "wrong"]].notna().any(axis=1)])


def drawn_rows(run: RunFolder, calibration: CalibrationRecord | None = None) -> list[int]:
    """All samples drawn so far, as positions in the findings."""
    kept = run.calibration if calibration is None else calibration
    place = {str(one): row for row, one in enumerate(run.findings["id"])}
    return [place[one.id] for one in kept.drawn if one.id in place]


def learned(
    findings: Findings, answers: Mapping[Any, Any] | pd.DataFrame, evidence: Evidence | None
) -> Findings:
    """Findings recalibrated by answers, and by the description of the samples where there is one.

    Args:
        findings: As they are.
        answers: As `Findings.calibrate` takes them.
        evidence: What they were judged by; evidence on other samples is left out.

    Raises:
        InputError: Any reason of `Findings.calibrate`.
    """
    space: Floats | None = None
    if evidence is not None and evidence.has("embeddings"):
        judged = findings.judged.table["id"].astype(str).tolist()
        if list(evidence.ids) == judged:
            space = np.asarray(evidence.need("embeddings"))
    return relearn(findings.calibrate(answers), space)


def _evidence(run: RunFolder) -> Evidence | None:
    """The evidence of a run, where it kept any that can be read."""
    if run.record.task is not None:  # it has records of its own
        return None
    try:
        folder = EvidenceFolder(run.path / EVIDENCE)
        return folder.load() if folder.whole else None
    except (ChaffinchError, OSError):
        return None


def _place(run: object) -> Path:
    if isinstance(run, str | os.PathLike):
        return Path(run)
    got = f"a {type(run).__name__}"
    raise InputError("a run, its folder, or findings", got, "Pass what scan or judge returned")
