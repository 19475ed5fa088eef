"""Self-influence over epochs (TracIn, Pruthi et al., NeurIPS 2020), last layer."""

import numpy as np

from chaffinch.core.evidence import Evidence
from chaffinch.core.scorer import scorer
from chaffinch.core.types import Codes, Floats
from chaffinch.scorers.outliers.last_layer import output_errors
from chaffinch.scorers.signals.signal import early_signal


def traced_self_influence(
    logits: Floats, feature_norms: Floats, codes: Codes, rates: Floats, bias: bool
) -> Floats:
    """Sum over epochs of learning rate times squared gradient norm of the last layer.

    The gradient is an outer product, so its squared norm is the product of two squared norms.

    Args:
        logits: (E, N, C).
        feature_norms: (E, N) L2 norms of the layer's inputs, without the bias.
        codes: (N,) given labels.
        rates: (E,) learning rates.
        bias: Whether the layer has a bias.

    Returns:
        (N,) float64, higher = more suspicious.
    """
    total = np.zeros(len(codes))
    for epoch, rate in enumerate(rates):
        errors = output_errors(logits[epoch], codes).astype(np.float64)
        norms = np.asarray(feature_norms[epoch], dtype=np.float64)
        total += rate * (errors**2).sum(axis=1) * (norms**2 + int(bias))
    return total


@scorer(
    "self_influence",
    family="signals",
    needs=("logits", "feature_norms", "learning_rates"),
    paper="Pruthi et al., TracIn, NeurIPS 2020",
)
def self_influence(evidence: Evidence, _seed: int) -> Floats:
    """TracIn self-influence of the last layer, summed over epochs by learning rate."""
    return traced_self_influence(
        evidence.need("logits"),
        evidence.need("feature_norms"),
        evidence.labels.codes,
        evidence.need("learning_rates"),
        evidence.bias,
    )


@scorer(
    "self_influence_early",
    family="signals",
    needs=("logits", "feature_norms", "learning_rates"),
    paper="Myrtakis et al., influence signals, 2024; Pruthi et al., TracIn, NeurIPS 2020",
)
def self_influence_early(evidence: Evidence, _seed: int) -> Floats:
    """TracIn self-influence of the last layer over the first third of the epochs."""
    return early_signal(evidence, "si")
