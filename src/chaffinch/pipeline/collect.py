"""Collecting evidence: the trainings of a run, or the passes over a trained model."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from chaffinch.core.errors import InputError
from chaffinch.core.evidence import Evidence
from chaffinch.core.progress import Step, track
from chaffinch.core.randomness import stream
from chaffinch.core.types import Codes, Floats
from chaffinch.models.checkpoint import load_checkpoint
from chaffinch.models.factory import make_model
from chaffinch.models.layers import last_linear
from chaffinch.pipeline.auxiliary_training import num_auxiliary_trainings, train_beside
from chaffinch.pipeline.canary_record import CANARIES, CanaryRecorder
from chaffinch.pipeline.work import Work
from chaffinch.store import EvidenceFolder
from chaffinch.training.dropout import dropout_layers, dropout_passes
from chaffinch.training.loop import Training
from chaffinch.training.recorder import Recorder, check_outputs, evaluate
from chaffinch.training.threads import threads_for

CHECKPOINTS = "checkpoints"
_PROBED = 32


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
    fresh = make_model(work.factory, work.seed).to(work.device)
    if not (work.folds and dropout_layers(fresh)):
        work = replace(work, records=work.records - {"held_out_dropout_logits"})
    epochs = work.schedule.epochs
    size = (epochs, len(inputs), len(labels.classes))
    store = EvidenceFolder(work.folder / "evidence")
    checkpoints = work.folder / CHECKPOINTS if work.keep_checkpoints else None
    recorder = Recorder(store, size, inputs, checkpoints, work.wanted)
    spoilt = CanaryRecorder.of(
        work.canaries, store.path / CANARIES, (epochs, size[2]), work.held_out_epochs
    )
    check_outputs(fresh, inputs, size[2])
    total = epochs * (1 + num_auxiliary_trainings(work)) + work.folds * work.held_out_epochs
    with threads_for(fresh, inputs.shape), track("training", total) as advance:
        on_epoch = _FullRun(recorder, spoilt, inputs, advance)
        model = _train_on_all(work, on_epoch, fresh)
        _train_folds(work, (recorder, spoilt), advance)
        beside = train_beside(work, work.task, store, advance)
    names = ["logits", "learning_rates"] + ["held_out_logits"] * bool(work.folds)
    layer = last_linear(model, _some(inputs).to(work.device))
    names += recorder.records_of(layer)
    if work.folds and work.encoded.validation is not None:
        names.append("validation_held_out_logits")
    names += ["held_out_dropout_logits"] * bool(work.wanted.dropout_passes)
    records: dict[str, Any] = {name: store.open(name) for name in names} | beside
    return _finish(work, store, records, (model, layer)), model


def _train_on_all(work: Work, on_epoch: "_FullRun", fresh: nn.Module) -> nn.Module:
    """Train one model on all samples; from the start where a record of it is lost or damaged."""
    everyone = Training("full", torch.arange(len(work.together.inputs)), work.seed)
    store = EvidenceFolder(work.folder / "evidence")

    def whole(model: nn.Module, finished: bool) -> bool:
        layer = on_epoch.layer_of(model)
        rates = store.holds("learning_rates", (work.schedule.epochs,))
        recorders = (on_epoch.recorder, on_epoch.spoilt)
        return rates and all(one.holds_full_run(layer, finished) for one in recorders)

    model = work.run(work.together, everyone, on_epoch, whole(fresh, finished=False))
    if not whole(model, finished=True):  # what only the last epoch writes
        model = work.run(work.together, everyone, on_epoch, recorded=False)
    return model


def _train_folds(work: Work, recorders: tuple[Recorder, CanaryRecorder], advance: Step) -> None:
    """Train K models, each held back from one fold, and record what they say of it."""
    if not work.folds:
        return
    # Asked once: the first fold makes it anew.
    recorded = all(one.holds("held_out_logits") for one in recorders)
    fold, task = fold_of(work.dataset.labels.codes, work.folds, work.seed), work.fold_task
    for number in range(work.folds):
        rows = torch.nonzero(fold == number)[:, 0]
        others = torch.nonzero(fold != number)[:, 0]
        training = Training(f"fold-{number}", others, work.seed + 1 + number)
        last = work.held_out_epochs - 1
        run = _FoldRun(*recorders, rows, advance, (number, work.folds), last, training.seed)
        work.run(task, training, run, recorded)


@dataclass
class _FullRun:
    recorder: Recorder
    spoilt: CanaryRecorder
    inputs: Any
    advance: Step

    def layer_of(self, model: nn.Module) -> nn.Linear | None:
        """The layer whose inputs are recorded."""
        device = next(model.parameters()).device
        return last_linear(model, _some(self.inputs).to(device))

    def __call__(self, epoch: int, model: nn.Module, rate: float) -> None:
        layer = self.layer_of(model)
        self.recorder.record(epoch, model, layer)
        self.recorder.record_rate(epoch, rate)
        self.spoilt.record(epoch, model, layer)
        self.advance()


@dataclass
class _FoldRun:
    recorder: Recorder
    spoilt: CanaryRecorder
    rows: Tensor
    advance: Step
    fold: tuple[int, int]
    last: int
    seed: int

    def __call__(self, epoch: int, model: nn.Module, _rate: float) -> None:
        self.recorder.record_held_out(epoch, model, self.rows)
        if epoch == self.last:
            self.recorder.record_held_out_passes(model, self.rows, self.seed)
            self.recorder.record_held_out_validation(self.fold, model)
        self.spoilt.record_held_out(epoch, model, self.rows)
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
    recorder = Recorder(store, size, inputs, wanted=work.wanted)
    layer = last_linear(model, _some(inputs).to(work.device))
    with track("scoring checkpoints", size[0]) as advance:
        for number in range(size[0]):
            if checkpoints:
                load_checkpoint(model, checkpoints[number])
            recorder.record(number, model, layer)
            advance()
    names = ["logits", *recorder.records_of(layer)]
    records: dict[str, Any] = {name: store.open(name) for name in names}
    records["learning_rates"] = np.full(size[0], 1 / size[0], dtype=np.float32)
    return _finish(work, store, records, (model, layer)), model


def _some(inputs: Any) -> Tensor:
    """A few samples, to find the last layer by."""
    batch: Tensor = inputs.batch(torch.arange(min(_PROBED, len(inputs))))
    return batch


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
        records["validation_embeddings"] = work.encoded.inputs.embedding_of(inputs)
        records["validation_logits"] = outputs.logits
        if outputs.features is not None:
            records["validation_features"] = outputs.features
    if "dropout_logits" in work.records and dropout_layers(model):
        records["dropout_logits"] = _dropout_logits(work, store, model)
    bias = layer is None or layer.bias is not None
    groups = getattr(work.dataset, "groups", None)
    try:
        evidence = Evidence(
            work.dataset.ids, work.dataset.labels, bias=bias, groups=groups, **records
        )
    except InputError:
        # A record with NaN must not be found by the next try.
        for name in records:
            (store.path / f"{name}.npy").unlink(missing_ok=True)
        raise
    store.finish(evidence)
    return evidence


def _dropout_logits(work: Work, store: EvidenceFolder, model: nn.Module) -> Floats:
    """(D, N, C) passes with dropout on, straight to disk."""
    inputs = work.encoded.inputs
    shape = (work.dropout_passes, len(inputs), len(work.dataset.labels.classes))
    array = store.array("dropout_logits", shape)
    rows = torch.arange(len(inputs))
    passes = dropout_passes(model, inputs, rows, work.seed, work.dropout_passes)
    for number, logits in enumerate(passes):
        array[number] = logits.numpy()
    array.flush()  # type: ignore[attr-defined]
    return store.open("dropout_logits")
