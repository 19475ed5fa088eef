"""Votes of a random forest whose trees have not seen the sample."""

import numpy as np
from sklearn.ensemble import RandomForestClassifier

from chaffinch.core.evidence import Evidence
from chaffinch.core.randomness import stream
from chaffinch.core.scorer import once_per_evidence, scorer
from chaffinch.core.types import Codes, Floats, Mask
from chaffinch.scorers.neighbours.knn import compress
from chaffinch.scorers.probability import smoothed_votes

TREES = 200
UNSEEN = 0.368
"""Share of the trees that have not seen a sample: 1 / e, as each draws as many as there are."""

MOST_SAMPLES = 10_000
"""Samples that a tree draws at most, so that the cost of a forest hardly grows beyond."""


def unseen_votes(
    rows: Floats, codes: Codes, num_classes: int, taught: Mask, seed: int = 0
) -> Floats:
    """Mean of what the trees' leaves hold, by trees that were not taught the sample.

    Every tree of a random forest is taught a bootstrap sample, so that about a third of them can
    speak of each sample without having seen its label (Breiman, *Random Forests*, 2001). A forest
    votes by neighbours in a space of its own, in which columns count by how much they tell of the
    label (Lin and Jeon, JASA 2006).

    Args:
        rows: (N, K) description of the samples, made without their labels; wider ones are
            projected on 128 columns.
        codes: (N,) classes.
        num_classes: C.
        taught: (N,) samples that teach.
        seed: Decides bootstrap samples and columns. The order of the samples decides nothing.

    Returns:
        (N, C) shares, each row sums to 1: of a taught sample from the trees that drew it not, of
        any other from all trees. Even where fewer than two samples teach.
    """
    known = np.flatnonzero(taught)
    shares = np.full((len(codes), num_classes), 1 / num_classes)
    if len(known) < 2:
        return shares
    narrow = compress(rows)
    known = known[_by_content(narrow[known], codes[known])]
    most = MOST_SAMPLES if len(known) > MOST_SAMPLES else None
    drawn = int(stream(seed, "forest").integers(2**31))
    forest = RandomForestClassifier(TREES, oob_score=True, max_samples=most, random_state=drawn)
    forest.fit(narrow[known], codes[known])
    found = np.zeros((len(codes), num_classes))
    found[np.ix_(known, forest.classes_)] = forest.oob_decision_function_
    others = np.flatnonzero(~taught)
    if len(others):
        found[np.ix_(others, forest.classes_)] = forest.predict_proba(narrow[others])
    total = found.sum(axis=1, keepdims=True)
    # No tree without the sample: possible where two or three samples teach.
    return np.where(total > 0, found / np.where(total > 0, total, 1), shares)


def _by_content(rows: Floats, codes: Codes) -> Codes:
    """(N,) places in an order that depends on what the samples hold, not on where they stand."""
    table = np.ascontiguousarray(np.column_stack([codes, rows]).astype(np.float64))
    lines = table.view(np.dtype((np.void, table.dtype.itemsize * table.shape[1])))[:, 0]
    order: Codes = np.argsort(lines, kind="stable")
    return order


def as_sources(shares: Floats) -> list[Floats]:
    """The votes as log-probabilities (N, C), for a model that weighs its sources: two of them.

    The logs of the votes are sure of much and the votes themselves of little.
    """
    return [smoothed_votes(shares, UNSEEN * TREES), shares]


@once_per_evidence
def forest_votes(evidence: Evidence, seed: int) -> Floats:
    """(N, C) shares of `unseen_votes` from the embeddings, every sample taught."""
    labels = evidence.labels
    everyone = np.ones(len(labels), dtype=np.bool_)
    rows = np.asarray(evidence.need("embeddings"), dtype=np.float32)
    return unseen_votes(rows, labels.codes, len(labels.classes), everyone, seed)


@scorer(
    "forest_disagreement",
    family="neighbours",
    needs=("embeddings",),
    paper="Breiman, Random Forests, Machine Learning 2001",
)
def forest_disagreement(evidence: Evidence, seed: int) -> Floats:
    """Share of the votes for other labels in a random forest, by trees without the sample."""
    shares = forest_votes(evidence, seed)
    return 1 - shares[np.arange(len(shares)), evidence.labels.codes]
