"""Which samples to flag, and how many of them will be false alarms."""

from dataclasses import dataclass
from typing import get_args

import numpy as np

from chaffinch.core.errors import InputError
from chaffinch.core.types import Codes, Floats, Mask
from chaffinch.core.types import Rule as Rule
from chaffinch.diagnosis.conformal import false_alarm_rates

LEAST_SUSPICION = 0.2
"""Nothing less likely to be wrong than this is flagged, however few errors are expected."""

CAUTION = 1.5
"""Innocence is multiplied by this: where a model is weak, its contradictions are too sure."""

DEVIATIONS = 1.28
"""Standard deviations of the number of false alarms added to it: 90 % of draws lie below."""


@dataclass(frozen=True)
class Threshold:
    """The rule by which samples are flagged.

    Attributes:
        select: ``f1`` for the set of highest expected F1, ``fdr`` for the largest set with at most
            the share ``fdr`` of false alarms.
        fdr: This share, above 0 and below 1; without effect on ``f1``.

    Raises:
        InputError: Another rule, or a share outside of 0..1.
    """

    select: Rule = "f1"
    fdr: float = 0.1

    def __post_init__(self) -> None:
        if not isinstance(self.select, str) or self.select not in get_args(Rule):
            raise InputError(
                "the rule 'f1' or 'fdr' to select by", repr(self.select), "Check the name"
            )
        if not 0 < self.fdr < 1:
            raise InputError(
                "a share of false alarms above 0 and below 1", f"{self.fdr}", "Try 0.1"
            )

    def flag(self, suspicion: Floats, q: Floats) -> Mask:
        """(N,) whether to flag, from suspicion and q-values (N,)."""
        return select(suspicion) if self.select == "f1" else q <= self.fdr


def select(probabilities: Floats) -> Mask:
    """Flag the set that maximises the expected F1 score (Lipton et al., ECML 2014).

    Args:
        probabilities: (N,) calibrated probability that a label is wrong.

    Returns:
        (N,) whether to flag; never a sample while a more suspicious one is left out.
    """
    order = np.argsort(-probabilities, kind="stable")
    ranked = probabilities[order]
    expected_hits = np.cumsum(ranked)
    sizes = np.arange(1, len(ranked) + 1)
    scores = 2 * expected_hits / (sizes + max(float(ranked.sum()), 1e-12))
    best = int(scores.argmax()) + 1
    flagged = np.zeros(len(ranked), dtype=np.bool_)
    flagged[order[:best]] = ranked[:best] >= LEAST_SUSPICION
    return flagged


def q_values(
    probabilities: Floats,
    null_scores: Floats | None = None,
    groups: Codes | None = None,
    null_groups: Codes | None = None,
) -> Floats:
    """The share of false alarms to reckon with if a sample and all worse ones are flagged.

    The number of false alarms among the n most suspicious samples is a sum of n chances of
    innocence, 1 - p. Its upper estimate is 1.5 times the expectation plus 1.28 standard deviations
    (Poisson-binomial); so the share is met in most data sets and not only in their average. Where
    known right samples were scored as well, the share of them that would be flagged gives a second
    estimate, and the larger one counts (`chaffinch.diagnosis.conformal.false_alarm_rates`). The
    q-value of a sample is the least share of any set with it (Storey, JRSS B 2002).

    Args:
        probabilities: (N,) calibrated probability that a sample is wrong.
        null_scores: (K,) the same for samples known to be right; None where there are none.
        groups: (N,) group, such as the class, within which the known right samples compare.
        null_groups: (K,) their groups.

    Returns:
        (N,) in 0..1, never falling from a more to a less suspicious sample; equal for equals.
    """
    order = np.argsort(-probabilities, kind="stable")
    ranked = probabilities[order]
    innocent = 1 - ranked
    alarms = CAUTION * np.cumsum(innocent)
    alarms += DEVIATIONS * np.sqrt(np.cumsum(ranked * innocent))
    rates = np.minimum(alarms / np.arange(1, len(ranked) + 1), 1)
    if null_scores is not None and len(null_scores):
        known = false_alarm_rates(probabilities, null_scores, groups, null_groups)
        rates = np.maximum(rates, known[order])
    # The set that ends at a sample holds all its ties; searching from the right finds the last.
    rates = rates[np.searchsorted(-ranked, -ranked, side="right") - 1]
    values = np.empty(len(ranked))
    values[order] = np.minimum.accumulate(rates[::-1])[::-1]
    return values
