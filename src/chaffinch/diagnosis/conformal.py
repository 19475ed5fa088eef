"""False alarms counted on samples that are known to be right.

A known right sample that went through the same training and is scored by the same rule is
exchangeable with the right samples among the unknown ones. So the share of known right samples
above a threshold is the share of right samples that it would flag (conformal outlier detection:
Bates et al., *Testing for outliers with conformal p-values*, Annals of Statistics 2023), and the
number of right samples follows from those of low scores, among which hardly any is wrong (Storey's
pi0, JRSS B 2002).
"""

import numpy as np

from chaffinch.core.types import Codes, Floats, Mask

LEAST_GROUP = 100
"""Known right samples that a group needs to be compared within; smaller ones are thrown together.
"""


def p_values(scores: Floats, null_scores: Floats) -> Floats:
    """(N,) conformal p-value of being right: the share of known right samples at least as high.

    Args:
        scores: (N,) higher = more suspicious.
        null_scores: (K,) of samples known to be right, by the same rule.

    Returns:
        (N,) in 1 / (K + 1)..1; the sample itself counts as one of the right ones.
    """
    ranked = np.sort(null_scores)
    above = len(ranked) - np.searchsorted(ranked, scores, side="left")
    values: Floats = (1 + above) / (1 + len(ranked))
    return values


def share_of_right(p: Floats, level: float = 0.5) -> float:
    """Storey's pi0: the share of right samples, from p-values (N,) above a level; at most 1."""
    return float(min(1.0, (1 + (p > level).sum()) / (len(p) * (1 - level)))) if len(p) else 1.0


def false_alarm_rates(
    scores: Floats,
    null_scores: Floats,
    groups: Codes | None = None,
    null_groups: Codes | None = None,
) -> Floats:
    """The share of right samples among each sample and all of higher or equal score.

    Args:
        scores: (N,) higher = more suspicious.
        null_scores: (K,) of samples known to be right, by the same rule.
        groups: (N,) group of each sample; None for one group.
        null_groups: (K,) groups of those known to be right.

    Returns:
        (N,) in 0..1: expected right samples, pi0 n_g x share of known ones at least as high, added
        up over the groups g, by the number of samples at least as high. Zero above all known
        ones: of what is rarer than one in K they know nothing.
    """
    ranked = np.sort(scores)
    flagged = len(ranked) - np.searchsorted(ranked, scores, side="left")
    alarms = np.zeros(len(scores))
    for members, known in _comparable(len(scores), null_scores, groups, null_groups):
        right = share_of_right(p_values(scores[members], known)) * members.sum()
        above = len(known) - np.searchsorted(np.sort(known), scores, side="left")
        alarms += right * above / len(known)
    return np.minimum(alarms / flagged, 1)


def _comparable(
    count: int, null_scores: Floats, groups: Codes | None, null_groups: Codes | None
) -> list[tuple[Mask, Floats]]:
    """Members (N,) and known right scores of each group; those with few known ones are joined."""
    everyone = np.ones(count, dtype=np.bool_)
    if groups is None or null_groups is None:
        return [(everyone, null_scores)]
    sizes = {group: int((null_groups == group).sum()) for group in np.unique(groups)}
    large = [group for group, size in sizes.items() if size >= LEAST_GROUP]
    parts = [(groups == group, null_scores[null_groups == group]) for group in large]
    rest = ~np.isin(groups, large)
    others = null_scores[~np.isin(null_groups, large)]
    if rest.any():
        # Too few even together: all known ones are then the best comparison.
        parts.append((rest, others if len(others) >= LEAST_GROUP else null_scores))
    return parts
