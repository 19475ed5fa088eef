"""Rows: which losses, corrections and policies are tried, by name of a method."""

import numpy as np

from benchmarks.experiments.noisy_images.robust import ROBUST
from benchmarks.method import METHODS, Method, Scored
from benchmarks.situation import Situation
from chaffinch.losses import LOSSES
from chaffinch.training.policies import POLICIES

CORRECTIONS = {
    "correction backward": "backward_correction",
    "correction forward": "forward_correction",
}
"""Losses that need a transition matrix, by method."""

MIXUP = "correction mixup"
MIXUP_ALPHA = 1.0

BY_POLICY = {f"policy {name}": name for name in POLICIES if name != "observe"}
"""Policies with their own defaults, by method."""

ROWS = ("none", "oracle", *ROBUST, *CORRECTIONS, MIXUP, *BY_POLICY)


def _finds_nothing(situation: Situation, _seed: int) -> Scored:
    return Scored(np.zeros(len(situation.evidence)))


def _register(name: str, origin: str, summary: str) -> None:
    # Rows that are trained; like the control `none`, they run on no situation.
    METHODS.add(name, Method(name, origin, summary, lambda _: False, _finds_nothing))


def _first(kind: type) -> str:
    return (kind.__doc__ or "").strip().splitlines()[0].rstrip(".")


for _row, _name in CORRECTIONS.items():
    _text = f"{_first(LOSSES[_name])}; T from anchors of a training by cross-entropy over a third "
    _register(_row, "correction", f"{_text}of the epochs ({LOSSES[_name].paper})")
_register(MIXUP, "correction", f"Mixup with alpha = {MIXUP_ALPHA:g} (Zhang et al., ICLR 2018)")
for _row, _name in BY_POLICY.items():
    _register(
        _row, "policy", f"The policy of cf.watch, defaults throughout: {_first(POLICIES[_name])}"
    )
