"""Sums of outer products: the mathematics of factored gradients, on plain tensors.

A weight of G groups with O outputs and I inputs each, used at T positions, has for sample n the
gradient ``G_n = sum_t d_nt h_nt^T`` in every group, with the output errors ``d`` (N, G, T, O) and
the layer inputs ``h`` (N, G, T, I). Norms and inner products follow from the T x T Gram matrices
or from the materialised O x I gradients, whichever takes fewer operations.
"""

import torch
from torch import Tensor


def gram_operations(positions: int, other: int, outputs: int, inputs: int) -> int:
    """Multiplications for the inner product of two gradients by T x T' Gram matrices."""
    return positions * other * (outputs + inputs + 1)


def gram_is_cheaper(positions: int, outputs: int, inputs: int) -> bool:
    """Whether the squared norm by a Gram matrix takes fewer operations than materialising."""
    materialised = (positions + 1) * outputs * inputs
    return gram_operations(positions, positions, outputs, inputs) <= materialised


def materialise(d: Tensor, h: Tensor) -> Tensor:
    """(N, G, O, I) gradients."""
    return d.mT @ h


def squared_norms(d: Tensor, h: Tensor) -> Tensor:
    """(N,) squared L2 norms."""
    positions, outputs, inputs = d.shape[2], d.shape[3], h.shape[3]
    if positions == 1:
        return (lengths_of(d, 2, -1) * lengths_of(h, 2, -1)).square_().sum((1, 2))
    if gram_is_cheaper(positions, outputs, inputs):
        return (d @ d.mT).mul_(h @ h.mT).sum((1, 2, 3))
    return lengths_of(materialise(d, h), 2).square_()


def absolute_norms(d: Tensor, h: Tensor) -> Tensor:
    """(N,) L1 norms."""
    if d.shape[2] == 1:
        return (lengths_of(d, 1, -1) * lengths_of(h, 1, -1)).sum((1, 2))
    return lengths_of(materialise(d, h), 1)


def inner_products(d: Tensor, h: Tensor, d2: Tensor, h2: Tensor) -> Tensor:
    """(N, M) inner products by Gram matrices between all positions of all pairs."""
    if d.shape[1] == d.shape[2] == d2.shape[2] == 1:
        return (d[:, 0, 0] @ d2[:, 0, 0].T).mul_(h[:, 0, 0] @ h2[:, 0, 0].T)
    samples, groups, positions = d.shape[:3]
    targets, _, other = d2.shape[:3]
    left = [factor.transpose(0, 1).flatten(1, 2) for factor in (d, h)]
    right = [factor.transpose(0, 1).flatten(1, 2).mT for factor in (d2, h2)]
    gram = (left[0] @ right[0]).mul_(left[1] @ right[1])
    return gram.view(groups, samples, positions, targets, other).sum((0, 2, 4))


def weighted_sum(d: Tensor, h: Tensor, weights: Tensor) -> Tensor:
    """(G, O, I) sum of the gradients with the weights (N,)."""
    scaled = d * weights[:, None, None, None]
    left, right = (factor.transpose(0, 1).flatten(1, 2) for factor in (scaled, h))
    return left.mT @ right


def apply(d: Tensor, h: Tensor, matrix: Tensor) -> Tensor:
    """(N, K) products of the gradients with ``matrix`` (G, O, I, K), never materialised."""
    groups, outputs, inputs, count = matrix.shape
    flat = matrix.permute(0, 2, 1, 3).reshape(groups, inputs, outputs * count)
    if groups == 1:
        rows = len(d) * d.shape[2]
        pairs = (h.flatten(0, 2) @ flat[0]).view(rows, outputs, count)
        left = d.reshape(rows, 1, outputs)
        products = (left * pairs[..., 0].unsqueeze(1)).sum(-1) if count == 1 else left @ pairs
        return products.view(len(d), d.shape[2], count).sum(1)
    mapped = (h @ flat).view(*d.shape, count)
    return torch.einsum("ngto,ngtok->nk", d, mapped)


def lengths_of(tensor: Tensor, order: int, axis: int | None = None) -> Tensor:
    """L1 or L2 norms along one axis, or of whole rows."""
    rows = tensor.flatten(1) if axis is None else tensor
    result: Tensor = torch.linalg.vector_norm(rows, ord=order, dim=1 if axis is None else axis)
    return result
