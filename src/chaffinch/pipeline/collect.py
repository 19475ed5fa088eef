"""Collecting evidence: the trainings of a run, or the passes over a trained model."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from chaffinch.core.dataset import Dataset
from chaffinch.core.errors import InputError
from chaffinch.core.evidence import Evidence
from chaffinch.core.progress import Step, track
from chaffinch.core.randomness import stream
from chaffinch.core.types import Codes
from chaffinch.models.checkpoint import load_checkpoint
from chaffinch.models.factory import ModelFactory, make_model
from chaffinch.models.layers import last_linear
from chaffinch.pipeline.encode import Encoded
from chaffinch.store import EvidenceFolder
from chaffinch.training.loop import Schedule, StateFile, Task, Training, train
from chaffinch.training.recorder import Recorder, check_outputs, evaluate
from chaffinch.training.threads import threads_for

STATE = "state"
CHECKPOINTS = "checkpoints"


@dataclass(frozen=True, eq=False)
class Work:
    """Everything needed to collect the evidence of one run.

    Attributes:
        dataset: The data.
        encoded: Its encoded form.
        factory: Makes the model.
        schedule: How to train.
        folds: K, or 0.
        device: Where to train.
        seed: Decides weights, order and folds.
        folder: Where evidence and training states go.
        state_seconds: Keep a training's state at most this often.
        keep_checkpoints: Whether the full training's weights are kept after every epoch.
    """

    dataset: Dataset
    encoded: Encoded
    factory: ModelFactory
    schedule: Schedule
    folds: int
    device: torch.device
    seed: int
    folder: Path
    state_seconds: float = 5.0
    keep_checkpoints: bool = False


def fold_of(codes: Codes, folds: int, seed: int) -> Tensor:
    """(N,) fold 0..K-1 of each sample; every class is spread evenly over the folds."""
    order = stream(seed, "folds").permutation(len(codes))
    order = order[np.argsort(codes[order], kind="stable")]
    fold = np.empty(len(codes), dtype=np.int64)
    fold[order] = np.arange(len(codes)) % folds
    return torch.from_numpy(fold)


def collect_by_training(work: Work) -> tuple[Evidence, nn.Module]:
    """Train one model on all samples and K fold models, and record what they say.

    Returns:
        The evidence, on disk and memory-mapped, and the model trained on all samples.
    """
    inputs, labels = work.encoded.inputs, work.dataset.labels
    codes = torch.from_numpy(labels.codes)
    epochs = work.schedule.epochs
    size = (epochs, len(inputs), len(labels.classes))
    store = EvidenceFolder(work.folder / "evidence")
    checkpoints = work.folder / CHECKPOINTS if work.keep_checkpoints else None
    recorder = Recorder(store, size, inputs, checkpoints)
    task = Task(inputs, codes, work.factory, work.schedule, work.device)
    fresh = make_model(work.factory, work.seed).to(work.device)
    check_outputs(fresh, inputs, size[2])
    _forget_states_without_records(work.folder / STATE, recorder)
    fold = fold_of(labels.codes, work.folds, work.seed) if work.folds else None
    total = epochs * (1 + work.folds)
    with threads_for(fresh, inputs.shape), track("training", total) as advance:
        everyone = Training("full", torch.arange(len(inputs)), work.seed)
        model = _train(work, task, everyone, _FullRun(recorder, inputs, advance))
        for number in range(work.folds):
            if fold is None:
                break
            rows = torch.nonzero(fold == number)[:, 0]
            others = torch.nonzero(fold != number)[:, 0]
            training = Training(f"fold-{number}", others, work.seed + 1 + number)
            _train(work, task, training, _FoldRun(recorder, rows, advance))
    names = ["logits", "learning_rates"] + ["held_out_logits"] * bool(work.folds)
    layer = last_linear(model, inputs.batch(torch.arange(1)).to(work.device))
    if layer is not None:
        names += ["features", "feature_norms"]
    records: dict[str, Any] = {name: store.open(name) for name in names}
    return _finish(work, store, records, (model, layer)), model


def _forget_states_without_records(states: Path, recorder: Recorder) -> None:
    """Epochs whose records were lost or cut off are run again."""
    for record, trainings in (("logits", "full.pt"), ("held_out_logits", "fold-*.pt")):
        if not recorder.holds(record):
            for file in states.glob(trainings):
                file.unlink()


def _train(work: Work, task: Task, training: Training, on_epoch: Any) -> nn.Module:
    state = StateFile(work.folder / STATE / f"{training.name}.pt", work.state_seconds)
    known = state.load()
    if known is not None:
        on_epoch.advance(int(known["epoch"]))
    return train(task, training, on_epoch, state)


@dataclass
class _FullRun:
    recorder: Recorder
    inputs: Any
    advance: Step

    def __call__(self, epoch: int, model: nn.Module, rate: float) -> None:
        device = next(model.parameters()).device
        layer = last_linear(model, self.inputs.batch(torch.arange(1)).to(device))
        self.recorder.record(epoch, model, layer)
        self.recorder.record_rate(epoch, rate)
        self.advance()


@dataclass
class _FoldRun:
    recorder: Recorder
    rows: Tensor
    advance: Step

    def __call__(self, epoch: int, model: nn.Module, _rate: float) -> None:
        self.recorder.record_held_out(epoch, model, self.rows)
        self.advance()


def collect_from_trained(
    work: Work, model: nn.Module, checkpoints: Sequence[Path]
) -> tuple[Evidence, nn.Module]:
    """Record what a trained model, or each of its checkpoints in turn, says of the samples.

    Raises:
        InputError: A checkpoint that does not fit the model, or outputs that are no logits.
    """
    inputs = work.encoded.inputs
    model = model.to(work.device)
    size = (max(1, len(checkpoints)), len(inputs), len(work.dataset.labels.classes))
    check_outputs(model, inputs, size[2])
    store = EvidenceFolder(work.folder / "evidence")
    recorder = Recorder(store, size, inputs)
    layer = last_linear(model, inputs.batch(torch.arange(1)).to(work.device))
    with track("scoring checkpoints", size[0]) as advance:
        for number in range(size[0]):
            if checkpoints:
                load_checkpoint(model, checkpoints[number])
            recorder.record(number, model, layer)
            advance()
    names = ["logits"] + ["features", "feature_norms"] * (layer is not None)
    records: dict[str, Any] = {name: store.open(name) for name in names}
    records["learning_rates"] = np.full(size[0], 1 / size[0], dtype=np.float32)
    return _finish(work, store, records, (model, layer)), model


def _finish(
    work: Work,
    store: EvidenceFolder,
    records: dict[str, Any],
    trained: tuple[nn.Module, nn.Linear | None],
) -> Evidence:
    """Add what does not depend on the trainings and make the folder whole."""
    model, layer = trained
    records["embeddings"] = work.encoded.inputs.embedding()
    if work.encoded.validation is not None:
        inputs, codes = work.encoded.validation
        outputs = evaluate(model, inputs, torch.arange(len(inputs)), layer)
        records["validation_codes"] = codes
        records["validation_logits"] = outputs.logits
        if outputs.features is not None:
            records["validation_features"] = outputs.features
    bias = layer is None or layer.bias is not None
    try:
        evidence = Evidence(work.dataset.ids, work.dataset.labels, bias=bias, **records)
    except InputError:
        # A record with NaN must not be found by the next try.
        for name in records:
            (store.path / f"{name}.npy").unlink(missing_ok=True)
        raise
    store.finish(evidence)
    return evidence
