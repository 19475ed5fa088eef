"""How similar a sample is to the class that it was given, in training or among clean samples."""

import numpy as np

from chaffinch.core.evidence import Evidence
from chaffinch.core.scorer import scorer
from chaffinch.core.types import Codes, Floats
from chaffinch.scorers.neighbours import knn
from chaffinch.scorers.neighbours.cosine import fill, nearest_among, unit

_PAPER = "Huu-Tien and Inoue, Detecting and Rectifying Noisy Labels, arXiv:2509.23964"


def _class_sums(rows: Floats, codes: Codes, num_classes: int) -> tuple[Floats, Floats]:
    sums = np.zeros((num_classes, rows.shape[1]))
    np.add.at(sums, codes, rows)
    return sums, np.bincount(codes, minlength=num_classes).astype(np.float64)


def similarity_within(rows: Floats, codes: Codes, num_classes: int) -> Floats:
    """(N,) mean cosine of (N, K) rows to all other samples of their class, -1 to 1.

    By the sum of the class, without a table of all pairs. The only sample of a class has the
    median of the others.
    """
    units = unit(rows).astype(np.float64)
    sums, counts = _class_sums(units, codes, num_classes)
    own = (units**2).sum(axis=1)
    others = counts[codes] - 1
    with np.errstate(invalid="ignore", divide="ignore"):
        return fill(
            np.where(others > 0, ((units * sums[codes]).sum(axis=1) - own) / others, np.nan)
        )


def similarity_to_clean(rows: Floats, codes: Codes, clean: Floats, clean_codes: Codes) -> Floats:
    """(N,) mean cosine of (N, K) rows to the (M, K) clean samples of their class.

    A class without clean samples has the median of the others.
    """
    num_classes = 1 + max(codes.max(initial=0), clean_codes.max(initial=0))
    sums, counts = _class_sums(unit(clean).astype(np.float64), clean_codes, num_classes)
    with np.errstate(invalid="ignore"):
        means = sums / counts[:, None]
        return fill(np.einsum("nk,nk->n", unit(rows).astype(np.float64), means[codes]))


def clean_votes(rows: Floats, clean: Floats, clean_codes: Codes, num_classes: int) -> Floats:
    """(N, C) votes of the 10 most similar clean samples, weighted by similarity."""
    return knn.votes(*nearest_among(rows, clean), clean_codes, num_classes)


def _validation(evidence: Evidence, space: str) -> tuple[Floats, Floats, Codes]:
    rows, clean = evidence.need(space), evidence.need(f"validation_{space}")
    return rows, clean, evidence.need("validation_codes").astype(np.int64)


def _unlike_clean(evidence: Evidence, space: str) -> Floats:
    rows, clean, codes = _validation(evidence, space)
    return 1 - similarity_to_clean(rows, evidence.labels.codes, clean, codes)


def _outvoted(evidence: Evidence, space: str) -> Floats:
    rows, clean, codes = _validation(evidence, space)
    num_classes = len(evidence.labels.classes)
    shares = clean_votes(rows, clean, codes, num_classes)
    return 1 - shares[np.arange(len(shares)), evidence.labels.codes]


@scorer("class_similarity", family="neighbours", needs=("embeddings|features",), paper=_PAPER)
def class_similarity(evidence: Evidence, _seed: int) -> Floats:
    """One minus the mean cosine to all other training samples of the own class."""
    labels = evidence.labels
    return 1 - similarity_within(knn.space(evidence), labels.codes, len(labels.classes))


_FEATURES = ("features", "validation_features", "validation_codes")
_EMBEDDINGS = ("embeddings", "validation_embeddings", "validation_codes")


@scorer("validation_class_similarity", family="neighbours", needs=_FEATURES, paper=_PAPER)
def validation_class_similarity(evidence: Evidence, _seed: int) -> Floats:
    """One minus the mean cosine to the validation samples of the own class in the features."""
    return _unlike_clean(evidence, "features")


@scorer(
    "validation_class_similarity_embedding", family="neighbours", needs=_EMBEDDINGS, paper=_PAPER
)
def validation_class_similarity_embedding(evidence: Evidence, _seed: int) -> Floats:
    """One minus the mean cosine to the validation samples of the own class in the embeddings."""
    return _unlike_clean(evidence, "embeddings")


@scorer("validation_votes", family="neighbours", needs=_FEATURES, paper=_PAPER)
def validation_votes(evidence: Evidence, _seed: int) -> Floats:
    """Share of the 10 nearest validation samples with another label, in the features."""
    return _outvoted(evidence, "features")


@scorer("validation_votes_embedding", family="neighbours", needs=_EMBEDDINGS, paper=_PAPER)
def validation_votes_embedding(evidence: Evidence, _seed: int) -> Floats:
    """Share of the 10 nearest validation samples with another label, in the embeddings."""
    return _outvoted(evidence, "embeddings")
