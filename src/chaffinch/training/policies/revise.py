"""Revised labels: each label drifts towards what the model has kept saying of its sample."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from chaffinch.losses.loss import check_count, check_number
from chaffinch.training.policies.policy import Decision, Policy, PolicyBatch, Setting, policy
from chaffinch.training.watching.measures import widened
from chaffinch.training.watching.observer import EpochRecord

LEAST_GROWTH = 0.01
"""Growth of the mean probability of the labels in an epoch below which the warm-up ends."""


@policy("revise", "Huang et al., NeurIPS 2020")
class Revise(Policy):
    """Self-adaptive training: labels ``t <- memory t + (1 - memory) p``, the given ones at first.

    After a warm-up with the given labels, a sample's label moves towards the model's
    prediction each time that the sample comes, and is used at once. A sample weighs ``max_k t_k``,
    divided by the mean of its batch: as long as label and model contradict each other, it counts
    less. The given labels are kept, and what is recorded as loss is cross-entropy with them.

    Needs room for (N, C) numbers. Under data parallel training each process revises the labels of
    the samples that it sees.

    Args:
        memory: In 0..1; how slowly labels move. The paper has .9 for some hundred epochs.
        warm_up: Epochs with the given labels first; None until the mean probability of the labels
            grows by less than one point in an epoch. Before, the model has too little to say.

    Raises:
        InputError: An option is out of its bounds.
    """

    def __init__(self, memory: float = 0.9, warm_up: int | None = None) -> None:
        self.memory = check_number("memory", memory, 0, 1)
        self.warm_up = None if warm_up is None else check_count("warm_up", warm_up)
        self._begun = self.warm_up == 0
        self._known = 0.0

    def begin(self, setting: Setting) -> None:
        """Begin without an opinion on any sample."""
        self._begun, self._known = self.warm_up == 0, 0.0
        size = (setting.num_samples, setting.num_classes)
        self.labels = torch.zeros(size, device=setting.device)

    def target(self, batch: PolicyBatch) -> Tensor | None:
        """(B, C) the revised labels."""
        if not self._begun:
            return None
        logits = widened(batch.outputs)
        hard = not batch.target.is_floating_point()
        given = F.one_hot(batch.target, logits.shape[1]) if hard else batch.target
        ids = batch.ids.to(self.labels.device)
        old = self.labels[ids].to(logits)
        old = torch.where(old.sum(1, keepdim=True) > 0, old, given.to(logits))
        new = self.memory * old + (1 - self.memory) * torch.softmax(logits, 1)
        self.labels[ids] = new.to(self.labels)
        return new

    def weigh(self, batch: PolicyBatch) -> Tensor | None:
        """(B,) how sure the revised labels are, 1 on average."""
        if not self._begun:
            return None
        sure = self.labels[batch.ids].amax(1)
        return sure / sure.mean()

    def end_epoch(self, record: EpochRecord) -> Sequence[Decision] | None:
        """Decide whether the warm-up is over; whose label was turned over in this epoch."""
        known = float(np.nanmean(record.values["probability"]))
        grown, self._known = known - self._known, known
        if self._begun:
            return self._turned(record)
        if self.warm_up is None:
            self._begun = grown < LEAST_GROWTH
        else:
            self._begun = record.epoch + 1 >= self.warm_up
        return None

    def _turned(self, record: EpochRecord) -> list[Decision]:
        revised = self.labels.sum(1) > 0
        turned = (
            self.labels.argmax(1) != torch.from_numpy(record.labels).to(revised.device)
        ) & revised
        ids = np.flatnonzero(turned.cpu().numpy() & record.seen)
        reason = "the model has kept predicting another class than the given one"
        return [Decision("revised", reason, ids)] if ids.size else []

    def state_dict(self) -> dict[str, Any]:
        """The revised labels, and how far the warm-up is."""
        own = {"begun": self._begun, "known": self._known}
        return {"labels": self.labels.clone(), **own}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        self.labels.copy_(state["labels"])
        self._begun, self._known = bool(state["begun"]), float(state["known"])
