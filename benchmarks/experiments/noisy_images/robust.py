"""Losses made for wrong labels, as rows of the experiment ``cifar10n``."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from benchmarks.method import METHODS, Method, Scored
from benchmarks.situation import Situation
from chaffinch.losses import LOSSES, CrossEntropy

ORIGIN = "loss"

MANY_CLASSES = 100
"""From how many classes on a loss takes its options for CIFAR-100."""


@dataclass(frozen=True)
class Preset:
    """What the constructor of a loss is given.

    Attributes:
        options: As published for CIFAR-10, and the defaults of the class where nothing was.
        many: What replaces them on data like CIFAR-100.
        shares: Numbers of epochs, as shares of the training's; rounded.
        needs: Names among ``num_samples``, ``num_classes`` and ``seed`` that it takes, too.
    """

    options: Mapping[str, float] = field(default_factory=dict)
    many: Mapping[str, float] = field(default_factory=dict)
    shares: Mapping[str, float] = field(default_factory=dict)
    needs: tuple[str, ...] = ()


PRESETS = {
    "active_passive": Preset({"alpha": 1.0, "beta": 1.0}, many={"alpha": 10.0, "beta": 0.1}),
    # Not tuned: moderate temperatures on either side of 1.
    "bi_tempered": Preset({"t1": 0.8, "t2": 1.2}),
    # The paper warms up for 0 to 8 of 10 epochs: the middle.
    "blurry": Preset({"gamma": 0.3}, shares={"warm_up": 0.4}),
    # 10, 30 and 30 of 100 epochs.
    "cores2": Preset({"beta": 2.0}, shares={"warm_up": 0.1, "ramp": 0.3, "sieve": 0.3}),
    "early_learning_regularization": Preset(
        {"strength": 3.0, "momentum": 0.7},
        many={"strength": 7.0, "momentum": 0.9},
        needs=("num_samples", "num_classes"),
    ),
    "generalized_cross_entropy": Preset({"q": 0.7}),
    "label_smoothing": Preset({"rate": 0.1}),
    # Without a lower bound it starts as gently as CORES2.
    "peer": Preset({"alpha": 1.0}, shares={"warm_up": 0.1, "ramp": 0.3}, needs=("seed",)),
    "piecewise_zero": Preset({"cutoff": 0.05}, shares={"warm_up": 0.4}),
    "symmetric_cross_entropy": Preset(
        {"alpha": 0.1, "beta": 1.0}, many={"alpha": 6.0, "beta": 0.1}
    ),
}
"""Losses that are tried, none of whose options was chosen by results on these data.

Those that need a transition matrix are left out, and cross-entropy is what ``none`` trains by.
"""

ROBUST = {f"{ORIGIN} {name}": name for name in PRESETS}
"""Names of losses, by method."""


@dataclass(frozen=True)
class Facts:
    """What the options of a loss depend on.

    Attributes:
        num_samples: N, of which the positions of samples are told.
        num_classes: C.
        epochs: E.
        seed: Decides what a loss draws.
    """

    num_samples: int
    num_classes: int
    epochs: int
    seed: int


def make_loss(name: str, facts: Facts) -> CrossEntropy:
    """A loss with its preset.

    Args:
        name: In `PRESETS`.
        facts: Of the training.
    """
    preset = PRESETS[name]
    options = dict(preset.options)
    if facts.num_classes >= MANY_CLASSES:
        options |= preset.many
    options |= {option: round(share * facts.epochs) for option, share in preset.shares.items()}
    options |= {need: getattr(facts, need) for need in preset.needs}
    return LOSSES[name](**options)  # type: ignore[arg-type]


def _finds_nothing(situation: Situation, _seed: int) -> Scored:
    return Scored(np.zeros(len(situation.evidence)))


def _summary(name: str) -> str:
    kind, preset = LOSSES[name], PRESETS[name]
    first = (kind.__doc__ or "").strip().splitlines()[0].rstrip(".")
    options = _listed(preset.options) + [
        f"{option} = {share:g} x epochs" for option, share in preset.shares.items()
    ]
    words = ", ".join(options)
    if preset.many:
        words += f"; from {MANY_CLASSES} classes on {', '.join(_listed(preset.many))}"
    return f"A training with another loss: {first}; {words} ({kind.paper})"


def _listed(options: Mapping[str, float]) -> list[str]:
    return [f"{option} = {value:g}" for option, value in options.items()]


# A row that is trained, not a method that looks for samples: like the control `none`, it runs on
# no situation.
for _row, _name in ROBUST.items():
    METHODS.add(_row, Method(_row, ORIGIN, _summary(_name), lambda _: False, _finds_nothing))
