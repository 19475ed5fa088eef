"""A watch in the Transformers ``Trainer``, whose loss sees logits, labels and ids."""
# mypy: disable-error-code="misc,override,unused-ignore"
# The types that Transformers gives are not the same from version to version.

import inspect
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from chaffinch.core.errors import InputError, MissingExtraError
from chaffinch.training.loop import save_whole
from chaffinch.training.watching.criterion import cross_entropy
from chaffinch.training.watching.identified import ID_COLUMN, with_ids
from chaffinch.training.watching.options import WatchOptions
from chaffinch.training.watching.watch import Watch, watch

try:
    from transformers import Trainer, TrainerCallback, trainer_utils
except ImportError as error:
    raise MissingExtraError("the watched Trainer", "text", "transformers") from error

_STATE = "watch.pt"
_COMPARED = 20
"""First steps in which the model's own loss is looked at, too."""
_last_checkpoint: Any = trainer_utils.get_last_checkpoint


class WatchedTrainer(Trainer):
    """A ``Trainer`` for classifiers that calls `Watch.loss` in place of the model's own loss.

    Positions in the training set travel as the column "sample_ids" through the collator; the model
    does not get them, nor the labels. Epochs are told. Each checkpoint holds the watch's state, and
    ``train(resume_from_checkpoint=...)`` goes on from it. Evaluation is as ever.

    Attributes:
        watch: The watch; its records can be read after the training.

    Args:
        *arguments: Of the Trainer.
        watch_options: See `WatchOptions`.
        **named: Of the Trainer.

    Raises:
        InputError: No training set with a length, label smoothing, or a loss of the Trainer's own.
            `train` refuses models for regression or several labels a sample, and, unless
            ``watch_options`` name a loss, those whose own loss is no plain cross-entropy.
    """

    def __init__(
        self, *arguments: Any, watch_options: WatchOptions | None = None, **named: Any
    ) -> None:
        super().__init__(*arguments, **named)
        if self.compute_loss_func is not None or self.label_smoother is not None:
            raise InputError(
                "the watch's own loss",
                "a Trainer with compute_loss_func or label smoothing",
                "Pass watch_options={'loss': ...}; see cf.losses.LabelSmoothing",
            )
        own = not (watch_options or {}).get("loss") and _takes_labels(self.model)
        self._compared = _COMPARED if own else 0
        self.train_dataset = with_ids(self.train_dataset)
        # The watch returns a mean: the Trainer divides it by the steps of an accumulation.
        self.model_accepts_loss_kwargs = False
        self.loss_is_scaled_for_ga = False
        options: WatchOptions = {**(watch_options or {}), "boundary": "told"}
        trained: Any = self.model
        self.watch: Watch = watch(trained, len(self.train_dataset), **options)
        self.add_callback(_Reporter(self.watch))

    def train(self, resume_from_checkpoint: Any = None, *arguments: Any, **named: Any) -> Any:
        """Train as ever, inside of the watch."""
        _check_task(getattr(self.model, "config", None))
        folder = resume_from_checkpoint
        if folder is True:
            folder = _last_checkpoint(self.args.output_dir)
        if folder:
            file = Path(folder) / _STATE
            if not file.is_file():
                raise InputError(
                    f"the state of the watch in {file}", "none", "Resume what a watch has seen"
                )
            self.watch.load_state_dict(torch.load(file, weights_only=True))
        with self.watch:
            return super().train(resume_from_checkpoint, *arguments, **named)

    def compute_loss(
        self, model: nn.Module, inputs: dict[str, Any], return_outputs: bool = False, **named: Any
    ) -> Any:
        """The watch's loss in training, the model's own elsewhere."""
        kept = dict(inputs)
        ids: Tensor | None = kept.pop(ID_COLUMN, None)
        if ids is None or not model.training:
            return super().compute_loss(model, kept, return_outputs, **named)
        labels = kept.pop("labels", None)
        if labels is None:
            raise InputError(
                "batches with the key 'labels'", f"{sorted(kept)}", "Name the column of labels so"
            )
        if self._compared:
            self._compared -= 1
            outputs = model(**kept, labels=labels)
            _check_loss(outputs, labels)
        else:
            outputs = model(**kept)
        loss = self.watch.loss(outputs.logits, labels, ids)
        return (loss, outputs) if return_outputs else loss

    def _set_signature_columns_if_needed(self) -> None:
        super()._set_signature_columns_if_needed()
        columns: Any = self._signature_columns
        if columns is not None and ID_COLUMN not in columns:
            columns.append(ID_COLUMN)


def _check_task(config: Any) -> None:
    task = getattr(config, "problem_type", None)
    if task not in (None, "single_label_classification") or getattr(config, "num_labels", 2) == 1:
        raise InputError(
            "a model that gives each sample one of several classes",
            f"problem_type {task or 'regression (num_labels=1)'}",
            "Train it by the Trainer of Transformers: a watch knows no such labels",
        )


def _takes_labels(model: Any) -> bool:
    return "labels" in inspect.signature(model.forward).parameters


def _check_loss(outputs: Any, labels: Tensor) -> None:
    """Refuse a model that would train on another loss than the watch does."""
    own = outputs.get("loss")
    if own is None:
        return
    plain = cross_entropy(outputs.logits.detach(), labels, "mean")
    near = {"rtol": 0.02, "atol": 0.02} if outputs.logits.element_size() < 4 else {"rtol": 1e-5}
    if not torch.allclose(own.detach().float().mean(), plain.float(), equal_nan=True, **near):
        raise InputError(
            f"a model whose own loss is the cross-entropy of its logits ({float(plain):.4g})",
            f"{float(own.detach().mean()):.4g}",
            "Name the loss to train with by watch_options={'loss': ...}",
        )


class _Reporter(TrainerCallback):
    """Tells the watch of epochs, and keeps its state in the checkpoints."""

    def __init__(self, watched: Watch) -> None:
        self._watch = watched

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_rest: Any) -> None:  # noqa: ARG002
        """End the watch's epoch."""
        self._watch.epoch_end()

    def on_save(self, args: Any, state: Any, control: Any, **_rest: Any) -> None:  # noqa: ARG002
        """Put the state beside that of the Trainer."""
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        if state.is_world_process_zero and folder.is_dir():
            save_whole(self._watch.state_dict(), folder / _STATE)
