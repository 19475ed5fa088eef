"""From the signals of each kind to one distribution over the kinds."""

from dataclasses import dataclass

import numpy as np

from chaffinch.core.evidence import Evidence
from chaffinch.core.kinds import (
    AMBIGUOUS,
    CLEAN,
    CONFLICTING_DUPLICATE,
    FAR_CLUSTER,
    HARD,
    KINDS,
    MISLABELLED,
    NEAR_CLUSTER,
    NEAR_DUPLICATE,
    OUTLIER,
    place,
)
from chaffinch.core.types import Floats, Mask
from chaffinch.diagnosis.informative import informative
from chaffinch.diagnosis.kinds.anomaly import Anomalies, find_anomalies
from chaffinch.diagnosis.kinds.duplicate import find_duplicates
from chaffinch.diagnosis.kinds.near import RareGroups, find_rare_groups

_LIKELY = 0.5


@dataclass(frozen=True, eq=False)
class Groups:
    """What is told of N samples from where they lie among the validation samples.

    Attributes:
        strange: Anomalies.
        groups: Groups under a wrong class, and rare classes.
    """

    strange: Anomalies
    groups: RareGroups

    @property
    def misfiled(self) -> Mask:
        """(N,) samples that are likely of a group filed under a wrong class."""
        filed: Mask = self.groups.misfiled > _LIKELY
        return filed

    @property
    def usual(self) -> Mask:
        """(N,) samples that are likely neither strange nor misfiled."""
        ordinary: Mask = (self.strange.any <= _LIKELY) & ~self.misfiled
        return ordinary

    def wrong(self, wrong: Floats) -> Floats:
        """(N,) probability that a label is wrong, with what validation samples say of groups.

        Args:
            wrong: (N,) the same by predictions that learned from the given labels.
        """
        kept = np.where(self.groups.rare, 0.0, wrong)
        joined: Floats = 1 - (1 - kept) * (1 - self.groups.misfiled)
        return joined


def find_groups(
    evidence: Evidence, seed: int, wrong: Floats | None = None, strange: Anomalies | None = None
) -> Groups:
    """Find anomalies, and rare groups once it is known which labels training contradicts.

    Args:
        evidence: What is known of N samples.
        seed: Decides every random choice.
        wrong: (N,) probability that the label is wrong; without it there are no rare groups.
        strange: The anomalies, where they were found before.
    """
    strange = find_anomalies(evidence, seed) if strange is None else strange
    if wrong is None:
        return Groups(strange, RareGroups.none(len(evidence)))
    sound = strange.any <= _LIKELY
    return Groups(strange, find_rare_groups(evidence, sound & (wrong <= _LIKELY), seed, sound))


def kind_probabilities(
    evidence: Evidence, wrong: Floats, doubt: Floats, seed: int, groups: Groups | None = None
) -> Floats:
    """How likely each sample is of each kind.

    The kinds are asked for in turn, and each takes its share of what those before it left: an
    anomaly (far cluster or outlier), a wrong label, a near cluster (a rare class whose label is
    right), a near-duplicate, an ambiguous sample, a hard one; the rest is clean. So a spoilt sample
    is not called mislabelled because no model knows what to make of it. A near-duplicate with
    another label that is likely wrong counts as a conflicting duplicate instead of mislabelled.

    Args:
        evidence: What is known of N samples.
        wrong: (N,) probability that the label is wrong.
        doubt: (N,) 0 to 1, how far several classes are plausible, whatever the given label.
        seed: Decides every random choice.
        groups: Anomalies and rare groups, where they were found before.

    Returns:
        (N, 9) in the order of `KINDS`; rows sum to 1.
    """
    groups = find_groups(evidence, seed, wrong) if groups is None else groups
    strange, wrong = groups.strange, groups.wrong(wrong)
    twins = find_duplicates(evidence)
    found = np.zeros((len(evidence), len(KINDS)))
    found[:, place(FAR_CLUSTER)] = strange.far
    found[:, place(OUTLIER)] = strange.outlier
    left = 1 - strange.any
    conflict = twins.any * twins.conflicting
    left = left - _give(found, CONFLICTING_DUPLICATE, left * wrong * conflict)
    # What is wrong but no conflict: the product above took its part of `wrong` already.
    left = left - _give(found, MISLABELLED, np.minimum(left, _rest(found, wrong, conflict)))
    left = left - _give(found, NEAR_CLUSTER, left * groups.groups.rare)
    left = left - _give(found, NEAR_DUPLICATE, left * twins.any)
    left = left - _give(found, AMBIGUOUS, left * doubt)
    left = left - _give(found, HARD, left * informative(evidence).probability)
    found[:, place(CLEAN)] = left
    return found


def _rest(found: Floats, wrong: Floats, conflict: Floats) -> Floats:
    before = found[:, [place(FAR_CLUSTER), place(OUTLIER)]].sum(axis=1)
    rest: Floats = (1 - before) * wrong * (1 - conflict)
    return rest


def _give(found: Floats, kind: str, amount: Floats) -> Floats:
    found[:, place(kind)] = amount
    return amount
