"""A snapshot: what the diagnostics say of one epoch."""

from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from chaffinch.training.diagnostics.concentration import Concentration
from chaffinch.training.diagnostics.noise import LabelNoise
from chaffinch.training.diagnostics.quality import GroupQuality
from chaffinch.training.diagnostics.surest import Surest
from chaffinch.training.diagnostics.suspected import Side


@dataclass(frozen=True)
class Point:
    """Both sides in one epoch.

    Attributes:
        epoch: From 0.
        suspected: The samples set aside.
        trusted: All others.
    """

    epoch: int
    suspected: Side
    trusted: Side


@dataclass(frozen=True)
class Validation:
    """The model on the M validation samples after the epoch.

    Attributes:
        count: M.
        loss: Mean cross-entropy.
        accuracy: Share of labels met, 0..1.
        calibration: Expected calibration error, 0..1, whichever way the model errs.
        overconfidence: Mean confidence less accuracy, -1..1; positive = surer than right.
    """

    count: int
    loss: float
    accuracy: float
    calibration: float
    overconfidence: float


@dataclass(frozen=True, eq=False)
class Disturbance:
    """Samples that pulled hard against validation in three epochs or more in a row.

    Attributes:
        ids: (n,) the samples, longest streak first; at most 1,000.
        count: How many there are.
        pull: Their part of all that pulls against validation in this epoch, 0..1.
    """

    ids: NDArray[np.int64]
    count: int
    pull: float


@dataclass(frozen=True, eq=False)
class Spread:
    """How the margins of both sides are spread.

    Attributes:
        edges: (B + 1,) ends of the bins.
        suspected: (B,) samples set aside in each.
        trusted: (B,) all others.
    """

    edges: NDArray[np.float64]
    suspected: NDArray[np.int64]
    trusted: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Snapshot:
    """One epoch. What could not be known is None.

    Attributes:
        epoch: From 0.
        samples: N.
        seen: Samples that came in this epoch.
        never: Samples that never came so far.
        loss: Mean cross-entropy with the given labels; NaN where nothing is finite.
        accuracy: Share of given labels met when the sample's turn came, 0..1.
        broken: Samples whose loss is NaN or infinite.
        seconds: The epoch took.
        rate: Learning rate; NaN where not known.
        calibration: Expected calibration error on the training samples, 0..1.
        noise: Share of labels that no softening explains.
        noisy: Whether that share stands out from what clean data show.
        surest: Misses where the model is surest.
        set_aside: Epoch in which samples were set aside as suspected.
        curve: Both sides in every epoch for which they are known.
        spread: Margins of both sides.
        concentration: How few samples carry half of the gradient.
        disturbance: Samples that pull against validation again and again.
        classes: Labels by class.
        groups: Labels by group of the samples.
        validation: On the validation samples.
    """

    epoch: int
    samples: int
    seen: int
    never: int
    loss: float
    accuracy: float
    broken: int = 0
    seconds: float = 0.0
    rate: float = float("nan")
    calibration: float | None = None
    noise: LabelNoise | None = None
    noisy: bool = False
    surest: Surest | None = None
    set_aside: int | None = None
    curve: tuple[Point, ...] = ()
    spread: Spread | None = None
    concentration: Concentration | None = None
    disturbance: Disturbance | None = None
    classes: tuple[GroupQuality, ...] = field(default=(), repr=False)
    groups: tuple[GroupQuality, ...] = field(default=(), repr=False)
    validation: Validation | None = None

    def scalars(self) -> dict[str, float]:
        """All single numbers by name, for writers: ``train/loss``, ``group/B/accuracy``..."""
        found = {"train/loss": self.loss, "train/accuracy": self.accuracy}
        found |= {"train/seen": self.seen, "train/broken": self.broken}
        found |= {"train/seconds": self.seconds}
        optional = {"train/learning_rate": self.rate, "train/calibration_error": self.calibration}
        if self.noise:
            optional["labels/noise_rate"] = self.noise.rate
        if self.surest:
            optional["labels/missed_when_sure"] = self.surest.rate
        if self.concentration:
            optional["gradient/half_carried_by"] = self.concentration.share
        if self.disturbance:
            optional["gradient/disturbing_samples"] = self.disturbance.count
        if self.curve and self.curve[-1].epoch == self.epoch:
            for name in ("suspected", "trusted"):
                side: Side = getattr(self.curve[-1], name)
                optional |= {f"{name}/loss": side.loss, f"{name}/met": side.met}
        if self.validation:
            for one in fields(self.validation)[1:]:
                optional[f"validation/{one.name}"] = getattr(self.validation, one.name)
        for kind, members in (("class", self.classes), ("group", self.groups)):
            for member in members:
                optional[f"{kind}/{member.name}/accuracy"] = member.accuracy
        known = {name: value for name, value in optional.items() if value is not None}
        return {name: float(value) for name, value in (found | known).items()}
