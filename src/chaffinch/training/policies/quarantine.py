"""Temporary quarantine: samples that resist are set aside, looked at, and taken back."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from chaffinch.losses.loss import check_count, check_number
from chaffinch.training.policies.policy import Decision, Setting, WeightTable, changes, policy
from chaffinch.training.policies.resistance import Resistance
from chaffinch.training.watching.observer import EpochRecord


@policy("quarantine")
class Quarantine(WeightTable):
    """Gives weight 0 to samples that resist learning, as long as the model contradicts their label.

    After `warm_up` epochs, samples whose probability to belong to the heap of resisting ones (see
    `Resistance`) exceeds `threshold` go into quarantine. There they are still run through the
    model, which is not trained on them: its opinion is held out. After `term` epochs, a sample
    whose label the model predicted in the latest one is re-admitted; others stay for another term.
    A sample that was re-admitted can be set aside again only after `term` more epochs.

    Args:
        threshold: In 0..1.
        term: Epochs.
        warm_up: Epochs with all samples first.

    Raises:
        InputError: An option is out of its bounds.
    """

    def __init__(self, threshold: float = 0.9, term: int = 2, warm_up: int = 2) -> None:
        self.threshold = check_number("threshold", threshold, 0, 1)
        self.term = max(1, check_count("term", term))
        self.warm_up = check_count("warm_up", warm_up)

    def begin(self, setting: Setting) -> None:
        """Begin with nobody in quarantine."""
        super().begin(setting)
        self._resistance = Resistance(setting.num_samples)
        self._since = np.full(
            setting.num_samples, -self.term, dtype=np.int64
        )  # of the latest change

    def end_epoch(self, record: EpochRecord) -> Sequence[Decision]:
        """Set aside and re-admit."""
        self._resistance.update(record)
        if record.epoch + 1 < self.warm_up:
            return ()
        inside = self.weights.cpu().numpy() == 0
        settled = record.epoch + 1 - self._since >= self.term
        resists = self._resistance.posterior() > self.threshold
        confirmed = record.values["margin"] > 0
        enters = ~inside & settled & resists & ~confirmed
        leaves = inside & settled & confirmed
        after = (inside | enters) & ~leaves
        self._since[enters | leaves] = record.epoch + 1
        self.set_weights(np.where(after, 0.0, 1.0))
        aside = f"their labels resist learning with probability above {self.threshold:g}"
        back = f"the model predicts their labels after {self.term} epochs without them"
        return changes(inside, after, ("quarantined", aside), ("re-admitted", back))

    def state_dict(self) -> dict[str, Any]:
        """Who is in quarantine since when, and the memory of the margins."""
        since = torch.from_numpy(self._since.copy())
        own = {"since": since, "resistance": self._resistance.state_dict()}
        return {**super().state_dict(), **own}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        super().load_state_dict(state)
        self._since[:] = state["since"].numpy()
        self._resistance.load_state_dict(state["resistance"])
