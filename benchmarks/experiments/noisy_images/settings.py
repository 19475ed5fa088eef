"""What a cell of the experiment ``cifar10n`` may decide beside its axes."""

from typing import Literal

import torch
from pydantic import Field

from benchmarks.data import Sizes
from benchmarks.experiments.declared import Declared
from chaffinch.core.errors import InputError
from chaffinch.training.augmentation import crop_and_flip
from chaffinch.training.schedule import OptimizerName, RatePlan, Schedule

RepairName = Literal["trim", "relabel", "reweight"]


class Settings(Declared):
    """What a cell of the experiment ``cifar10n`` may decide.

    Attributes:
        size: N training images; 0 for all but the validation images.
        validation: M images with right labels, left out of training.
        test: Test images; 0 for all.
        width: Channels of the network's first stage.
        epochs: E.
        batch_size: Images a step.
        learning_rate: Of the first epoch; under ``one_cycle`` the peak.
        weight_decay: As in `Schedule`.
        optimizer: As in `Schedule`.
        momentum: As in `Schedule`.
        rates: As in `Schedule`.
        decay_epochs: As in `Schedule`.
        folds: K models that predict what they have not seen; 0 for none.
        repairs: By name of a repair, the shares of the samples that it changes.
        own: Repairs that are also made of what a method itself flags.
        retrain: Methods whose repairs are tried; the others are only marked by what they find.
        collect: Records of evidence beyond those of every run.
        checkpoints: Whether weights of every epoch are kept, for the methods that need them.
        device: ``cpu``, ``cuda``, or ``auto`` for a GPU where there is one.
    """

    size: int = Field(default=5000, ge=0)
    validation: int = Field(default=500, ge=1)
    test: int = Field(default=0, ge=0)
    width: int = Field(default=16, ge=1)
    epochs: int = Field(default=12, ge=1)
    batch_size: int = Field(default=128, ge=1)
    learning_rate: float = Field(default=0.01, gt=0)
    weight_decay: float = Field(default=1e-3, ge=0)
    optimizer: OptimizerName = "adamw"
    momentum: float = Field(default=0.0, ge=0)
    rates: RatePlan = "one_cycle"
    decay_epochs: tuple[int, ...] = ()
    folds: int = Field(default=3, ge=0)
    repairs: dict[RepairName, tuple[float, ...]] = Field(default_factory=dict)
    own: tuple[RepairName, ...] = ()
    retrain: tuple[str, ...] = ("none", "random", "oracle")
    collect: tuple[str, ...] = ()
    checkpoints: bool = True
    device: Literal["cpu", "cuda", "auto"] = "cpu"

    @property
    def sizes(self) -> Sizes:
        """The sizes of the three parts."""
        return Sizes(self.size, self.validation, self.test)

    @property
    def schedule(self) -> Schedule:
        """How to train: images are shifted and mirrored at random."""
        return Schedule(
            self.epochs,
            self.batch_size,
            self.learning_rate,
            self.weight_decay,
            optimizer=self.optimizer,
            momentum=self.momentum,
            rates=self.rates,
            decay_epochs=self.decay_epochs,
            augment=crop_and_flip,
        )

    @property
    def place(self) -> torch.device:
        """Where to train.

        Raises:
            InputError: A GPU is asked for and there is none.
        """
        there = torch.cuda.is_available()
        if self.device == "cuda" and not there:
            raise InputError("a GPU", "none", "Set device to auto or cpu")
        return torch.device("cuda" if there and self.device != "cpu" else "cpu")
