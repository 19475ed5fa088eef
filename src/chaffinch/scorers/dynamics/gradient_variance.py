"""Variance over epochs of the last layer's gradient (after Agarwal et al., CVPR 2022)."""

import numpy as np

from chaffinch.core.evidence import Evidence
from chaffinch.core.scorer import scorer
from chaffinch.core.types import Codes, Floats
from chaffinch.scorers.probability import softmax

_BLOCK = 4096
"""Samples at once: all epochs of their features are in memory together."""


def variance_of_gradients(
    logits: Floats, features: Floats, codes: Codes, bias: bool = True
) -> Floats:
    """Root mean square distance of a sample's gradients from their mean over epochs.

    The gradients are outer products ``G_e = d_e h_e^T``, so ``mean |G_e|^2 - |mean G_e|^2`` needs
    nothing but the E x E inner products ``(d_e . d_f) (h_e . h_f)``.

    Args:
        logits: (E, N, C).
        features: (E, N, I) inputs of the last layer, without the bias.
        codes: (N,) given labels.
        bias: Whether the layer has a bias.

    Returns:
        (N,) not negative, 0 for one epoch.
    """
    result = np.empty(len(codes))
    for start in range(0, len(codes), _BLOCK):
        rows = slice(start, start + _BLOCK)
        errors = np.stack([softmax(epoch[rows]) for epoch in logits], axis=1)  # (n, E, C)
        errors[np.arange(len(errors)), :, codes[rows]] -= 1
        inputs = np.asarray(features[:, rows].swapaxes(0, 1), dtype=np.float64)  # (n, E, I)
        products = inputs @ inputs.swapaxes(1, 2) + float(bias)
        products *= errors @ errors.swapaxes(1, 2)
        spread = np.einsum("nee->n", products) / len(logits) - products.mean(axis=(1, 2))
        result[rows] = np.sqrt(np.maximum(spread, 0))
    return result


@scorer(
    "gradient_variance",
    family="dynamics",
    needs=("logits", "features_by_epoch"),
    paper="After Agarwal et al., Estimating Example Difficulty (VoG), CVPR 2022",
)
def gradient_variance(evidence: Evidence, _seed: int) -> Floats:
    """How much the last layer's gradient moves over epochs (published: the input's gradient)."""
    return variance_of_gradients(
        evidence.need("logits"),
        evidence.need("features_by_epoch"),
        evidence.labels.codes,
        evidence.bias,
    )
