"""Posterior weights: a sample counts as much as its label is likely to be right."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from chaffinch.losses.loss import check_count, check_number
from chaffinch.training.policies.policy import Decision, Setting, WeightTable, changes, policy
from chaffinch.training.policies.resistance import Resistance
from chaffinch.training.watching.observer import EpochRecord


@policy("posterior", "after Arazo et al., ICML 2019")
class Posterior(WeightTable):
    """Weights ``1 - P(the label resists learning)``, by two heaps of mean margins.

    After `warm_up` epochs with all samples, a mixture of two normal distributions is fitted at the
    end of each epoch to the mean margins of the labels over all epochs so far. Where one heap
    describes them as well, all weights are 1: clean data train as before.

    Args:
        warm_up: Epochs with all samples first.
        least: The least weight, in 0..1.

    Raises:
        InputError: An option is out of its bounds.
    """

    def __init__(self, warm_up: int = 2, least: float = 0.0) -> None:
        self.warm_up = check_count("warm_up", warm_up)
        self.least = check_number("least", least, 0, 1)

    def begin(self, setting: Setting) -> None:
        """Begin with weights of 1."""
        super().begin(setting)
        self._resistance = Resistance(setting.num_samples)

    def end_epoch(self, record: EpochRecord) -> Sequence[Decision]:
        """Fit the heaps and set the weights of the next epoch."""
        self._resistance.update(record)
        if record.epoch + 1 < self.warm_up:
            return ()
        before = self.weights.cpu().numpy() < 0.5
        posterior = self._resistance.posterior()
        self.set_weights(np.maximum(self.least, 1 - posterior))
        after = self.weights.cpu().numpy() < 0.5
        low = f"their labels resist learning, as about {posterior.mean():.1%} of all do"
        back = "their labels are learned like those of most samples"
        return changes(before, after, ("down-weighted", low), ("restored", back))

    def state_dict(self) -> dict[str, Any]:
        """Weights and the memory of the margins."""
        return {**super().state_dict(), "resistance": self._resistance.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        super().load_state_dict(state)
        self._resistance.load_state_dict(state["resistance"])
