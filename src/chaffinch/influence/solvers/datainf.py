"""DataInf: the mean of inverses in place of the inverse of the mean, in closed form."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from chaffinch.gradients import GradientBlock
from chaffinch.gradients.rows import row_blocks
from chaffinch.influence.bilinear import Bilinear
from chaffinch.influence.class_pairs import centred_basis, forms_of_sum
from chaffinch.influence.diagnostics import Diagnostics
from chaffinch.influence.estimator import Averaged, Influence, estimator
from chaffinch.influence.inverse import Solution
from chaffinch.influence.last_layer import LastLayer
from chaffinch.influence.task import Task, choose_damping

_COLUMN_FLOATS = 1 << 22
_GRAM_ROWS = 1536


@final
@estimator(
    "datainf",
    summary="mean over samples of rank-one inverses, layer by layer, in closed form",
    paper="Kwon et al., ICLR 2024",
    cost="4 N P for every target; self-influence the lesser of N^2 (I + C) and 2 N P^2",
)
@dataclass(frozen=True)
class DataInf(Averaged):
    """``mean_i [v - g_i (g_i . v) / (lambda + |g_i|^2)] / lambda`` in every layer.

    It is to be compared with its own closed form, not with the exact inverse.

    Attributes:
        damping: lambda of all layers; None for ``mean(g^2) / 10`` of each layer, as in the paper.
    """

    damping: float | None = None

    def influence(self, task: Task) -> Influence:
        """At one checkpoint."""
        return Bilinear(task, lambda: MeanInverse(task.block, self.damping, task.last_layer))


@final
class MeanInverse:
    """The mean of the inverses of ``g_i g_i^T + lambda`` in every layer.

    Args:
        block: The training gradients.
        damping: lambda; None for that of the paper.
        last: The same samples, where the gradients are those of the last layer: then the
            self-influence may come from class pairs.
    """

    def __init__(
        self, block: GradientBlock, damping: float | None, last: LastLayer | None = None
    ) -> None:
        self._last = last
        layers = block.layers
        self._parts = [block.select(names) for names in layers.values()]
        self._damping = [choose_damping(damping, part) for part in self._parts]
        self._weights = [
            1 / (chosen + part.self_dot()) / len(block)
            for part, chosen in zip(self._parts, self._damping, strict=True)
        ]
        named = {name or "all": x for name, x in zip(layers, self._damping, strict=True)}
        self._order = [block.parameter_slices[name] for names in layers.values() for name in names]
        self._diagnostics = Diagnostics(damping=named)

    def apply(self, vectors: Tensor) -> Solution:
        """(P, K): the mean inverse times vectors."""
        result = vectors.clone()
        places = iter(self._order)
        for part, damping, weights in zip(self._parts, self._damping, self._weights, strict=True):
            where = [next(places) for _name in part]
            for columns in row_blocks(vectors.shape[1], len(part), _COLUMN_FLOATS):
                given = torch.cat([vectors[one, columns] for one in where])
                products = part.matvec(given).mul_(weights[:, None])
                solved = (given - part.weighted_sum(products.T).T) / damping
                _place(result, where, columns, solved)
        return Solution(result, self._diagnostics)

    def diagonal(self) -> Solution:
        """(N,): ``(|g_k|^2 - sum_i w_i (g_i . g_k)^2) / lambda``, summed over layers."""
        total = self._parts[0].self_dot().zero_()
        for part, damping, weights in zip(self._parts, self._damping, self._weights, strict=True):
            if self._last is not None and pairs_are_cheaper(self._last):
                forms = _forms_by_pairs(self._last, weights)
            else:
                forms = forms_by_gram(part, weights)
            total += (part.self_dot() - forms) / damping
        return Solution(total, self._diagnostics)


def forms_by_gram(block: GradientBlock, weights: Tensor) -> Tensor:
    """(N,) ``sum_i w_i (g_i . g_k)^2``, from one half of the Gram matrix a tile at a time."""
    total = torch.zeros_like(weights)
    for rows in row_blocks(len(block), 1, _GRAM_ROWS):
        part = block.take(rows)
        for columns in row_blocks(len(block), 1, _GRAM_ROWS):
            if columns.start < rows.start:
                continue
            squares = part.dot(block.take(columns)).square_()
            total[rows] += squares @ weights[columns]
            if columns.start > rows.start:
                total[columns] += weights[rows] @ squares
    return total


def pairs_are_cheaper(last: LastLayer) -> bool:
    """Whether class pairs take fewer operations than half the Gram matrix, and little memory."""
    classes, inputs = last.shape
    pairs = classes * (classes - 1) / 2
    by_pairs = 2 * pairs * (inputs + 1) ** 2
    by_gram = len(last) * (inputs + 2 * classes + 8)
    return by_pairs < by_gram and (classes - 1) * (inputs + 1) <= 12_000


def _forms_by_pairs(last: LastLayer, weights: Tensor) -> Tensor:
    basis = centred_basis(last.shape[0], last.features)
    errors = last.errors @ basis.to(last.errors)

    def outer(rows: slice) -> Tensor:
        d = errors[rows]
        return (d * weights[rows, None]).unsqueeze(2) * d.unsqueeze(1)

    return forms_of_sum(last.features, last.bias, errors, outer)


def _place(result: Tensor, where: Sequence[slice], columns: slice, values: Tensor) -> None:
    start = 0
    for one in where:
        size = one.stop - one.start
        result[one, columns] = values[start : start + size]
        start += size
