"""Rare groups, by what validation samples say: filed under a wrong class, or rare but right.

A rare sub-population is filed under some other class of the label set. Models trained on these
labels agree with them, so nothing in training contradicts; validation samples do. Such labels are
wrong. A class that has become rare (Myrtakis et al., 2024) is another matter: its samples carry
their own label, models that saw few of them contradict it, and validation samples confirm it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import poisson
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from chaffinch.core.evidence import Evidence
from chaffinch.core.randomness import stream
from chaffinch.core.types import Codes, Floats, Mask
from chaffinch.diagnosis.kinds.excess import LEAST_REFERENCES, excess

BY_CHANCE = 0.01
LEAST_GROUP = 5
LEAST_OF_CLASS = 10
"""Validation samples of a class that are needed for a group under its label."""

_MOST_LEARNED = 5000
_FOLDS = 5
_FEW = 0.5


@dataclass(frozen=True, eq=False)
class RareGroups:
    """What validation samples say of rare groups among N samples.

    Attributes:
        misfiled: (N,) probability that the sample is of a group filed under a wrong class.
        instead: (N,) the class that validation samples put it under; -1 where there is none.
        rare: (N,) whether the class is rare in training and validation samples confirm the label.
    """

    misfiled: Floats
    instead: Codes
    rare: Mask

    @classmethod
    def none(cls, size: int) -> "RareGroups":
        """No group among so many samples."""
        instead = np.full(size, -1, dtype=np.int64)
        return cls(np.zeros(size), instead, np.zeros(size, dtype=np.bool_))


def find_rare_groups(
    evidence: Evidence, ordinary: Mask, seed: int, among: Mask | None = None
) -> RareGroups:
    """Find groups that validation puts under another label, and rare classes that it confirms.

    Pairs (given label, label that validation samples suggest) are counted among training samples
    and, held out, among validation samples. In a pair that training holds far more often (Poisson,
    1 % over all pairs), a machine that learned validation samples of these two classes alone tells
    how much each sample looks like the other class; what of the given class in training exceeds
    validation in this respect is the group (`excess`).

    Args:
        evidence: With embeddings of training and validation samples; zeros otherwise.
        ordinary: (N,) samples whose label the other training samples do not contradict, and that
            are no anomalies. They make a group.
        seed: Of the folds.
        among: (N,) samples that may belong to a group that ordinary ones make; ordinary ones by
            default. Where training lacks the other class, its samples look like a third class,
            and models contradict their label for that.
    """
    nothing = RareGroups.none(len(evidence))
    found, instead, rare = nothing.misfiled, nothing.instead, nothing.rare
    rows, known = evidence.embeddings, evidence.validation_embeddings
    given = evidence.validation_codes
    if rows is None or known is None or given is None or len(known) < LEAST_REFERENCES:
        return nothing
    places = np.flatnonzero(ordinary if among is None else ordinary | among)
    if not ordinary.any() or len(np.unique(given)) < 2:
        return nothing
    suggested, own = _suggestions(np.asarray(rows[places]), np.asarray(known), given, seed)
    codes, makes = evidence.labels.codes[places], ordinary[places]
    size = len(evidence.labels.classes)
    here, there = _counts(codes[makes], suggested[makes], size), _counts(given, own, size)
    expected = (there + 0.5) * makes.sum() / len(given)
    chance = poisson.sf(here - 1, expected)
    several = (chance < BY_CHANCE / size**2) & (here >= LEAST_GROUP) & ~np.eye(size, dtype=bool)
    for first, second in zip(*np.nonzero(several), strict=True):
        joins = makes | ((suggested == second) & _lacking(evidence.labels.codes, given, second))
        mine = places[(codes == first) & joins]
        pair = np.isin(given, [first, second])
        group = _like_the_other(
            np.asarray(rows[mine]), np.asarray(known[pair]), given[pair] == second, seed
        )
        instead[mine] = np.where(group > found[mine], second, instead[mine])
        found[mine] = np.maximum(found[mine], group)
    for code in np.unique(given):
        if _lacking(evidence.labels.codes, given, code):
            rare[places[(codes == code) & (suggested == code)]] = True
    return RareGroups(found, instead, rare)


def _lacking(codes: Codes, given: NDArray[np.int64], code: int) -> bool:
    """Whether the class is less than half as frequent in training as in validation."""
    return bool((codes == code).mean() < _FEW * (given == code).mean())


def _like_the_other(rows: Floats, known: Floats, other: Mask, seed: int) -> Floats:
    """(N,) probability that a row of one class is of a group that looks like the other class.

    Args:
        rows: (N, K) training samples of the one class.
        known: (M, K) validation samples of both.
        other: (M,) which of them are of the other class.
        seed: Of the folds; each sample is judged by a machine that did not see it.
    """
    folds = min(_FOLDS, int(other.sum()), int((~other).sum()))
    if folds < 2:
        return np.zeros(len(rows))
    random = stream(seed, "near pair")
    splits = StratifiedKFold(folds, shuffle=True, random_state=int(random.integers(2**31)))
    turn = random.permutation(len(rows)) % folds
    scores, reference = np.zeros(len(rows)), np.zeros(len(known))
    for number, (learned, judged) in enumerate(splits.split(known, other)):
        machine = _machine().fit(known[learned], other[learned])
        reference[judged] = machine.decision_function(known[judged])
        if (turn == number).any():
            scores[turn == number] = machine.decision_function(rows[turn == number])
    return excess(scores, reference[~other], seed, least=LEAST_OF_CLASS)


def _suggestions(
    rows: Floats, known: Floats, given: NDArray[np.int64], seed: int
) -> tuple[Codes, Codes]:
    """Labels by a kernel machine that learned validation samples: of rows and, held out, own."""
    random = stream(seed, "near clusters")
    chosen = random.permutation(len(known))[:_MOST_LEARNED]
    known, labels = known[chosen], given[chosen]
    drawn = int(random.integers(2**31))
    own = np.asarray(given, dtype=np.int64).copy()
    folds = KFold(_FOLDS, shuffle=True, random_state=drawn)
    own[chosen] = cross_val_predict(_machine(), known, labels, cv=folds)
    suggested = _machine().fit(known, labels).predict(rows)
    return np.asarray(suggested, dtype=np.int64), own


def _machine() -> Pipeline:
    return make_pipeline(StandardScaler(), SVC(C=10.0))


def _counts(codes: Codes, suggested: Codes, size: int) -> Floats:
    counts = np.zeros((size, size))
    np.add.at(counts, (codes, suggested), 1)
    return counts
