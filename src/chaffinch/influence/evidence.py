"""Influence of a last layer from saved arrays, without a model."""

from collections.abc import Iterator

import torch
from torch import Tensor

from chaffinch.core.errors import InputError
from chaffinch.gradients.rows import Array, row_blocks
from chaffinch.influence.inverse import LastLayerInverse, fisher_weights, hessian_weights
from chaffinch.influence.last_layer import LastLayer
from chaffinch.influence.solvers.datainf import MeanInverse
from chaffinch.influence.task import choose_damping

CURVATURES = ("identity", "exact", "fisher", "datainf")


def last_layer_self_influence(
    probabilities: Array,
    codes: Array,
    features: Array,
    bias: bool = True,
    *,
    curvature: str = "exact",
    damping: float | None = None,
) -> Tensor:
    """Self-influence of the last layer under cross-entropy.

    Args:
        probabilities: (N, C) softmax of the outputs.
        codes: (N,) given labels, as columns of the probabilities.
        features: (N, I) inputs of the last layer, without an appended 1; their element type is
            that of the bulk of the work (the factoring itself is done in float64).
        bias: Whether the layer has a bias, so that its gradient counts.
        curvature: "exact" (the true Hessian, which is also the Gauss-Newton matrix), "fisher"
            (empirical), "datainf", or "identity" (squared gradient norms).
        damping: Added to the diagonal of the mean curvature; None for a tenth of the mean
            diagonal of the empirical Fisher matrix.

    Returns:
        (N,) values ``g_i^T A^-1 g_i``, high = suspicious.

    Raises:
        InputError: Arrays that do not fit, an unknown curvature, or a singular one.
    """
    last = LastLayer.from_probabilities(probabilities, codes, features, bias)
    if curvature not in CURVATURES:
        raise InputError(f"one of {', '.join(CURVATURES)}", repr(curvature), "Choose one of them")
    if curvature == "identity" or not len(last):
        return last.block.self_dot()
    if curvature == "datainf":
        return MeanInverse(last.block, damping, last).diagonal().values
    weights = fisher_weights if curvature == "fisher" else hessian_weights
    chosen = choose_damping(damping, last.block)
    return LastLayerInverse(last, weights, chosen).diagonal().values


def counterfactual_rows(
    samples: LastLayer, targets: LastLayer, budget: int = 1 << 22
) -> Iterator[tuple[slice, Tensor]]:
    """Influence on targets if a sample had any other label, a few samples at a time.

    ``I_ij(c) = (h_i . h_j) <p_i - e_c, p_j - e_yj>`` in closed form: gradient products of the last
    layer (TracIn at one checkpoint) with the label of i replaced by c. At c = y_i it is the
    influence as it is.

    Args:
        samples: N training samples.
        targets: M targets.
        budget: Numbers of the result that are made at once.

    Yields:
        A slice of n samples, and their values (n, M, C), positive = label c helps.

    Raises:
        InputError: Layers of different shapes.
    """
    if samples.shape != targets.shape or samples.bias != targets.bias:
        raise InputError(
            f"targets of a layer with (C, I) = {samples.shape} like the samples",
            str(targets.shape),
            "Use the same model for both",
        )
    errors = targets.errors
    for rows in row_blocks(len(samples), len(targets) * samples.shape[0], budget):
        likeness = samples.features[rows] @ targets.features.T + samples.bias
        own = samples.probabilities[rows] @ errors.T
        yield rows, (own.unsqueeze(2) - errors) * likeness.unsqueeze(2)


def counterfactual_influence(samples: LastLayer, targets: LastLayer) -> Tensor:
    """(N, M, C) `counterfactual_rows` in one piece; it may be large."""
    classes = samples.shape[0]
    empty = samples.errors.new_zeros(0, len(targets), classes)
    return torch.cat([empty, *(values for _, values in counterfactual_rows(samples, targets))])
