"""EL2N and GraNd: size of error and gradient early in training (Paul et al., NeurIPS 2021)."""

import numpy as np

from chaffinch.core.evidence import Evidence
from chaffinch.core.scorer import scorer
from chaffinch.core.types import Codes, Floats
from chaffinch.scorers.probability import early_epochs, softmax

_PAPER = "Paul et al., Deep Learning on a Data Diet, NeurIPS 2021"


def error_norm(logits: Floats, codes: Codes) -> Floats:
    """(N,) L2 norm of the probabilities less the one-hot label, from (N, C) logits."""
    errors = softmax(logits)
    errors[np.arange(len(codes)), codes] -= 1
    norms: Floats = np.linalg.norm(errors, axis=1)
    return norms


@scorer("el2n", family="dynamics", needs=("logits",), paper=_PAPER)
def el2n(evidence: Evidence, _seed: int) -> Floats:
    """L2 norm of the output error, averaged over the first quarter of the epochs."""
    logits = evidence.need("logits")
    early = logits[: early_epochs(len(logits))]
    total: Floats = sum(
        (error_norm(epoch, evidence.labels.codes) for epoch in early), start=np.zeros(len(evidence))
    )
    return total / len(early)


@scorer("grand", family="dynamics", needs=("logits", "feature_norms"), paper=_PAPER)
def grand(evidence: Evidence, _seed: int) -> Floats:
    """L2 norm of the last layer's gradient, averaged over the first quarter of the epochs."""
    logits, norms = evidence.need("logits"), evidence.need("feature_norms")
    total = np.zeros(len(evidence))
    early = early_epochs(len(logits))
    for epoch in range(early):
        lengths = np.hypot(norms[epoch].astype(np.float64), float(evidence.bias))
        total += error_norm(logits[epoch], evidence.labels.codes) * lengths
    return total / early
