"""Recording what the trainings say of canaries, and reading it back for the judgement."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from chaffinch.core.evidence import Evidence
from chaffinch.core.labels import Labels
from chaffinch.diagnosis.canaries import CanaryEvidence
from chaffinch.models.inputs import Inputs
from chaffinch.pipeline.canaries import Canaries
from chaffinch.store import EvidenceFolder
from chaffinch.training.recorder import Recorder, Wanted

CANARIES = "canaries"
"""Folder below that of the evidence; who reads the evidence does not see it."""

_OF_EVERY_RUN = ("logits", "features", "feature_norms")


class CanaryRecorder:
    """Writes the records of K canaries; writes nothing where there are none.

    Args:
        recorder: Writes records of the canaries as if they were all samples, or None.
        sources: (K,) sample that each canary was made of.
    """

    def __init__(self, recorder: Recorder | None, sources: Tensor) -> None:
        self._recorder = recorder
        self._sources = sources

    @classmethod
    def of(
        cls, canaries: Canaries | None, folder: Path, size: tuple[int, int], held_out_epochs: int
    ) -> "CanaryRecorder":
        """A recorder for some canaries or none.

        Args:
            canaries: The canaries, or None.
            folder: Where the records go.
            size: (E, C).
            held_out_epochs: F, of the fold models.
        """
        if canaries is None:
            return cls(None, torch.zeros(0, dtype=torch.int64))
        shape = (size[0], len(canaries), size[1])
        wanted = Wanted(held_out_epochs=held_out_epochs)
        recorder = Recorder(EvidenceFolder(folder), shape, canaries.inputs, wanted=wanted)
        return cls(recorder, torch.from_numpy(canaries.sources))

    def holds(self, name: str) -> bool:
        """Whether nothing is to be recorded, or the record ``name`` was begun."""
        return self._recorder is None or self._recorder.holds(name)

    def holds_full_run(self, layer: nn.Linear | None = None, finished: bool = False) -> bool:
        """Whether nothing is to be recorded, or the full training's records are whole."""
        if self._recorder is None:
            return True
        return self._recorder.holds_full_run(layer, finished)

    def record(self, epoch: int, model: nn.Module, layer: nn.Linear | None) -> None:
        """Keep what the model that learned the canaries says of them after ``epoch``."""
        if self._recorder is not None:
            self._recorder.record(epoch, model, layer)

    def record_held_out(self, epoch: int, model: nn.Module, rows: Tensor) -> None:
        """Keep what a fold's model says of canaries made of ``rows``, which it never saw."""
        own = torch.nonzero(torch.isin(self._sources, rows))[:, 0]
        if self._recorder is not None and len(own):
            self._recorder.record_held_out(epoch, model, own)


def canary_evidence(
    canaries: Canaries, folder: Path, evidence: Evidence, inputs: Inputs
) -> CanaryEvidence:
    """The evidence of the canaries, memory-mapped.

    Args:
        canaries: The canaries that were trained.
        folder: That of the run; their records lie below its evidence.
        evidence: That of the real samples.
        inputs: The real samples, whose space the embeddings are in.
    """
    store = EvidenceFolder(folder / "evidence" / CANARIES)
    names = [name for name in _OF_EVERY_RUN if evidence.has(name)]
    names += ["held_out_logits"] * evidence.has("held_out_logits")
    records: dict[str, Any] = {name: store.open(name) for name in names}
    ids = np.char.add("canary-", np.arange(len(canaries)).astype(np.str_))
    made = Evidence(
        ids.astype(np.str_),
        Labels(canaries.codes, evidence.labels.classes),
        embeddings=inputs.embedding_of(canaries.inputs) if evidence.has("embeddings") else None,
        bias=evidence.bias,
        groups=None if evidence.groups is None else evidence.groups.take(canaries.sources),
        **records,
    )
    return CanaryEvidence(made, canaries.kinds)
