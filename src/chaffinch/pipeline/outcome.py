"""The outcome of a scan, and writing down what a run has found."""

import platform
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from chaffinch.core.dataset import Dataset
from chaffinch.core.durable import replace
from chaffinch.core.evidence import Evidence
from chaffinch.core.findings import Findings
from chaffinch.core.kinds import SET_ASIDE
from chaffinch.core.labels import Labels
from chaffinch.core.records import Records
from chaffinch.core.types import Codes, Floats
from chaffinch.core.version import VERSION
from chaffinch.pipeline.explain import write_explanations
from chaffinch.pipeline.work import Work
from chaffinch.store.run import (
    FINDINGS,
    GALLERY,
    RECORD,
    DataRecord,
    Exhibit,
    JudgementRecord,
    ModelRecord,
    RunFolder,
    RunRecord,
    write_text,
)

if TYPE_CHECKING:
    from chaffinch.pipeline.request import Request


class Stopwatch:
    """Seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a block."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = round(time.perf_counter() - start, 3)


@dataclass(frozen=True, eq=False)
class Result:
    """What a run says, however it came about; `cf.Run` is made of it.

    Attributes:
        record: How it came about, as ``run.json`` tells it.
        findings: What was found.
        evidence: What they were judged by; None where it is in the run folder alone, or nowhere.
        records: The same, of labels that are no classes.
    """

    record: RunRecord
    findings: Findings
    evidence: Evidence | None = None
    records: Records | None = None


@dataclass(frozen=True, eq=False)
class Outcome:
    """All that a scan yielded.

    Attributes:
        request: What was asked for.
        work: How the evidence was collected.
        evidence: What was collected.
        findings: What was found.
        model: The model trained on all samples, or the user's trained one.
        watch: How long it took.
    """

    request: "Request"
    work: Work
    evidence: Evidence
    findings: Findings
    model: nn.Module
    watch: Stopwatch

    def record(self) -> RunRecord:
        """``run.json``."""
        options = self.request.options
        validation = self.request.validation
        return new_record(
            data=data_record(
                self.request.whole,
                self.evidence.labels,
                0 if validation is None else len(validation),
            ),
            model=self._model_record(),
            judgement=judgement_of(self.findings),
            configuration=self._configuration(),
            seed=options.seed,
            device=str(self.work.device),
            timings=self.watch.seconds,
            origin=self.request.origin,
            demo=self._demo(),
        )

    def result(self) -> Result:
        """What is kept of it."""
        return Result(self.record(), self.findings, self.evidence)

    def _configuration(self) -> dict[str, Any]:
        options, schedule = self.request.options, self.work.schedule
        left_out = {"out", "overwrite", "seed", "device", "ledger"}
        chosen = options.model_dump(mode="json", exclude=left_out)
        if not options.train or options.checkpoints:
            return {**chosen, "train": False}
        return {
            **chosen,
            "epochs": schedule.epochs,
            "batch_size": schedule.batch_size,
            "learning_rate": schedule.learning_rate,
            "folds": self.work.folds,
            "fold_epochs": self.work.held_out_epochs if self.work.folds else 0,
        }

    def _model_record(self) -> ModelRecord:
        size = sum(parameter.numel() for parameter in self.model.parameters())
        return model_record(self.evidence, type(self.model).__name__, size)

    def _demo(self) -> dict[str, Any] | None:
        known = self.request.known_errors
        if known is None:
            return None
        flagged = self.findings.table["flagged"].to_numpy()
        hits = int((flagged & known).sum())
        return {
            "injected": int(known.sum()),
            "found": hits,
            "precision": hits / max(1, int(flagged.sum())),
            "recall": hits / max(1, int(known.sum())),
        }


def new_record(**told: Any) -> RunRecord:
    """A record with a new id, of now, by this version.

    Args:
        **told: The other fields of `RunRecord`.
    """
    return RunRecord(
        id=uuid.uuid4().hex,
        chaffinch=VERSION,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=versions(),
        **told,
    )


def data_record(data: Dataset, labels: Labels, validation_samples: int = 0) -> DataRecord:
    """What the record says of the data; ``labels`` are those of the samples that were judged."""
    return DataRecord(
        source=data.source,
        fingerprint=data.fingerprint,
        modality=data.modality,
        samples=len(data),
        classes=labels.names,
        class_counts=labels.counts.tolist(),
        validation_samples=validation_samples,
    )


def model_record(evidence: Evidence, name: str, parameters: int = 0) -> ModelRecord:
    """What the record says of the model behind some evidence."""
    codes = evidence.labels.codes
    accuracy = None
    if evidence.validation_codes is not None and evidence.validation_logits is not None:
        predicted = evidence.validation_logits.argmax(axis=1)
        accuracy = float((predicted == evidence.validation_codes).mean())
    return ModelRecord(
        name=name,
        parameters=parameters,
        epochs=0 if evidence.logits is None else len(evidence.logits),
        training_accuracy=_accuracies(evidence.logits, codes),
        held_out_accuracy=_accuracies(evidence.held_out_logits, codes),
        validation_accuracy=accuracy,
    )


def write_result(result: Result, exhibits: Sequence[Exhibit], folder: Path) -> None:
    """Write findings, samples to look at and, last, the record that makes the folder a run."""
    findings = result.findings
    draft = folder / (FINDINGS + ".draft")
    findings.table.to_parquet(draft, index=False)
    replace(draft, folder / FINDINGS)
    if findings.basis is not None:
        findings.basis.save(folder)
    if result.evidence is not None:
        write_explanations(result.evidence, findings.judged, folder)
    content = ",\n".join(exhibit.model_dump_json() for exhibit in exhibits)
    write_text(folder / GALLERY, f"[{content}]\n")
    write_text(folder / RECORD, result.record.model_dump_json(indent=1) + "\n")


def judgement_of(findings: Findings) -> JudgementRecord:
    """What the record of a run says of its findings."""
    return JudgementRecord(
        flagged=int(findings.table["flagged"].sum()),
        estimated_errors=round(findings.estimated_errors, 6),
        flow=None if findings.flow is None else np.round(findings.flow, 6).tolist(),
        scorers=findings.scorers,
        notes=list(findings.notes),
        details=dict(findings.details),
    )


def findings_of(run: RunFolder, *, latest: bool = False) -> Findings:
    """Read the findings of a finished run back.

    Args:
        run: The run.
        latest: Whether as answers of people left them, instead of as the scan did.
    """
    record, table = run.latest if latest else (run.record, run.findings)
    flow = record.judgement.flow
    judged = table.loc[~table["kind"].isin(SET_ASIDE), "given_label"]
    return Findings(
        table,
        np.unique(judged.to_numpy()),
        record.judgement.estimated_errors,
        None if flow is None else np.asarray(flow),
        tuple(record.judgement.notes),
        record.judgement.details,
        run.basis,
    )


def known(folder: Path) -> Result:
    """The result in a finished run folder; its evidence stays there."""
    run = RunFolder(folder)
    return Result(run.record, findings_of(run))


def _accuracies(logits: Floats | None, codes: Codes) -> list[float]:
    if logits is None:
        return []
    return [round(float((epoch.argmax(axis=1) == codes).mean()), 6) for epoch in logits]


def versions() -> dict[str, str]:
    """What a result may depend on, by name."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "pandas": pd.__version__,
        "threads": str(torch.get_num_threads()),
    }
