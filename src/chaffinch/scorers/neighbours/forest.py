"""Votes of a random forest whose trees have not seen the sample."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import check_random_state

from chaffinch.core.evidence import Evidence
from chaffinch.core.large import EXACT_UP_TO
from chaffinch.core.randomness import stream
from chaffinch.core.scorer import once_per_evidence, scorer
from chaffinch.core.types import Codes, Floats, Mask
from chaffinch.scorers.neighbours.knn import compress, described
from chaffinch.scorers.probability import smoothed_votes

TREES = 200
"""Trees where each draws as many samples as there are, and leaves out a share of 1 / e of them."""

VOTERS = 0.368 * TREES
"""Trees that vote on a taught sample, on average."""

MOST_SAMPLES, MOST_OF_MANY = 10_000, 5_000
"""Samples that a tree draws at most, the second in sets of more than 20,000; of larger sets it
leaves out more, so fewer trees do."""


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
    if len(known) < 2:
        return np.full((len(codes), num_classes), 1 / num_classes)
    narrow = compress(rows)
    known = known[_by_content(narrow[known], codes[known])]
    own, labels = narrow[known], codes[known]

    def ask(number: int) -> tuple[NDArray[np.bool_], _Said]:
        places = check_random_state(number).randint(0, len(known), num_drawn(len(known)))
        drawn = np.bincount(places, minlength=len(known))
        seen = drawn > 0
        tree = DecisionTreeClassifier(max_features="sqrt", random_state=number)
        tree.fit(own[seen], labels[seen], sample_weight=drawn[seen], check_input=False)
        unseen = np.ones(len(codes), dtype=np.bool_)
        unseen[known[seen]] = False
        return unseen, _Said(tree, tree.apply(narrow, check_input=False))

    random = check_random_state(int(stream(seed, "forest").integers(2**31)))
    trees = num_trees(len(known))
    numbers = [int(random.randint(np.iinfo(np.int32).max)) for _ in range(trees)]
    small = len(codes) <= EXACT_UP_TO
    found = np.zeros((len(codes), num_classes), dtype=np.float64 if small else np.float32)
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        for unseen, said in pool.map(ask, numbers):  # in order, so that sums are the same
            said.add(unseen, found)
    total = found.sum(axis=1, keepdims=True)
    # No tree without the sample: possible where two or three samples teach.
    found /= np.where(total > 0, total, 1)
    found[total[:, 0] <= 0] = 1 / num_classes
    return found


@dataclass(frozen=True, eq=False)
class _Said:
    """What a tree says of N samples.

    Attributes:
        tree: The tree.
        leaves: (N,) leaf of each sample.
    """

    tree: DecisionTreeClassifier
    leaves: NDArray[np.int64]

    def add(self, unseen: Mask, found: Floats) -> None:
        """Add shares of the classes in the leaves of unseen samples to (N, C) ``found``."""
        shares, classes = self.tree.tree_.value[:, 0, :], self.tree.classes_
        pure = (shares.max(axis=1) == 1)[self.leaves]  # nearly all leaves are
        likeliest = classes[shares.argmax(axis=1)][self.leaves]
        whole = np.flatnonzero(unseen & pure)
        found.reshape(-1)[whole * found.shape[1] + likeliest[whole]] += 1
        mixed = np.flatnonzero(unseen & ~pure)
        found[np.ix_(mixed, classes)] += shares[self.leaves[mixed]].astype(found.dtype)


def num_trees(taught: int) -> int:
    """As many trees as it takes for `VOTERS` votes on each of so many samples."""
    return round(TREES * float(np.exp(num_drawn(taught) / taught - 1)))


def num_drawn(taught: int) -> int:
    """Samples that a tree draws of so many."""
    return min(taught, MOST_SAMPLES if taught <= EXACT_UP_TO else MOST_OF_MANY)


def _by_content(rows: Floats, codes: Codes) -> Codes:
    """(N,) places in an order that depends on what the samples hold, not on where they stand."""
    if len(rows) > EXACT_UP_TO:
        return np.argsort(_hashes(rows, codes), kind="stable")
    table = np.ascontiguousarray(np.column_stack([codes, rows]).astype(np.float64))
    lines = table.view(np.dtype((np.void, table.dtype.itemsize * table.shape[1])))[:, 0]
    return np.argsort(lines, kind="stable")


def _hashes(rows: Floats, codes: Codes) -> NDArray[np.uint64]:
    """(N,) multilinear hash of the bits of each row and its class, modulo 2^64."""
    factors = stream(0, "hash of rows").integers(2**63, size=rows.shape[1] + 1, dtype=np.uint64)
    factors = factors * 2 + 1
    total: NDArray[np.uint64] = codes.astype(np.uint64) * factors[-1]
    bits = np.ascontiguousarray(rows, dtype=np.float32).view(np.uint32)
    for column, factor in zip(bits.T, factors, strict=False):
        total += column.astype(np.uint64) * factor
    return total


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
