"""Writing the run of a scan of prompts: findings, samples to look at, the record, the ledger."""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from chaffinch.core.durable import replace
from chaffinch.core.findings import Findings
from chaffinch.core.labels import Labels
from chaffinch.core.version import VERSION
from chaffinch.data import TextData
from chaffinch.data.prompt import Prompts
from chaffinch.models.language import LanguageModel
from chaffinch.pipeline.gallery import MAX_EXHIBITS, MAX_TEXT, MIN_EXHIBITS
from chaffinch.pipeline.options import ScanOptions
from chaffinch.pipeline.outcome import versions
from chaffinch.pipeline.recording import ledger_of
from chaffinch.store.run import (
    FINDINGS,
    GALLERY,
    RECORD,
    DataRecord,
    Exhibit,
    JudgementRecord,
    ModelRecord,
    OriginRecord,
    RunRecord,
    write_text,
)

NO_MODEL = "none (texts alone)"


def write_prompts(
    folder: Path,
    findings: Findings,
    sets: tuple[Prompts, Prompts | None],
    model: LanguageModel | None,
    facts: Mapping[str, Any],
) -> None:
    """Write findings, gallery and, last, the record that makes the folder a run.

    Args:
        folder: Where the run is put together.
        findings: The findings.
        sets: The prompts, and those of a test set or None.
        model: The model that read them, or None.
        facts: ``configuration``, ``path``, ``timings``, ``seed`` and ``device``.
    """
    train, tests = sets
    draft = folder / (FINDINGS + ".draft")
    findings.table.to_parquet(draft, index=False)
    replace(draft, folder / FINDINGS)
    shown = ",\n".join(one.model_dump_json() for one in _exhibits(train, findings))
    write_text(folder / GALLERY, f"[{shown}]\n")
    names = findings.classes.tolist()
    record = RunRecord(
        id=uuid.uuid4().hex,
        chaffinch=VERSION,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        data=DataRecord(
            source=train.source,
            fingerprint=answered(train).fingerprint,
            modality="text",
            samples=len(train),
            classes=names,
            class_counts=[len(train)],
            validation_samples=0 if tests is None else len(tests),
        ),
        model=_model_record(model),
        judgement=JudgementRecord(
            flagged=int(findings.table["flagged"].sum()),
            estimated_errors=round(findings.estimated_errors, 6),
            scorers=findings.scorers,
            notes=list(findings.notes),
            details=dict(findings.details),
        ),
        configuration=facts["configuration"],
        seed=facts["seed"],
        device=facts["device"],
        versions=versions(),
        timings=facts["timings"],
        origin=OriginRecord(path=facts["path"], model=facts["configuration"]["model"] or ""),
    )
    write_text(folder / RECORD, record.model_dump_json(indent=1) + "\n")


def answered(prompts: Prompts) -> TextData:
    """Prompts as texts whose labels are the responses: a corrected response is a new label."""
    labels = Labels.of(prompts.responses, "the responses")
    return TextData.of(prompts.prompts, labels, ids=prompts.ids, source=prompts.source)


def write_down(options: ScanOptions, train: Prompts, path: str) -> None:
    """Record a finished run on prompts in its ledger; nothing is recorded twice.

    Args:
        options: Say where the run and its ledger are.
        train: The prompts of the run.
        path: Where they lie; "" for data in memory.
    """
    from chaffinch.pipeline.ledger import record_run  # SQLAlchemy only where there is a ledger

    ledger, run = ledger_of(options), options.out
    if ledger is not None and run is not None:
        record_run(run, answered(train), ledger, path or None)


def _model_record(model: LanguageModel | None) -> ModelRecord:
    if model is None:
        return ModelRecord(name=NO_MODEL)
    count = sum(parameter.numel() for parameter in model.model.parameters())
    return ModelRecord(name=type(model.model).__name__, parameters=count)


def _exhibits(train: Prompts, findings: Findings) -> list[Exhibit]:
    """The flagged samples, at least 12 and at most 60 in all, most suspicious first."""
    table = findings.table
    count = min(len(findings), MAX_EXHIBITS, max(MIN_EXHIBITS, int(table["flagged"].sum())))
    order = np.argsort(-table["suspicion"].to_numpy(), kind="stable")[:count]
    return [
        Exhibit(
            id=str(train.ids[row]),
            content={"prompt": _cut(train.prompts[row]), "response": _cut(train.responses[row])},
        )
        for row in order.tolist()
    ]


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + " ..."
