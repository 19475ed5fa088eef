"""Clusters that should not be: small or far parts of a class, dense crowds of mixed labels."""

from collections.abc import Callable

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from chaffinch.core.evidence import Evidence
from chaffinch.core.scorer import scorer
from chaffinch.core.types import Codes, Floats
from chaffinch.scorers.neighbours import knn
from chaffinch.scorers.neighbours.cosine import class_neighbourhood, members

_ROUNDS = 20
_EQUAL = 1e-6  # cosine distances below are rounding of float32
_PAPER = "own; two-means (Lloyd, IEEE Trans. Inf. Theory 1982) inside each class"


def two_parts(rows: Floats) -> Codes:
    """Split (n, K) rows in two by two-means, begun at the best cut along the main direction.

    Returns:
        (n,) 0 or 1; all 0 where no split exists (equal rows, fewer than two).
    """
    wide = np.asarray(rows, dtype=np.float64)
    centred = wide - wide.mean(axis=0) if len(wide) else wide
    scale = np.abs(centred).max(initial=0)
    if len(wide) < 2 or scale <= 1e-6 * np.abs(wide).max(initial=0):
        return np.zeros(len(wide), dtype=np.int64)
    direction = np.linalg.eigh(centred.T @ centred)[1][:, -1]
    parts = _best_cut(centred @ direction)
    for _ in range(_ROUNDS):
        centres = np.stack([centred[parts == part].mean(axis=0) for part in (0, 1)])
        nearer = _nearer_to_second(centred, centres)
        if nearer.all() or not nearer.any() or (nearer == parts).all():
            break
        parts = nearer.astype(np.int64)
    return parts


def _best_cut(values: Floats) -> Codes:
    """(n,) 0 below and 1 above the cut of (n,) values that leaves the least variance inside."""
    order = np.argsort(values, kind="stable")
    sums = np.cumsum(values[order])[:-1]
    below = np.arange(1, len(values))
    # Sum of squares between the two parts, where all values sum to zero.
    between = sums**2 / below + sums**2 / (len(values) - below)
    parts = np.zeros(len(values), dtype=np.int64)
    parts[order[int(between.argmax()) + 1 :]] = 1
    return parts


def _nearer_to_second(rows: Floats, centres: Floats) -> Floats:
    middle = (centres**2).sum(axis=1)
    nearer: Floats = rows @ (centres[1] - centres[0]) > (middle[1] - middle[0]) / 2
    return nearer


def explained(rows: Floats, parts: Codes) -> float:
    """Share of the variance of (n, K) rows that lies between their parts, 0 to 1."""
    wide = np.asarray(rows, dtype=np.float64)
    centred = wide - wide.mean(axis=0)
    total = float((centred**2).sum())
    between = sum(
        np.count_nonzero(parts == part) * float((centred[parts == part].mean(axis=0) ** 2).sum())
        for part in np.unique(parts)
    )
    return between / total if total > 0 else 0.0


def oddness(rows: Floats, parts: Codes, others: Floats) -> Floats:
    """How small each part of a class is, and how far from the samples of the other classes.

    Args:
        rows: (n, K) the samples of one class.
        parts: (n,) number of the part of each.
        others: (K,) mean of the samples of all other classes.

    Returns:
        (n,) 0 to 1: the share of the class outside the part, times the part's share of the
        distances of all parts' centres to the mean of the others. 0 for a class in one part.
    """
    names, inverse, sizes = np.unique(parts, return_inverse=True, return_counts=True)
    centres = np.zeros((len(names), rows.shape[1]))
    np.add.at(centres, inverse, rows)
    centres /= sizes[:, None]
    distances = np.linalg.norm(centres - others, axis=1)
    # Relative to the mean centre: with many parts each one's share alone would be tiny.
    typical = np.average(distances, weights=sizes)
    far = distances / (distances + typical) if typical > 0 else np.full(len(names), 0.5)
    odd: Floats = ((1 - sizes / len(rows)) * far)[inverse]
    return odd


def _by_class(evidence: Evidence, judge: Callable[[Floats, Codes, Floats], Floats]) -> Floats:
    """Apply ``judge(rows of the class, its positions, mean of the others)`` to every class."""
    rows, codes = knn.space(evidence), evidence.labels.codes
    total = rows.sum(axis=0, dtype=np.float64)
    scores = np.zeros(len(rows))
    for own in members(codes, len(evidence.labels.classes)):
        if len(own) < 2:
            continue
        here = rows[own]
        left = len(rows) - len(own)
        others = (total - here.sum(axis=0, dtype=np.float64)) / left if left else here.mean(axis=0)
        scores[own] = judge(here, own, others)
    return scores


@scorer("class_split", family="neighbours", needs=("embeddings|features",), paper=_PAPER)
def class_split(evidence: Evidence, _seed: int) -> Floats:
    """Whether the class falls in two, and the sample is in the smaller or farther part."""

    def judge(rows: Floats, _own: Codes, others: Floats) -> Floats:
        parts = two_parts(rows)
        return explained(rows, parts) * oddness(rows, parts, others)

    return _by_class(evidence, judge)


@scorer(
    "class_island",
    family="neighbours",
    needs=("embeddings|features",),
    paper="own; components of the mutual nearest-neighbour graph (Brito et al., 1997)",
)
def class_island(evidence: Evidence, _seed: int) -> Floats:
    """How small and far the sample's component of the class's mutual neighbour graph is."""
    neighbours, distances = class_neighbourhood(evidence)
    parts = mutual_components(neighbours, distances)

    def judge(rows: Floats, own: Codes, others: Floats) -> Floats:
        return oddness(rows, parts[own], others)

    # The mean distance, at most 2, only orders the samples of one component.
    odd: Floats = _by_class(evidence, judge) + 1e-3 * distances.mean(axis=1)
    return odd


def mutual_components(neighbours: Codes, distances: Floats) -> Codes:
    """(N,) component of the graph that joins samples which are in each other's (N, k) lists.

    Equal samples (distance zero) are joined one-sidedly: which of many are listed is chance.
    """
    rows, columns = np.nonzero(neighbours >= 0)
    ends = neighbours[rows, columns]
    shape = (len(neighbours), len(neighbours))
    edges = coo_matrix((np.ones(len(rows), np.int8), (rows, ends)), shape=shape).tocsr()
    equal = (distances[rows, columns] <= _EQUAL).astype(np.int8)
    doubles = coo_matrix((equal, (rows, ends)), shape=shape).tocsr()
    doubles.eliminate_zeros()
    joined = edges.multiply(edges.T) + doubles
    found: Codes = connected_components(joined, directed=False)[1].astype(np.int64)
    return found


def crowding(similarities: Floats, neighbours: Codes, codes: Codes, num_classes: int) -> Floats:
    """(N,) mean similarity to (N, k) neighbours times the entropy of their labels, 0 to 1.

    The entropy is divided by that of all labels, so that 1 means "mixed like the whole set".
    """
    count = neighbours.shape[1]
    if not count:
        return np.zeros(len(codes))
    cells = np.arange(len(codes))[:, None] * num_classes + codes[neighbours]
    counts = np.bincount(cells.ravel(), minlength=len(codes) * num_classes)
    entropy = _entropy(counts.reshape(len(codes), num_classes) / count)
    whole = _entropy(np.bincount(codes, minlength=num_classes)[None] / len(codes))[0]
    mixed = np.minimum(entropy / whole, 1) if whole > 0 else np.zeros(len(codes))
    crowded: Floats = np.clip(similarities.astype(np.float64).mean(axis=1), 0, 1) * mixed
    return crowded


def _entropy(shares: Floats) -> Floats:
    logs = np.log(shares, out=np.zeros(shares.shape), where=shares > 0)
    entropy: Floats = -(shares * logs).sum(axis=1)
    return entropy


@scorer(
    "mixed_cluster",
    family="neighbours",
    needs=("embeddings|features",),
    paper="own; local density times the label entropy of the neighbourhood",
)
def mixed_cluster(evidence: Evidence, _seed: int) -> Floats:
    """Whether the sample sits in a dense crowd of samples of all classes."""
    neighbours, similarities = knn.neighbourhood(evidence)
    labels = evidence.labels
    return crowding(similarities, neighbours, labels.codes, len(labels.classes))
