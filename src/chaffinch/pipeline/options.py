"""Options of a scan: checked in one place, with defaults that fit the data."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

import torch
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from chaffinch.core.errors import InputError
from chaffinch.core.types import Codes, Modality
from chaffinch.diagnosis.label_noise import Assumption
from chaffinch.diagnosis.selection import Rule, Threshold
from chaffinch.training.loop import Schedule

_LEAST_STEPS = 1000
_LEARNING_RATES = {"table": 3e-3, "image": 5e-3, "text": 3e-3, "array": 3e-3}
_MAX_SHARE_OF_BATCH = 40
_TUNED_EPOCHS = 4
_TUNED_BATCH = 32
_LEAST_FOLD_EPOCHS = 2
_LEAST_FOLD_STEPS = 80  # fewer teach a network nothing


def _listed(value: Any) -> Any:
    return [name.strip() for name in value.split(",")] if isinstance(value, str) else value


def _named(value: Any) -> Any:
    return str(value) if isinstance(value, int) else value


Count = Annotated[int, Field(ge=1)]
Name = Annotated[str, BeforeValidator(_named)]
"""Of a column; pandas numbers columns that have no name."""

OPENING = ("id_column", "text_column", "sep", "decimal", "encoding")
"""Options that decide how data are opened; later commands open them in the same way."""


class FoldPlan(NamedTuple):
    """How models are trained that are held back from a part of the data.

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
    "tuned": FoldPlan(3, 1.0, 1.0),  # a pre-trained model makes few epochs at best
}
FoldKind = Literal["table", "array", "text", "image", "tuned"]


def _counted(value: Any) -> Any:
    return int(value) if isinstance(value, str) and value.isdecimal() else value


class ScanOptions(BaseModel):
    """How to train and judge; what is left out is chosen to fit the data.

    Attributes:
        epochs: Passes over the data; 30 for tables, 6 for texts, 4 for the model in a folder,
            enough for images to make about 1,000 steps.
        batch_size: Samples a step; a 40th of the data, between 16 and 128, or 32 for the model in
            a folder.
        learning_rate: Peak of the one-cycle schedule.
        weight_decay: Of AdamW.
        folds: How many models are each held back from a part of the data to predict it; 3, or 2 for
            images and texts; 0 for none, with less certain findings.
        fold_epochs: Passes of each of them over its part, at most `epochs`; by default about an
            eighth of these, a quarter for images and texts, all for the model in a folder, and
            enough for some 80 steps. Fewer than `epochs` have a cycle of their own, at two to three
            times the rate unless `learning_rate` is given.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ...
        seed: Decides every random choice.
        scorers: Names of the score columns wanted, of families of them, or ``all``; the usual
            ones that apply by default. What they need beyond that is collected too.
        select: Which samples are flagged: ``f1`` for the set of highest expected F1, ``fdr`` for
            the largest one with at most the share ``fdr`` of false alarms.
        fdr: This share.
        assume: What a label is: ``crisp`` where each sample has one right class (what is in the
            picture), ``graded`` where labels are outcomes or opinions (income, sentiment),
            ``auto`` to go by the evidence.
        rounds: How many times the data are cleaned of what was found, trained on and judged anew;
            ``auto`` goes on until the flagged set hardly changes.
        canaries: Whether a few spoilt copies of samples are trained beside the real ones, to learn
            how well each kind of glitch is found here, and without folds how likely labels are
            wrong.
        repeats: How many times everything is trained, each time under another seed; suspicions are
            then means of log-odds, and scores mean ranks.
        ensemble: How many models are trained for scorers that need an ensemble.
        dropout_passes: How many passes with dropout on are made for scorers that need them.
        id_column: Column of unique keys; ids come from the content by default.
        text_column: Column(s) of the text; "none" for a table whatever its columns look like.
        sep: The character between the cells of a text file; found out by default.
        decimal: The decimal sign of its numbers, "." or ","; found out by default.
        encoding: Its encoding; found out by default.
        embedder: Folder of a Transformers encoder that embeds texts; needs the extra ``[text]``.
        length: Most tokens of a text for the model in a folder: 128, and 512 of prompt and response
            together. Longer texts lose their end, longer prompts their beginning.
        prompt: Column of prompts without labels; found by name by default.
        response: Column of their responses; found by name by default.
        lora: Folder of adapters for the causal model that reads prompts and responses.
        train: False to score the given model as it is.
        checkpoints: Pattern of files with states of the given model, scored in order as epochs.
        keep_checkpoints: Whether ``out/checkpoints`` gets the weights after every epoch, for
            influence over checkpoints.
        strict: Whether any sample that cannot be judged is an error, which lists all of them.
        max_pixels: Images of more pixels are taken for unreadable; 40 million by default.
        out: Where to keep the run; nothing is kept by default.
        overwrite: Whether a run at ``out`` may be replaced.
        ledger: Where runs are recorded: a file, or ``postgresql://...``; "none" for nowhere. By
            default what CHAFFINCH_LEDGER says, else ``.chaffinch/ledger.db`` beside ``out``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    epochs: int | None = Field(default=None, ge=1)
    batch_size: int | None = Field(default=None, ge=1)
    learning_rate: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    weight_decay: float = Field(default=1e-4, ge=0, allow_inf_nan=False)
    folds: int | None = Field(default=None, ge=0)
    fold_epochs: int | None = Field(default=None, ge=1)
    device: str = "auto"
    seed: int = Field(default=0, ge=0, lt=2**31)
    scorers: Annotated[list[str] | None, BeforeValidator(_listed)] = None
    select: Rule = "f1"
    fdr: float = Field(default=0.1, gt=0, lt=1)
    assume: Assumption = "auto"
    rounds: Annotated[Literal["auto"] | Count, BeforeValidator(_counted)] = 1
    canaries: bool = True
    repeats: int = Field(default=1, ge=1)
    ensemble: int = Field(default=3, ge=2)
    dropout_passes: int = Field(default=5, ge=2)
    id_column: Name | None = None
    text_column: Name | None = None
    sep: str | None = None
    decimal: str | None = None
    encoding: str | None = None
    embedder: Path | None = None
    length: int | None = Field(default=None, ge=2)
    prompt: str | None = None
    response: str | None = None
    lora: Path | None = None
    train: bool = True
    checkpoints: str | None = None
    keep_checkpoints: bool = False
    strict: bool = False
    max_pixels: int | None = Field(default=None, ge=1)
    out: Path | None = None
    overwrite: bool = False
    ledger: str | None = None

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
        if is_image:
            epochs = min(40, max(10, math.ceil(_LEAST_STEPS / steps)))
        elif tuned:
            epochs = _TUNED_EPOCHS
        else:
            epochs = 6 if modality == "text" else 30
        rate = self.learning_rate or tuned or _LEARNING_RATES["image" if is_image else modality]
        return Schedule(self.epochs or epochs, size, rate, self.weight_decay)

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
