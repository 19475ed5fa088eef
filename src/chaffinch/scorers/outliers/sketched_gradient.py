"""Last-layer gradients in few columns, for detectors that need distances or covariances."""

import numpy as np

from chaffinch.core.evidence import Evidence
from chaffinch.core.randomness import stream
from chaffinch.core.scorer import once_per_evidence
from chaffinch.core.types import Floats
from chaffinch.gradients import GradientBlock
from chaffinch.scorers.outliers.last_layer import last_layer_gradients, output_errors

MAX_COLUMNS = 128
"""Gradients of at most so many parameters are taken as they are."""
SKETCHED_COLUMNS = 64
_MAX_DENSE_PROJECTION = 20_000  # parameters; beyond them a two-sided projection is far cheaper

GRADIENT_NEEDS = ("logits", "features")
VALIDATION_NEEDS = (
    *GRADIENT_NEEDS,
    "validation_logits",
    "validation_features",
    "validation_codes",
)


def sketch(block: GradientBlock, seed: int) -> Floats:
    """Gradients in at most 128 columns.

    Args:
        block: N gradients of P parameters.
        seed: Decides the projection; the same seed projects other samples alike.

    Returns:
        (N, P) float32, the gradients themselves, for P of at most 128; else (N, 64) of a random
        projection that keeps distances up to about 12 %.
    """
    if block.num_parameters <= MAX_COLUMNS:
        dense: Floats = block.dense().numpy()
        return dense
    kind = "gaussian" if block.num_parameters <= _MAX_DENSE_PROJECTION else "kronecker"
    drawn = int(stream(seed, "gradient sketch").integers(2**31))
    projected: Floats = block.sketch(SKETCHED_COLUMNS, kind=kind, seed=drawn).numpy()
    return projected


@once_per_evidence
def _sketches(_evidence: Evidence) -> dict[int, Floats]:
    """Sketches by seed, kept for as long as the evidence."""
    return {}


def sketched_gradients(evidence: Evidence, seed: int) -> Floats:
    """(N, K) the sketched gradients of the training samples, K of at most 128."""
    known = _sketches(evidence)
    if seed not in known:
        known[seed] = sketch(last_layer_gradients(evidence), seed)
    return known[seed]


def sketched_validation_gradients(evidence: Evidence, seed: int) -> Floats:
    """(M, K) the gradients of the validation samples by their own labels, in the same sketch."""
    codes = np.asarray(evidence.need("validation_codes"), dtype=np.int64)
    errors = output_errors(evidence.need("validation_logits"), codes)
    features = np.asarray(evidence.need("validation_features"), dtype=np.float32)
    return sketch(GradientBlock.from_last_layer(errors, features, bias=evidence.bias), seed)


def ordered(rows: Floats) -> Floats:
    """(N, K) the same rows in an order that depends on their values alone."""
    in_order: Floats = rows[np.lexsort(rows.T[::-1])]
    return in_order
