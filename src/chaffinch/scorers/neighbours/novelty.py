"""Distance to the nearest clean validation sample: what is unlike anything known to be right."""

import numpy as np

from chaffinch.core.evidence import Evidence
from chaffinch.core.scorer import scorer
from chaffinch.core.types import Codes, Floats
from chaffinch.scorers.neighbours.cosine import fill, members, nearest_among

_PAPER = "Sun et al., Deep Nearest Neighbors for OOD Detection, ICML 2022"
_CLASS_PAPER = f"{_PAPER}; here against the own class"


def distance_to_nearest(rows: Floats, others: Floats) -> Floats:
    """(N,) cosine distance, 0 to 2, of (N, K) rows to the nearest of (M, K) others; 1 if M = 0."""
    if not len(others):
        return np.ones(len(rows))
    cosines = nearest_among(rows, others, 1)[1][:, 0]
    return np.maximum(1 - cosines.astype(np.float64), 0)


def distance_to_nearest_of_class(
    rows: Floats, codes: Codes, others: Floats, other_codes: Codes
) -> Floats:
    """(N,) cosine distance to the nearest of the others with the same label.

    Args:
        rows: (N, K) samples.
        codes: (N,) their labels.
        others: (M, K) validation samples in the same space.
        other_codes: (M,) their labels. A class without any has the median distance of the rest.
    """
    distances = np.full(len(rows), np.nan)
    num_classes = 1 + max(codes.max(initial=0), other_codes.max(initial=0))
    groups = zip(members(codes, num_classes), members(other_codes, num_classes), strict=True)
    for own, known in groups:
        if len(own) and len(known):
            distances[own] = distance_to_nearest(rows[own], others[known])
    return fill(distances)


@scorer(
    "validation_distance",
    family="neighbours",
    needs=("features", "validation_features"),
    paper=_PAPER,
)
def validation_distance(evidence: Evidence, _seed: int) -> Floats:
    """Cosine distance to the nearest validation sample in the network's features."""
    return distance_to_nearest(evidence.need("features"), evidence.need("validation_features"))


@scorer(
    "validation_distance_embedding",
    family="neighbours",
    needs=("embeddings", "validation_embeddings"),
    paper=_PAPER,
)
def validation_distance_embedding(evidence: Evidence, _seed: int) -> Floats:
    """Cosine distance to the nearest validation sample in the embeddings."""
    return distance_to_nearest(evidence.need("embeddings"), evidence.need("validation_embeddings"))


def _of_class(evidence: Evidence, space: str) -> Floats:
    evidence.need("validation_codes")
    codes = evidence.validation_codes
    known = np.zeros(0, dtype=np.int64) if codes is None else codes
    return distance_to_nearest_of_class(
        evidence.need(space), evidence.labels.codes, evidence.need(f"validation_{space}"), known
    )


@scorer(
    "validation_class_distance",
    family="neighbours",
    needs=("features", "validation_features", "validation_codes"),
    paper=_CLASS_PAPER,
)
def validation_class_distance(evidence: Evidence, _seed: int) -> Floats:
    """Cosine distance to the nearest validation sample of the own class in the features."""
    return _of_class(evidence, "features")


@scorer(
    "validation_class_distance_embedding",
    family="neighbours",
    needs=("embeddings", "validation_embeddings", "validation_codes"),
    paper=_CLASS_PAPER,
)
def validation_class_distance_embedding(evidence: Evidence, _seed: int) -> Floats:
    """Cosine distance to the nearest validation sample of the own class in the embeddings."""
    return _of_class(evidence, "embeddings")
