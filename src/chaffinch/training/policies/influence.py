"""Down-weighting by ongoing influence: who keeps hurting validation counts less."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch

from chaffinch.core.types import Floats
from chaffinch.losses.loss import check_count, check_number
from chaffinch.training.policies.policy import Decision, Setting, WeightTable, changes, policy
from chaffinch.training.watching.observer import EpochRecord


def influence_weights(influence: Floats, strength: float) -> Floats:
    """(N,) weights: 1 for samples that help, ``exp(strength * influence / scale)`` for others.

    Args:
        influence: (N,) mean dot products with the validation gradient, positive = helps; NaN where
            unknown, which weighs 1.
        strength: How fast the weight falls; 0 for not at all.

    Returns:
        Weights in 0..1; scale is the median of the absolute influence.
    """
    known = np.isfinite(influence)
    scale = float(np.median(np.abs(influence[known]))) if known.any() else 0.0
    if scale == 0:
        return np.ones(len(influence))
    return np.exp(strength * np.minimum(np.where(known, influence, 0.0), 0) / scale)


@policy("influence", "after Ren et al., ICML 2018")
class InfluenceWeights(WeightTable):
    """Gives less weight to samples whose gradient keeps pointing against that of validation.

    The influence of a sample is averaged over epochs, with `memory` for the past. Needs
    ``cf.watch(validation=..., influence=...)``. Weights come back when the influence does.

    Args:
        strength: A sample that hurts as much as the median sample moves weighs exp(-strength).
        memory: In 0..1.
        warm_up: Epochs without weights first.

    Raises:
        InputError: An option is out of its bounds.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"influence"})

    def __init__(self, strength: float = 1.0, memory: float = 0.7, warm_up: int = 1) -> None:
        self.strength = check_number("strength", strength, 0)
        self.memory = check_number("memory", memory, 0, 1)
        self.warm_up = check_count("warm_up", warm_up)

    def begin(self, setting: Setting) -> None:
        """Begin with weights of 1 and unknown influence."""
        super().begin(setting)
        self.mean = np.full(setting.num_samples, np.nan, dtype=np.float32)

    def end_epoch(self, record: EpochRecord) -> Sequence[Decision]:
        """Bring the means and weights up to date."""
        new = record.values["influence"]
        blend = self.memory * self.mean + (1 - self.memory) * new
        blend = np.where(np.isfinite(self.mean), blend, new)
        self.mean = np.where(np.isfinite(new), blend, self.mean)
        if record.epoch + 1 < self.warm_up:
            return ()
        before = self.weights.cpu().numpy() < 0.5
        self.set_weights(influence_weights(self.mean, self.strength))
        after = self.weights.cpu().numpy() < 0.5
        low = ("down-weighted", "their gradients point against that of the validation loss")
        return changes(before, after, low, ("restored", "their gradients hurt validation no more"))

    def state_dict(self) -> dict[str, Any]:
        """Weights and means."""
        return {**super().state_dict(), "mean": torch.from_numpy(self.mean.copy())}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        super().load_state_dict(state)
        self.mean = state["mean"].numpy().copy()
