"""Votes of a random forest whose trees have not seen the sample."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import check_random_state

from chaffinch.core.evidence import Evidence
from chaffinch.core.randomness import stream
from chaffinch.core.scorer import once_per_evidence, scorer
from chaffinch.core.types import Codes, Floats, Mask
from chaffinch.scorers.neighbours.knn import compress, described
from chaffinch.scorers.probability import smoothed_votes

TREES = 200
"""Trees where each draws as many samples as there are, and leaves out a share of 1 / e of them."""

VOTERS = 0.368 * TREES
"""Trees that vote on a taught sample, on average."""

MOST_SAMPLES = 10_000
"""Samples that a tree draws at most; of larger sets it leaves out more, so fewer trees do."""


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
    own, labels = narrow[known], codes[known]
    others, present = np.flatnonzero(~taught), np.unique(labels)

    def ask(number: int) -> tuple[NDArray[np.int64], Floats]:
        places = check_random_state(number).randint(0, len(known), min(len(known), MOST_SAMPLES))
        drawn = np.bincount(places, minlength=len(known))
        tree = DecisionTreeClassifier(max_features="sqrt", random_state=number)
        tree.fit(own, labels, sample_weight=drawn, check_input=False)
        unseen = np.concatenate([known[drawn == 0], others])
        if not len(unseen):
            return unseen, np.zeros((0, len(present)))
        return unseen, tree.predict_proba(narrow[unseen], check_input=False)

    random = check_random_state(int(stream(seed, "forest").integers(2**31)))
    trees = num_trees(len(known))
    numbers = [int(random.randint(np.iinfo(np.int32).max)) for _ in range(trees)]
    found = np.zeros((len(codes), num_classes))
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        for unseen, said in pool.map(ask, numbers):  # in order, so that sums are the same
            found[np.ix_(unseen, present)] += said
    total = found.sum(axis=1, keepdims=True)
    # No tree without the sample: possible where two or three samples teach.
    return np.where(total > 0, found / np.where(total > 0, total, 1), shares)


def num_trees(taught: int) -> int:
    """As many trees as it takes for `VOTERS` votes on each of so many samples."""
    return round(TREES * float(np.exp(min(1.0, MOST_SAMPLES / taught) - 1)))


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
    return [smoothed_votes(shares, VOTERS), shares]


@once_per_evidence
def forest_votes(evidence: Evidence, seed: int) -> Floats:
    """(N, C) shares of `unseen_votes` from the embeddings, every sample taught."""
    labels = evidence.labels
    everyone = np.ones(len(labels), dtype=np.bool_)
    evidence.need("embeddings")  # features have seen the labels
    return unseen_votes(described(evidence), labels.codes, len(labels.classes), everyone, seed)


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
