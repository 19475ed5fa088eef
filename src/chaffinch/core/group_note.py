"""Which groups of samples have far more wrong labels than the others, and how to say so."""

import numpy as np
from scipy.stats import beta

from chaffinch.core.sample_groups import SampleGroups
from chaffinch.core.types import Floats, Mask

_TIMES, _POINTS = 2.0, 0.05
_LEVEL = 0.95
_CERTAIN = 1e-12
_MOST_NAMED = 3


def worse_groups(hits: Floats, counts: Floats) -> Mask:
    """Groups whose rate of wrong labels is far above that of all others together.

    The groups are cut in two by rate where two rates explain the hits best. The upper part counts
    if its rate is at least twice that of the lower one and five points above it.

    Args:
        hits: (G,) expected number of wrong labels.
        counts: (G,) number of samples.

    Returns:
        (G,) the upper part; never all groups.
    """
    high = np.zeros(len(counts), dtype=np.bool_)
    there = np.flatnonzero(counts > 0)
    if len(there) < 2:
        return high
    order = there[np.argsort(hits[there] / counts[there], kind="stable")]
    found, seen = np.cumsum(hits[order]), np.cumsum(counts[order])
    low, rest = found[:-1] / seen[:-1], (found[-1] - found[:-1]) / (seen[-1] - seen[:-1])
    explained = _explained(low, seen[:-1]) + _explained(rest, seen[-1] - seen[:-1])
    cut = int(explained.argmax())
    if rest[cut] >= max(_TIMES * low[cut], low[cut] + _POINTS):
        high[order[cut + 1 :]] = True
    return high


def _explained(rates: Floats, counts: Floats) -> Floats:
    """Log-likelihood of as many hits as expected in so many draws."""
    inside = np.clip(rates, _CERTAIN, 1 - _CERTAIN)
    likelihood: Floats = counts * (inside * np.log(inside) + (1 - inside) * np.log1p(-inside))
    return likelihood


def far_worse(wrong: Floats, groups: SampleGroups) -> Mask:
    """(G,) groups with a rate of wrong labels far above the others, as far as that is sure.

    Args:
        wrong: (N,) probability that each label is wrong.
        groups: Of the samples.
    """
    counts, hits = groups.counts, groups.sums(wrong)
    high = worse_groups(hits, counts.astype(np.float64))
    rest = ~high[groups.codes]
    elsewhere = float(wrong[rest].mean()) if rest.any() else 1.0
    for group in np.flatnonzero(high):
        found, left = hits[group] + 0.5, counts[group] - hits[group] + 0.5
        high[group] = beta.ppf(1 - _LEVEL, found, left) > elsewhere
    return high


def group_notes(wrong: Floats, groups: SampleGroups | None) -> tuple[str, ...]:
    """A sentence on the groups whose labels are wrong far more often than those of others.

    Args:
        wrong: (N,) probability that each label is wrong.
        groups: Of the samples; without them, nothing is said.
    """
    if groups is None:
        return ()
    counts, high = groups.counts, far_worse(wrong, groups)
    if np.count_nonzero(counts) < 2:
        return (f"All samples are of one {groups.column}, so rates of groups tell nothing.",)
    if not high.any():
        return (f"No {groups.column} stands out by far more wrong labels than the others.",)
    rates = groups.sums(wrong) / np.maximum(counts, 1)
    named = [int(group) for group in np.argsort(-rates, kind="stable") if high[group]]
    told = [
        f"{groups.column} {groups.names[group]}: about {rates[group]:.0%} of "
        f"{counts[group]:,} labels wrong"
        for group in named[:_MOST_NAMED]
    ]
    if len(named) > _MOST_NAMED:
        told.append(f"{len(named) - _MOST_NAMED} more are far above the rest, too")
    elsewhere = float(wrong[~high[groups.codes]].mean())
    rest = "less than 1%" if elsewhere < 0.005 else f"{elsewhere:.0%}"
    return (f"{'; '.join(told)}; all others: {rest}.",)
