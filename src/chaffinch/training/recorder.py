"""The recorder: what models say of every sample, epoch by epoch, straight to disk."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from chaffinch.core.errors import InputError
from chaffinch.core.types import Floats
from chaffinch.models.forward import forward, running
from chaffinch.models.inputs import Inputs
from chaffinch.models.layers import InputListener, evaluation
from chaffinch.store import EvidenceFolder
from chaffinch.training.dropout import dropout_passes
from chaffinch.training.loop import save_whole

_EVALUATION_BATCH = 1024
_BY_EPOCH = ("features_by_epoch", "validation_logits_by_epoch", "validation_features_by_epoch")


@dataclass(frozen=True, eq=False)
class Outputs:
    """What a model says of n samples.

    Attributes:
        logits: (n, C) float32.
        features: (n, I) float32 inputs of the last linear layer; None if the model has none, or
            nobody wanted them.
        norms: (n,) float32 L2 norms of these inputs; None if the model has none.
    """

    logits: Floats
    features: Floats | None
    norms: Floats | None


Place = Callable[[tuple[int, ...]], NDArray[np.float32]]
"""Makes the array for features, given its shape."""


def in_memory(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """An array in memory."""
    return np.empty(shape, np.float32)


def evaluate(
    model: nn.Module,
    inputs: Inputs,
    rows: Tensor,
    layer: nn.Linear | None,
    place: Place | None = in_memory,
) -> Outputs:
    """Run a model over samples in eval mode without gradients; modes are restored.

    Args:
        model: The model, on any device.
        inputs: N encoded samples.
        rows: (n,) positions to evaluate.
        layer: The layer whose inputs are the features, or None for no features.
        place: Where features go, batch by batch; None to keep none but their norms.
    """
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    logits: Floats | None = None
    features: Floats | None = None
    norms: Floats | None = None
    begin = 0
    with evaluation(model), torch.no_grad(), InputListener(layer) as listener:
        for chunk in torch.split(rows, _EVALUATION_BATCH):
            found = forward(model, inputs.batch(chunk).to(device)).float().cpu().numpy()
            part = slice(begin, begin + len(chunk))
            begin += len(chunk)
            if logits is None:
                logits = in_memory((len(rows), *found.shape[1:]))
            logits[part] = found
            if listener.latest is None:
                continue
            latest = listener.latest.flatten(1).float().cpu().numpy()
            if norms is None:
                norms = in_memory((len(rows),))
                features = None if place is None else place((len(rows), latest.shape[1]))
            norms[part] = np.linalg.norm(latest.astype(np.float64), axis=1)
            if features is not None:
                features[part] = latest
    if logits is None:
        raise InputError("at least one sample to evaluate", "none", "Check the data")
    return Outputs(logits, features, norms)


def check_outputs(model: nn.Module, inputs: Inputs, num_classes: int) -> None:
    """Refuse a model that does not answer with one row of C logits a sample.

    Raises:
        InputError: The model does not run on the inputs, or answers with something else.
    """
    rows = torch.arange(min(2, len(inputs)))
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    with (
        evaluation(model),
        torch.no_grad(),
        running(
            f"a model ({type(model).__name__}) that takes batches of shape "
            f"(B, {', '.join(map(str, inputs.shape))})",
            "Give a model that fits the data, or a factory that takes input_shape",
        ),
    ):
        logits = model(inputs.batch(rows).to(device))
    shape = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
    if shape != (len(rows), num_classes):
        raise InputError(
            f"logits of shape (B, C) = ({len(rows)}, {num_classes}) from the model",
            str(shape),
            "One output a class, before any softmax; a factory may take num_classes",
        )
    if not logits.is_floating_point():
        raise InputError(
            "floating-point logits from the model", str(logits.dtype), "Do not round or cast them"
        )


@dataclass(frozen=True, eq=False)
class Wanted:
    """What a run keeps beyond logits, and features of the last epoch.

    Attributes:
        records: Those of `Evidence` by name; of them, the recorder keeps ``features_by_epoch``,
            ``validation_logits_by_epoch`` and ``validation_features_by_epoch``.
        validation: M encoded validation samples, or None.
        held_out_epochs: F, epochs of the fold models; None for as many as the others have.
        dropout_passes: D, passes of ``held_out_dropout_logits``; 0 for no such record.
    """

    records: frozenset[str] = frozenset()
    validation: Inputs | None = None
    held_out_epochs: int | None = None
    dropout_passes: int = 0

    @property
    def by_epoch(self) -> tuple[str, ...]:
        """The names of the records of every epoch that can be kept."""
        there = _BY_EPOCH if self.validation is not None else _BY_EPOCH[:1]
        return tuple(name for name in there if name in self.records)


_NOTHING_ELSE = Wanted()


class Recorder:
    """Writes the records of one run into its evidence folder.

    Args:
        folder: Where the records go.
        size: (E, N, C).
        inputs: All N samples.
        checkpoints: Where to keep the weights after every epoch, or None to keep none.
        wanted: What else to keep.
    """

    def __init__(
        self,
        folder: EvidenceFolder,
        size: tuple[int, int, int],
        inputs: Inputs,
        checkpoints: Path | None = None,
        wanted: Wanted = _NOTHING_ELSE,
    ) -> None:
        self._folder = folder
        self._checkpoints = checkpoints
        self._size = size
        self._inputs = inputs
        self._wanted = wanted
        self._held_out_size = (wanted.held_out_epochs or size[0], *size[1:])
        self._passes_size = (wanted.dropout_passes, *size[1:])
        self._all = torch.arange(len(inputs))

    def holds(self, name: str) -> bool:
        """Whether ``logits``, or ``held_out_logits`` and what goes with them, were begun.

        Damaged ones count as not begun.
        """
        kept = self._checkpoints is None or self._checkpoints.is_dir()
        if name != "held_out_logits":
            return kept and self._folder.holds(name, self._size)
        validation, classes = self._wanted.validation, self._size[2]
        beside = validation is None or self._folder.holds(
            "validation_held_out_logits", (None, len(validation), classes)
        )
        beside &= not self._wanted.dropout_passes or self._folder.holds(
            "held_out_dropout_logits", self._passes_size
        )
        return kept and beside and self._folder.holds(name, self._held_out_size)

    def holds_full_run(self, layer: nn.Linear | None = None, finished: bool = False) -> bool:
        """Whether the records of the training on all samples were begun and are not damaged.

        Args:
            layer: The last linear layer of the model, whose inputs are recorded, too.
            finished: Whether they are to be complete.
        """
        epochs, samples, classes = self._size
        if layer is not None and not self._holds_features(finished):
            return False
        targets = 0 if self._wanted.validation is None else len(self._wanted.validation)
        shapes = ((epochs, samples, None), (epochs, targets, classes), (epochs, targets, None))
        by_name = dict(zip(_BY_EPOCH, shapes, strict=True))
        begun = (self._folder.holds(name, by_name[name]) for name in self._wanted.by_epoch)
        return self.holds("logits") and all(begun)

    def _holds_features(self, finished: bool) -> bool:
        """The norms of all epochs; and the features themselves, which the last one writes."""
        epochs, samples, _classes = self._size
        norms = self._folder.holds("feature_norms", (epochs, samples))
        return norms and (not finished or self._folder.holds("features", (samples, None)))

    def records_of(self, layer: nn.Linear | None) -> list[str]:
        """The records, beyond logits, of a model with this last layer."""
        if layer is None:
            return [name for name in self._wanted.by_epoch if "features" not in name]
        return ["features", "feature_norms", *self._wanted.by_epoch]

    def record(self, epoch: int, model: nn.Module, layer: nn.Linear | None) -> None:
        """Keep what the model trained on all samples says of them after ``epoch``.

        Features are kept from the latest epoch only, their norms from all, unless more is wanted.
        """
        if self._checkpoints is not None:
            self._checkpoints.mkdir(exist_ok=True)
            save_whole(model.state_dict(), self._checkpoints / f"epoch-{epoch + 1:04}.pt")
        epochs, samples, _classes = self._size
        place: Place | None = in_memory if "features_by_epoch" in self._wanted.by_epoch else None
        if epoch == epochs - 1:
            place = partial(self._folder.array, "features")  # no second copy in memory
        outputs = evaluate(model, self._inputs, self._all, layer, place)
        self._write("logits", self._size, epoch, outputs.logits)
        if outputs.norms is not None:
            self._write("feature_norms", (epochs, samples), epoch, outputs.norms)
        if isinstance(outputs.features, np.memmap):
            outputs.features.flush()
        self._record_wanted(epoch, outputs, (model, layer))

    def _record_wanted(
        self, epoch: int, outputs: Outputs, recorded: tuple[nn.Module, nn.Linear | None]
    ) -> None:
        found = {"features_by_epoch": outputs.features}
        validation = self._wanted.validation
        if validation is not None and any("validation" in name for name in self._wanted.by_epoch):
            held = evaluate(recorded[0], validation, torch.arange(len(validation)), recorded[1])
            found["validation_logits_by_epoch"] = held.logits
            found["validation_features_by_epoch"] = held.features
        for name in self._wanted.by_epoch:
            values = found[name]
            if values is not None:
                self._write(name, (self._size[0], *values.shape), epoch, values)

    def record_rate(self, epoch: int, rate: float) -> None:
        """Keep the mean learning rate of ``epoch``."""
        self._write("learning_rates", (self._size[0],), epoch, np.asarray(rate))

    def record_held_out(self, epoch: int, model: nn.Module, rows: Tensor) -> None:
        """Keep what a fold's model says after ``epoch`` of the ``rows`` that it never saw."""
        outputs = evaluate(model, self._inputs, rows, None)
        array = self._folder.array("held_out_logits", self._held_out_size)
        array[epoch, rows.numpy()] = outputs.logits
        array.flush()  # type: ignore[attr-defined]

    def record_held_out_passes(self, model: nn.Module, rows: Tensor, seed: int) -> None:
        """Keep D passes with dropout on of the last of a fold's models over the same ``rows``."""
        passes = self._wanted.dropout_passes
        if passes:
            array = self._folder.array("held_out_dropout_logits", self._passes_size)
            found = dropout_passes(model, self._inputs, rows, seed, passes)
            for number, logits in enumerate(found):
                array[number, rows.numpy()] = logits.numpy()
            array.flush()  # type: ignore[attr-defined]

    def record_held_out_validation(self, fold: tuple[int, int], model: nn.Module) -> None:
        """Keep what the last of a fold's models, number j of J, says of the validation samples."""
        validation, (number, folds) = self._wanted.validation, fold
        if validation is not None:
            outputs = evaluate(model, validation, torch.arange(len(validation)), None)
            shape = (folds, *outputs.logits.shape)
            self._write("validation_held_out_logits", shape, number, outputs.logits)

    def _write(self, name: str, shape: tuple[int, ...], epoch: int, value: Floats) -> None:
        array = self._folder.array(name, shape)
        array[epoch] = value
        array.flush()  # type: ignore[attr-defined]
