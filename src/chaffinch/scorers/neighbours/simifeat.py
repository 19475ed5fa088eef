"""SimiFeat: neighbours vote on the label again and again, each time among other samples."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from chaffinch.core.evidence import Evidence
from chaffinch.core.randomness import stream
from chaffinch.core.scorer import once_per_evidence, scorer
from chaffinch.core.types import Codes, Floats, Mask
from chaffinch.scorers.neighbours import knn
from chaffinch.scorers.neighbours.consensus import estimate_noise, wrong_shares
from chaffinch.scorers.neighbours.cosine import members

ITERATIONS = 21
_PAPER = "Zhu, Dong and Liu, Detecting Corrupted Labels Without Training a Model, ICML 2022"


def soft_labels(
    neighbours: NDArray[np.int64], drawn: Mask, codes: Codes, num_classes: int
) -> Floats:
    """(N, C) share of each class among the 10 nearest of the samples that were drawn.

    Args:
        neighbours: (N, k) positions, the nearest first.
        drawn: (N,) which samples may vote.
        codes: (N,) labels.
        num_classes: C.

    Returns:
        Rows that sum to 1; a sample without voters has its own label.
    """
    voting = drawn[neighbours]
    voting &= np.cumsum(voting, axis=1) <= knn.NUM_NEIGHBOURS
    cells = np.arange(len(codes))[:, None] * num_classes + codes[neighbours]
    counts = np.bincount(cells[voting], minlength=len(codes) * num_classes)
    shares = counts.reshape(len(codes), num_classes).astype(np.float64)
    lonely = np.flatnonzero(shares.sum(axis=1) == 0)
    shares[lonely, codes[lonely]] = 1
    shares /= shares.sum(axis=1, keepdims=True)
    return shares


def outvoted(shares: Floats, codes: Codes) -> tuple[Mask, Floats]:
    """SimiFeat-V: whether another class has more votes, and the share of votes for other classes.

    A tie leaves the label as it is.
    """
    own = shares[np.arange(len(codes)), codes]
    return shares.max(axis=1) > own, 1 - own


def lowest(shares: Floats, codes: Codes, wrong: Floats) -> tuple[Mask, Floats]:
    """SimiFeat-R: the samples of each class whose neighbours agree least with the label.

    Args:
        shares: (N, C) soft labels.
        codes: (N,) labels.
        wrong: (C,) share of the samples of each class to flag.

    Returns:
        (N,) which ones are flagged, and (N,) one minus the cosine of soft label and label. Equal
        samples are flagged together, as long as the count of the class allows.
    """
    cosines = shares[np.arange(len(codes)), codes] / np.linalg.norm(shares, axis=1)
    flagged = np.zeros(len(codes), dtype=bool)
    for label, own in enumerate(members(codes, len(wrong))):
        count = round(wrong[label] * len(own))
        if count:
            ordered = np.sort(cosines[own])
            limit = ordered[count] if count < len(own) else np.inf
            flagged[own] = cosines[own] < limit
    return flagged, 1 - cosines


@once_per_evidence
def wrong_share_of_class(evidence: Evidence) -> Floats:
    """(C,) estimated share of wrong labels in each class, from the consensus of neighbours."""
    labels = evidence.labels
    neighbours = knn.neighbourhood(evidence)[0]
    transition, right = estimate_noise(neighbours, labels.codes, len(labels.classes))
    return wrong_shares(transition, right, labels.codes)


def _iterations(evidence: Evidence, seed: int) -> Iterator[Floats]:
    """Soft labels of 21 rounds; in each of them a random half of the samples may vote."""
    random = stream(seed, "simifeat")
    neighbours, labels = knn.neighbourhood(evidence)[0], evidence.labels
    for _ in range(ITERATIONS):
        drawn = random.random(len(labels)) < 0.5
        yield soft_labels(neighbours, drawn, labels.codes, len(labels.classes))


def _summed(rounds: Iterator[tuple[Mask, Floats]], num_samples: int) -> Floats:
    """Rounds in which a sample is flagged; among equal counts the mean disagreement decides."""
    counts, disagreement = np.zeros(num_samples), np.zeros(num_samples)
    for flagged, unlike in rounds:
        counts += flagged
        disagreement += unlike
    return (counts + disagreement / ITERATIONS) / (ITERATIONS + 1)


@scorer("simifeat_vote", family="neighbours", needs=("embeddings|features",), paper=_PAPER)
def simifeat_vote(evidence: Evidence, seed: int) -> Floats:
    """In how many of 21 rounds the neighbours vote for another class (SimiFeat-V)."""
    codes = evidence.labels.codes
    rounds = (outvoted(shares, codes) for shares in _iterations(evidence, seed))
    return _summed(rounds, len(codes))


@scorer("simifeat_rank", family="neighbours", needs=("embeddings|features",), paper=_PAPER)
def simifeat_rank(evidence: Evidence, seed: int) -> Floats:
    """In how many of 21 rounds the label agrees least with the neighbours' (SimiFeat-R)."""
    codes, wrong = evidence.labels.codes, wrong_share_of_class(evidence)
    rounds = (lowest(shares, codes, wrong) for shares in _iterations(evidence, seed))
    return _summed(rounds, len(codes))
