"""Options of a scan: checked in one place, with defaults that fit the data."""

import math
from collections.abc import Collection
from dataclasses import replace
from typing import Any, Literal, NamedTuple, Self

import torch
from pydantic import ValidationError, field_serializer

from chaffinch.core.errors import InputError
from chaffinch.core.types import Codes, Modality
from chaffinch.diagnosis.selection import Threshold
from chaffinch.encoders.opening import told_of
from chaffinch.pipeline.scan_declaration import ScanDeclaration
from chaffinch.training.loop import Schedule

_LEAST_STEPS = 1000
_LEARNING_RATES = {"table": 3e-3, "image": 5e-3, "text": 3e-3, "series": 3e-3, "array": 3e-3}
_MAX_SHARE_OF_BATCH = 40
_TUNED_EPOCHS = 4
_TUNED_BATCH = 32
_HEAD_EPOCHS = 20
_MOST_HEAD_EPOCHS = 60
_LEAST_HEAD_STEPS = 400
_HEAD_BATCH = 256
_HEAD_RATE = 3e-3
_LEAST_FOLD_EPOCHS = 2
_LEAST_FOLD_STEPS = 80  # fewer teach a network nothing


OPENING = ("id_column", "text_column", "group", "series", "sep", "decimal", "encoding")
"""Options that decide how data are opened; later commands open them in the same way."""


class FoldPlan(NamedTuple):
    """How the cross-validation models are trained.

    Wrong labels are learned late and the rule early, so few epochs do. A short cycle bears a higher
    peak rate than a long one, and needs it.

    Attributes:
        number: K, how many there are.
        share: Of the epochs of the model trained on all samples.
        rate: Their peak rate by that of the other model.
    """

    number: int
    share: float
    rate: float


_FOLDS = {
    "table": FoldPlan(3, 0.13, 3.0),
    "array": FoldPlan(3, 0.13, 3.0),
    "text": FoldPlan(2, 0.25, 2.0),
    "image": FoldPlan(2, 0.25, 2.0),
    "audio": FoldPlan(2, 0.25, 2.0),
    "series": FoldPlan(3, 0.25, 2.0),
    "tuned": FoldPlan(3, 1.0, 1.0),  # a pre-trained model makes few epochs at best
    "features": FoldPlan(5, 0.5, 1.0),  # heads take a second each
}
FoldKind = Literal["table", "array", "text", "image", "audio", "series", "tuned", "features"]


class ScanOptions(ScanDeclaration):
    """How to train and judge, see `ScanDeclaration`, with what follows from it for some data."""

    @property
    def features_by(self) -> Any:
        """What gives features of the samples: an encoder or vectors; None for nothing."""
        given = (self.encoder, self.embeddings, self.embedder)
        return next((one for one in given if one is not None), None)

    @field_serializer("task", when_used="json")
    def _task_name(self, value: Any) -> str:
        return value if isinstance(value, str) else str(getattr(value, "name", value))

    @field_serializer("encoder", "embeddings", when_used="json")
    def _told(self, value: Any) -> str | None:
        return told_of(value)

    @property
    def written(self) -> dict[str, Any]:
        """How a text file is written, as `open_data` takes it."""
        return {"sep": self.sep, "decimal": self.decimal, "encoding": self.encoding}

    @property
    def threshold(self) -> Threshold:
        """The rule by which samples are flagged."""
        return Threshold(self.select, self.fdr)

    @classmethod
    def of(cls, **given: Any) -> Self:
        """Check options.

        Raises:
            InputError: An unknown option or a value out of range.
        """
        try:
            return cls(**given)
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][0]) if first["loc"] else ""
            # A value of several forms has one error each: 'auto' or a number.
            told = [one["msg"] for one in error.errors() if one["loc"][:1] == first["loc"][:1]]
            unknown = first["type"] == "extra_forbidden"
            raise InputError(
                "a known option" if unknown else f"a usable value for {name!r}",
                repr(name) if unknown else f"{first.get('input')!r} ({' or '.join(told)})",
                f"Options are {', '.join(cls.model_fields)}",
            ) from error

    def beside(self, used: Collection[str]) -> list[str]:
        """Names of the options that were given and are not among those ``used``."""
        fields = type(self).model_fields.items()
        return [
            name
            for name, one in fields
            if name not in used and _differs(getattr(self, name), one.default)
        ]

    def schedule(
        self, modality: Modality, num_samples: int, is_image: bool, tuned: float | None = None
    ) -> Schedule:
        """The training schedule for N samples of this kind.

        Args:
            modality: What the samples are to the model.
            num_samples: N.
            is_image: Whether they have the shape of images.
            tuned: Peak rate for a pre-trained model that is fine-tuned; None for other models.
        """
        guess = 2 ** round(math.log2(max(1, num_samples / _MAX_SHARE_OF_BATCH)))
        size = self.batch_size or min(_TUNED_BATCH if tuned else 128, max(16, guess))
        steps = math.ceil(num_samples / size)
        if is_image or modality == "series":
            epochs = min(40, max(10, math.ceil(_LEAST_STEPS / steps)))
        elif tuned:
            epochs = _TUNED_EPOCHS
        else:
            epochs = 6 if modality == "text" else 30
        rate = self.learning_rate or tuned or _LEARNING_RATES["image" if is_image else modality]
        return Schedule(self.epochs or epochs, size, rate, self.weight_decay)

    def head_schedule(self, num_samples: int) -> Schedule:
        """The training schedule for a head on the features of N samples."""
        guess = 2 ** round(math.log2(max(1, num_samples / _MAX_SHARE_OF_BATCH)))
        size = self.batch_size or min(_HEAD_BATCH, max(16, guess))
        enough = math.ceil(_LEAST_HEAD_STEPS / math.ceil(num_samples / size))
        epochs = self.epochs or min(_MOST_HEAD_EPOCHS, max(_HEAD_EPOCHS, enough))
        rate = self.learning_rate or _HEAD_RATE
        return Schedule(epochs, size, rate, self.weight_decay)

    def fold_schedule(self, whole: Schedule, kind: FoldKind, num_samples: int) -> Schedule:
        """How the fold models are trained: a small share of the epochs, in a cycle of their own.

        Args:
            whole: Schedule of the model trained on all samples.
            kind: What is learned.
            num_samples: N.
        """
        plan = _FOLDS[kind]
        steps = whole.steps_for(max(1, num_samples - num_samples // plan.number))
        least = max(_LEAST_FOLD_EPOCHS, math.ceil(_LEAST_FOLD_STEPS / steps))
        few = max(least, round(plan.share * whole.epochs))
        epochs = min(self.fold_epochs or few, whole.epochs)
        bears_more = self.learning_rate is None and epochs < whole.epochs
        rate = whole.learning_rate * (plan.rate if bears_more else 1)
        return replace(whole, epochs=epochs, learning_rate=rate)

    def num_folds(self, counts: Codes, kind: FoldKind) -> int:
        """K, or 0; every class must have a sample outside each fold.

        Args:
            counts: (C,) samples of each class.
            kind: What is learned.

        Raises:
            InputError: One fold, which would leave nothing to train on, or more than samples.
        """
        folds = _FOLDS[kind].number if self.folds is None else self.folds
        if folds == 1:
            raise InputError("0 or at least 2 folds", "1", "Choose --folds 0, or 2 to 10")
        if folds > counts.sum():
            raise InputError(
                f"at most as many folds as samples, {counts.sum()}",
                f"{folds}",
                "Choose --folds 2 to 10: each fold is one more training",
            )
        return folds if counts[counts > 0].min() >= 2 else 0

    def torch_device(self) -> torch.device:
        """The device to train on.

        Raises:
            InputError: An unknown or absent device.
        """
        name = self.device
        if name == "auto":
            name = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            device = torch.device(name)
            torch.empty(1, device=device).item()  # fails where nothing is computed
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            raise InputError(
                "a device that this machine has", repr(self.device), "Choose auto, cpu or cuda"
            ) from error
        return device


def _differs(value: Any, default: Any) -> bool:
    """Whether an option was given; arrays have no truth value of their own."""
    return value is not default and (hasattr(value, "__array__") or value != default)
