"""How much each label resists learning, and whether those that do form a heap of their own."""

from typing import Any

import numpy as np
import torch

from chaffinch.core.types import Floats
from chaffinch.diagnosis.mixture import upper_heap
from chaffinch.training.watching.observer import EpochRecord


class Resistance:
    """The negative mean margin of the label over the epochs so far, by sample.

    The mean margin is the area under the margin of Pleiss et al. (NeurIPS 2020). Other than losses
    and probabilities, which pile up where a model is sure, margins of clean data form one heap.

    Args:
        num_samples: N.
    """

    def __init__(self, num_samples: int) -> None:
        self._sum = np.zeros(num_samples)
        self._count = np.zeros(num_samples)

    def update(self, record: EpochRecord) -> None:
        """Add an epoch."""
        margins = record.values["margin"].astype(np.float64)
        seen = np.isfinite(margins)
        self._sum[seen] += margins[seen]
        self._count[seen] += 1

    def scores(self) -> Floats:
        """(N,) higher = resists more; NaN for samples never seen."""
        means = np.full(len(self._sum), np.nan)
        np.divide(self._sum, self._count, out=means, where=self._count > 0)
        return -means

    def posterior(self) -> Floats:
        """(N,) probability that the sample belongs to the heap of those that resist.

        0 throughout where the scores are one heap (`upper_heap`), and for samples never seen.
        """
        scores = self.scores()
        seen = np.isfinite(scores)
        found = np.zeros(len(scores))
        found[seen] = upper_heap(scores[seen])
        return found

    def rate(self) -> float:
        """Share of the samples that resist."""
        seen = self._count > 0
        return float(self.posterior()[seen].mean()) if seen.any() else 0.0

    def state_dict(self) -> dict[str, Any]:
        """Sums and counts."""
        return {
            "sum": torch.from_numpy(self._sum.copy()),
            "count": torch.from_numpy(self._count.copy()),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        self._sum[:], self._count[:] = state["sum"].numpy(), state["count"].numpy()
