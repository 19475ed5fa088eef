"""Predictions of a sample's label that were made without it."""

import numpy as np

from chaffinch.core.evidence import Evidence
from chaffinch.core.types import Floats
from chaffinch.diagnosis.label_noise import CleanSamples
from chaffinch.scorers.neighbours.forest import as_sources, forest_votes
from chaffinch.scorers.neighbours.knn import NUM_NEIGHBOURS, neighbour_votes, validation_votes
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


def clean_samples(evidence: Evidence) -> CleanSamples | None:
    """Validation samples with what fold models and neighbours predict for them; None without."""
    codes, sources, beside = evidence.validation_codes, [], []
    if codes is None or not len(codes):
        return None
    said, held_out = evidence.validation_held_out_logits, evidence.held_out_logits
    if said is not None and held_out is not None:
        sources.append(np.mean([log_softmax(one) for one in said], axis=0))
        beside.append(log_softmax(held_out[-1]))
    if evidence.has("embeddings") and evidence.has("validation_embeddings"):
        sources.append(smoothed_votes(validation_votes(evidence), NUM_NEIGHBOURS))
        beside.append(smoothed_votes(neighbour_votes(evidence), NUM_NEIGHBOURS))
    return CleanSamples(codes, sources, beside) if sources else None
