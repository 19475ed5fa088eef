"""How many samples are wrong, in all, by class and by kind, and how sure that is."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import beta

from chaffinch.core.sample_groups import SampleGroups
from chaffinch.core.types import Codes, Floats

LEVEL = 0.95
"""Probability with which an interval is meant to hold the true rate."""

MODEL_ERROR = 0.25
"""Standard error of an estimated rate, relative to it, where no sample is judged with certainty."""

LEAST_MODEL_ERROR = 0.03
"""The same where all are. Both were set so that the intervals held 95 % of the true rates of sets
with flips of known rate that no published figure comes from."""


def rates(
    suspicion: Floats,
    codes: Codes,
    classes: Sequence[Any],
    kinds: Mapping[str, Floats] | None = None,
    groups: SampleGroups | None = None,
) -> list[dict[str, Any]]:
    """Rates of wrong samples with intervals, ready for ``Findings.details["rates"]``.

    Args:
        suspicion: (N,) probability that a sample is wrong.
        codes: (N,) given labels.
        classes: (C,) their names.
        kinds: Probability (N,) of each kind by name.
        groups: Of the samples.

    Returns:
        Entries with ``of`` ("all", "class", "kind" or "group"), ``name``, ``rate``, ``low`` and
        ``high``, the last three as shares of all samples, or of those of the class or group.
    """
    rows = [_entry("all", "all", suspicion)]
    for code, name in enumerate(classes):
        members = suspicion[codes == code]
        if len(members):
            rows.append(_entry("class", str(name), members))
    rows += [_entry("kind", name, values) for name, values in (kinds or {}).items()]
    if groups is not None:
        for code in np.flatnonzero(groups.counts).tolist():
            members = suspicion[groups.codes == code]
            rows.append(_entry("group", groups.names[code], members))
    return rows


def interval(probabilities: Floats, level: float = LEVEL) -> tuple[float, float]:
    """Where the share of wrong samples lies, from the probability of each.

    The number of wrong samples varies around the sum of the probabilities p with variance
    sum p (1 - p) (Poisson-binomial), and the model that gave them may be off by a share of them all
    where they are unsure. A beta distribution with that mean and variance gives the interval; where
    no sample is suspected, it is that of zero hits in n draws.

    Args:
        probabilities: (n,) probability that each sample is wrong.
        level: Probability of holding the true share.

    Returns:
        Its lower and upper end, in 0..1.
    """
    size = len(probabilities)
    # Jeffreys' prior of half a hit and half a miss keeps the ends open.
    mean = (float(probabilities.sum()) + 0.5) / (size + 1)
    unsure = float((probabilities * (1 - probabilities)).sum())
    doubt = unsure / max(float(probabilities.sum()), 1e-12)
    spread = (unsure + 0.25) / (size + 1) ** 2 + (_model_error(doubt) * mean) ** 2
    spread = min(spread, 0.99 * mean * (1 - mean))
    weight = mean * (1 - mean) / spread - 1
    low, high = beta.interval(level, mean * weight, (1 - mean) * weight)
    rate = float(probabilities.mean())
    return float(min(low, rate)), float(max(high, rate))


def _model_error(doubt: float) -> float:
    """Relative standard error that the model adds, by the share of suspicion that is unsure."""
    return LEAST_MODEL_ERROR + MODEL_ERROR * min(1.0, 2 * doubt)


def _entry(of: str, name: str, probabilities: Floats) -> dict[str, Any]:
    low, high = interval(probabilities)
    rate = float(probabilities.mean())
    return {
        "of": of,
        "name": name,
        "rate": round(rate, 6),
        "low": round(low, 6),
        "high": round(high, 6),
    }
