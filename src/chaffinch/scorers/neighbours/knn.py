"""Votes of the nearest neighbours, the sample itself left out."""

import numpy as np
import torch
from numpy.typing import NDArray

from chaffinch.core.evidence import Evidence
from chaffinch.core.scorer import once_per_evidence, scorer
from chaffinch.core.types import Codes, Floats
from chaffinch.scorers.neighbours.search import NUM_NEIGHBOURS as NUM_NEIGHBOURS
from chaffinch.scorers.neighbours.search import is_exact, recall
from chaffinch.scorers.neighbours.search import nearest as nearest

DEPTH = 30  # what the shared search keeps: votes take the first 10, SimiFeat some of the first 30
MAX_WIDTH = 128
NARROW = 32
_BLOCK_BYTES = 32 * 2**20


def compress(rows: Floats, width: int = MAX_WIDTH) -> Floats:
    """Project wide descriptions on their leading right singular vectors.

    A search costs N x N x K operations; cosines hardly change when the directions in which the
    samples hardly differ from zero are dropped.

    Args:
        rows: (N, K) descriptions.
        width: Columns to keep.

    Returns:
        (N, min(K, width)) float32; the rows themselves where they are narrow enough.
    """
    wide = np.asarray(rows, dtype=np.float32)
    if wide.shape[1] <= width:
        return wide
    _, vectors = np.linalg.eigh((wide.T @ wide).astype(np.float64))  # ascending eigenvalues
    projected: Floats = wide @ vectors[:, -width:].astype(np.float32)
    return projected


def votes(
    neighbours: NDArray[np.int64], similarities: Floats, codes: Codes, num_classes: int
) -> Floats:
    """(N, C) share of the neighbours' votes for each class, weighted by similarity.

    Similarities below zero do not vote; a sample with no similar neighbour has even votes.
    """
    weights = np.clip(np.asarray(similarities, dtype=np.float64), 0, None)
    shares = np.zeros((len(neighbours), num_classes))
    rows = np.broadcast_to(np.arange(len(neighbours))[:, None], neighbours.shape)
    np.add.at(shares, (rows, codes[neighbours]), weights)
    total = shares.sum(axis=1, keepdims=True)
    return np.where(total > 0, shares / np.where(total > 0, total, 1), 1 / num_classes)


def lift(rows: Floats) -> Floats:
    """Append a constant column of half the root mean square norm to at most 32 columns.

    Angles alone are blind to how far out a sample lies, which in a few columns is much of what is
    known (in one column it is all): the angle to a sample seen from below tells both.

    Args:
        rows: (N, K) descriptions.

    Returns:
        (N, K + 1) float32; the rows themselves where they are wider.
    """
    if rows.shape[1] > NARROW:
        return rows
    size = np.sqrt(np.square(rows, dtype=np.float64).sum(axis=1).mean()) / 2
    return np.column_stack([rows, np.full(len(rows), size)]).astype(np.float32)


@once_per_evidence
def described(evidence: Evidence) -> Floats:
    """(N, K) float32 the embeddings, or the network's features where there are none, K <= 128."""
    return compress(evidence.need_any("embeddings", "features"))


@once_per_evidence
def space(evidence: Evidence) -> Floats:
    """(N, K) float32 what is `described`, lifted."""
    return lift(described(evidence))


@once_per_evidence
def neighbourhood(evidence: Evidence) -> tuple[NDArray[np.int64], Floats]:
    """(N, k) positions and similarities of the 30 nearest in `space`; fewer if N is small."""
    return nearest(space(evidence), DEPTH)


@once_per_evidence
def neighbour_recall(evidence: Evidence) -> float | None:
    """Share of the true neighbours that `neighbourhood` found; None where it found all."""
    rows = space(evidence)
    return None if is_exact(rows) else recall(rows, neighbourhood(evidence)[0])


@once_per_evidence
def neighbour_votes(evidence: Evidence) -> Floats:
    """(N, C) votes of the 10 nearest in `space`."""
    neighbours, similarities = neighbourhood(evidence)
    return votes(
        neighbours[:, :NUM_NEIGHBOURS],
        similarities[:, :NUM_NEIGHBOURS],
        evidence.labels.codes,
        len(evidence.labels.classes),
    )


def validation_votes(evidence: Evidence) -> Floats:
    """(M, C) votes of the 10 training samples nearest to each validation sample."""
    rows, known = evidence.need("embeddings"), evidence.need("validation_embeddings")
    joined = lift(compress(np.concatenate([np.asarray(rows), np.asarray(known)])))
    unit = joined / np.maximum(np.linalg.norm(joined, axis=1, keepdims=True), 1e-12)
    taught, labels = unit[: len(rows)], evidence.labels
    k, shares = min(NUM_NEIGHBOURS, len(rows)), []
    step = max(1, _BLOCK_BYTES // (4 * len(rows)))
    for start in range(len(rows), len(unit), step):
        similarity = torch.from_numpy(unit[start : start + step] @ taught.T)
        values, places = torch.topk(similarity, k)
        shares.append(votes(places.numpy(), values.numpy(), labels.codes, len(labels.classes)))
    return np.concatenate(shares)


@scorer(
    "knn_disagreement",
    family="neighbours",
    needs=("embeddings|features",),
    paper="Zhu et al., SimiFeat, ICML 2022; Bahri et al., Deep k-NN, ICML 2020",
)
def knn_disagreement(evidence: Evidence, _seed: int) -> Floats:
    """Share of the 10 nearest neighbours (cosine) that have another label."""
    shares = neighbour_votes(evidence)
    return 1 - shares[np.arange(len(shares)), evidence.labels.codes]
