"""Predictions of a sample's label that were made without it."""

from chaffinch.core.evidence import Evidence
from chaffinch.core.types import Floats
from chaffinch.scorers.neighbours.forest import as_sources, forest_votes
from chaffinch.scorers.neighbours.knn import NUM_NEIGHBOURS, neighbour_votes
from chaffinch.scorers.probability import log_softmax, mean_over_epochs, smoothed_votes


def held_out_sources(evidence: Evidence, seed: int = 0) -> list[Floats]:
    """Log-probabilities (N, C) from fold models, neighbours, and a forest, in this order.

    Features of a network do not count: it learned them with the labels, wrong ones included, and
    neighbours in them repeat what it memorised. Model-free embeddings do.

    Args:
        evidence: What is known of N samples.
        seed: Of the forest.
    """
    sources = fold_sources(evidence)
    if evidence.has("embeddings"):
        sources.append(smoothed_votes(neighbour_votes(evidence), NUM_NEIGHBOURS))
        sources += as_sources(forest_votes(evidence, seed))
    return sources


def fold_sources(evidence: Evidence) -> list[Floats]:
    """Log-probabilities (N, C) of fold models: of the last epoch, and the mean over epochs."""
    held_out = evidence.held_out_logits
    if held_out is None:
        return []
    sources = [log_softmax(held_out[-1])]
    if len(held_out) > 1:
        sources.append(mean_over_epochs(held_out, log_softmax))
    return sources
