"""Predictions of a sample's label that were made without it."""

import numpy as np

from chaffinch.core.evidence import Evidence
from chaffinch.core.types import Floats
from chaffinch.scorers.neighbours.knn import NUM_NEIGHBOURS, neighbour_votes
from chaffinch.scorers.probability import log_softmax, mean_over_epochs


def held_out_sources(evidence: Evidence) -> list[Floats]:
    """Log-probabilities (N, C) from fold models (last epoch, mean over epochs) and neighbours.

    Features of a network do not count: it learned them with the labels, wrong ones included, and
    neighbours in them repeat what it memorised. Model-free embeddings do.
    """
    sources = []
    held_out = evidence.held_out_logits
    if held_out is not None:
        sources.append(log_softmax(held_out[-1]))
        if len(held_out) > 1:
            sources.append(mean_over_epochs(held_out, log_softmax))
    if evidence.has("embeddings"):
        sources.append(smoothed_votes(neighbour_votes(evidence)))
    return sources


def smoothed_votes(shares: Floats, neighbours: int = NUM_NEIGHBOURS) -> Floats:
    """(N, C) log of vote shares with half a vote spread over all classes (Laplace)."""
    num_classes = shares.shape[1]
    smoothed = (shares * neighbours + 0.5 / num_classes) / (neighbours + 0.5)
    log_shares: Floats = np.log(smoothed)
    return log_shares
