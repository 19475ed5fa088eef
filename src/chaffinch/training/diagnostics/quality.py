"""Which sources or classes have worse labels than the rest."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chaffinch.core.types import Floats
from chaffinch.training.diagnostics.noise import NoiseGap
from chaffinch.training.diagnostics.surest import Surest, missed_when_sure

MOST_GROUPS = 1000
"""With more, groups are rather names of samples."""


@dataclass(frozen=True)
class GroupQuality:
    """Labels of one group, such as a source or a class.

    Attributes:
        name: Of the group.
        count: Samples seen.
        accuracy: Share whose label is met, 0..1.
        loss: Mean cross-entropy.
        surest: Misses among the surest tenth of the group; None for small groups.
        elsewhere: The share missed among the surest tenths of all other groups, or NaN.
        excess: Standard errors by which the group's share lies above that of the others.
        noise: Noise of its labels beside that of the others, where outputs are known.
    """

    name: str
    count: int
    accuracy: float
    loss: float
    surest: Surest | None
    elsewhere: float = float("nan")
    excess: float = 0.0
    noise: NoiseGap | None = None

    @property
    def ratio(self) -> float:
        """How many times the misses of the other groups; NaN where not known."""
        if self.surest is None or not np.isfinite(self.elsewhere):
            return float("nan")
        return self.surest.rate / max(self.elsewhere, 1 / max(self.surest.count, 1))


def compare_groups(
    groups: NDArray[Any], values: dict[str, Floats], num_classes: int
) -> tuple[GroupQuality, ...]:
    """Look at each group by itself, and at its surest tenth beside that of the others.

    Sureness decides within each group, so one with harder samples is not blamed for them as long
    as the model is good at its surest tenth.

    Args:
        groups: (N,) group of each sample.
        values: ``loss``, ``margin`` and ``entropy``, each (N,); NaN where not seen.
        num_classes: C.

    Returns:
        One entry a group, in the order of the names; none for more than 1,000 groups.
    """
    margin, entropy, loss = values["margin"], values["entropy"], values["loss"]
    known = np.flatnonzero(np.isfinite(margin))
    names, place = np.unique(np.asarray(groups)[known], return_inverse=True)
    if not 0 < len(names) <= MOST_GROUPS:
        return ()
    order = np.argsort(place, kind="stable")
    parts = np.split(known[order], np.cumsum(np.bincount(place, minlength=len(names)))[:-1])
    surest = [missed_when_sure(margin[rows], entropy[rows], num_classes) for rows in parts]
    missed = sum(one.rate * one.count for one in surest if one)
    looked_at = sum(one.count for one in surest if one)
    found = []
    for name, rows, one in zip(names, parts, surest, strict=True):
        accuracy, mean = float((margin[rows] >= 0).mean()), float(np.nanmean(loss[rows]))
        others = looked_at - one.count if one else 0
        if one is None or not others:
            found.append(GroupQuality(str(name), len(rows), accuracy, mean, one))
            continue
        elsewhere = (missed - one.rate * one.count) / others
        excess = _excess(one, elsewhere, others)
        found.append(GroupQuality(str(name), len(rows), accuracy, mean, one, elsewhere, excess))
    return tuple(found)


def _excess(one: Surest, elsewhere: float, others: int) -> float:
    """The z statistic of two shares with a pooled variance."""
    pooled = (one.rate * one.count + elsewhere * others) / (one.count + others)
    spread = np.sqrt(pooled * (1 - pooled) * (1 / one.count + 1 / others))
    return float((one.rate - elsewhere) / spread) if spread > 0 else 0.0
