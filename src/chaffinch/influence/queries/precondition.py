"""What an estimator makes of the gradients of queries, so that inner products do the rest."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Literal

import torch
from torch import Tensor

from chaffinch.core.errors import InputError
from chaffinch.core.registry import Registry
from chaffinch.influence.queries.moments import eigenbases
from chaffinch.influence.queries.table import GradientTable
from chaffinch.influence.task import DAMPING_SHARE

_SMALLEST = 1e-20
_LARGEST_KERNEL = 20_000
_NO_VARIANCE = 1e-12
"""Variance over squared mean that rounding in float32 alone can give."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """Queries whose inner products with kept gradients are influences.

    Attributes:
        vectors: (M, K) of each parameter.
        scales: (N,) what the values of each training sample are multiplied by, or None.
        centres: (K,) of each parameter, taken from kept rows before the product, or None.
    """

    vectors: Mapping[str, Tensor]
    scales: Tensor | None = None
    centres: Mapping[str, Tensor] | None = None

    def centred(self, name: str, rows: Tensor) -> Tensor:
        """(n, K) kept rows of a parameter less its centre, where there is one."""
        return rows if self.centres is None else rows - self.centres[name]


Evidence = Literal["gradients", "states"]
Prepare = Callable[[GradientTable, Mapping[str, Tensor], float | None], Prepared]


@dataclass(frozen=True)
class QueryEstimator:
    """An estimator that works on kept gradients.

    Attributes:
        name: What it is called.
        summary: What it computes, in a line.
        paper: Where it comes from.
        function: Kept gradients, query gradients and damping (None for the default) in.
        evidence: What is kept of samples: ``gradients``, or the ``states`` of `collect_states`.
    """

    name: str
    summary: str
    paper: str
    function: Prepare
    evidence: Evidence = "gradients"


QUERY_ESTIMATORS: Registry[QueryEstimator] = Registry("estimator for kept gradients")
"""All estimators that work on kept gradients, by name."""


def prepare(
    table: GradientTable,
    queries: Mapping[str, Tensor],
    estimator: str = "datainf",
    damping: float | None = None,
) -> Prepared:
    """Turn gradients of queries into what kept gradients are multiplied with.

    Args:
        table: Kept gradients of N training samples.
        queries: (M, K) of each parameter, in the layout of the table.
        estimator: A name in `QUERY_ESTIMATORS`.
        damping: Of all layers; None for the estimator's default.

    Raises:
        InputError: An unknown estimator, or one that the kept gradients do not allow.
    """
    return QUERY_ESTIMATORS[estimator].function(table, queries, damping)


def _estimator(
    name: str, summary: str, paper: str, evidence: Evidence = "gradients"
) -> Callable[[Prepare], Prepare]:
    def register(function: Prepare) -> Prepare:
        QUERY_ESTIMATORS.add(name, QueryEstimator(name, summary, paper, function, evidence))
        return function

    return register


@_estimator("grad_dot", "inner product of the gradients", "Charpiat et al., NeurIPS 2019")
def grad_dot(
    _table: GradientTable, queries: Mapping[str, Tensor], _damping: float | None
) -> Prepared:
    """The queries as they are."""
    return Prepared(dict(queries))


@_estimator("grad_cos", "cosine of the gradients", "Charpiat et al., NeurIPS 2019")
def grad_cos(
    table: GradientTable, queries: Mapping[str, Tensor], _damping: float | None
) -> Prepared:
    """Both sides divided by their lengths."""
    mine = torch.stack([table.squared_norms(name) for name in queries]).sum(0)
    theirs = torch.stack([one.square().sum(1) for one in queries.values()]).sum(0)
    scaled = {name: one * _inverse_root(theirs)[:, None] for name, one in queries.items()}
    return Prepared(scaled, _inverse_root(mine))


@_estimator("datainf", "mean of rank-one inverses, layer by layer", "Kwon et al., ICLR 2024")
def datainf(table: GradientTable, queries: Mapping[str, Tensor], damping: float | None) -> Prepared:
    """``(v - mean_i g_i (g_i . v) / (lambda + |g_i|^2)) / lambda`` for every parameter.

    lambda is a tenth of the mean square of the kept numbers, as in the paper for whole gradients.
    """
    solved = {}
    for name, vectors in queries.items():
        squares = table.squared_norms(name)
        chosen = _damping(damping, squares, table.layout.widths[name])
        weights = 1 / (chosen + squares) / max(1, len(table))
        total = torch.zeros_like(vectors)
        for where, rows in table.blocks(name):
            total += (rows @ vectors.T * weights[where, None]).T @ rows
        solved[name] = (vectors - total) / chosen
    return Prepared(solved)


@_estimator(
    "ekfac",
    "Kronecker eigenbasis of every layer, eigenvalues corrected; given labels, whole gradients",
    "Grosse et al., 2023 (arXiv 2308.03296)",
)
def ekfac(table: GradientTable, queries: Mapping[str, Tensor], damping: float | None) -> Prepared:
    """The damped inverse of the empirical Fisher matrix in a Kronecker eigenbasis.

    Parameters without Kronecker factors are taken by their diagonal.
    """
    return Prepared(_in_eigenbasis(table, queries, damping)[0])


@_estimator(
    "ekfac_cos",
    "cosine in the metric of ekfac, blind to the lengths of gradients",
    "Grosse et al., 2023, with lengths divided out",
)
def ekfac_cos(
    table: GradientTable, queries: Mapping[str, Tensor], damping: float | None
) -> Prepared:
    """``g_i A^-1 g_j / sqrt(g_i A^-1 g_i  g_j A^-1 g_j)`` with the inverse of ekfac.

    Samples with long gradients are then not near the top for every query.
    """
    solved, mine = _in_eigenbasis(table, queries, damping)
    theirs = torch.stack([(solved[name] * queries[name]).sum(1) for name in queries]).sum(0)
    scaled = {name: one * _inverse_root(theirs)[:, None] for name, one in solved.items()}
    return Prepared(scaled, _inverse_root(mine))


def _in_eigenbasis(
    table: GradientTable, queries: Mapping[str, Tensor], damping: float | None
) -> tuple[dict[str, Tensor], Tensor]:
    """The inverse of ekfac times the queries, and (N,) ``g_i A^-1 g_i``."""
    if table.layout.dimensions is not None:
        raise InputError(
            "whole gradients for ekfac",
            f"{table.layout.dimensions} numbers kept of each parameter",
            "Keep whole gradients (dimensions=None, --sketch 0), or choose datainf",
        )
    sums, solved, forms = table.moments(), {}, torch.zeros(len(table))
    for name, shape in table.layout.shapes:
        bases = eigenbases(sums, name)
        squares = torch.cat([_turn(rows, shape, bases).square() for _, rows in table.blocks(name)])
        variances = squares.sum(0) / max(1, len(table))
        damped = variances + _damping(damping, variances.sum()[None], prod(shape))
        forms += squares @ (1 / damped)
        inside = _turn(queries[name], shape, bases) / damped
        solved[name] = _turn(inside, shape, None if bases is None else (bases[0].T, bases[1].T))
    return solved, forms


@_estimator("trak", "kernel of the kept gradients, all layers together", "Park et al., ICML 2023")
def trak(table: GradientTable, queries: Mapping[str, Tensor], damping: float | None) -> Prepared:
    """``phi_j (Phi^T Phi + ridge)^-1 phi_i`` of gradients of the loss, not of a margin.

    By the N x N kernel, which is the same thing, so that any number of kept numbers will do. The
    ridge is the tenth of the mean squared length of the training gradients.
    """
    count = len(table)
    if count > _LARGEST_KERNEL:
        raise InputError(
            f"at most {_LARGEST_KERNEL:,} training samples for trak",
            f"{count:,}",
            "Choose datainf, whose cost grows with their number only",
        )
    kernel, products = torch.zeros(count, count), torch.zeros(count, len(_first(queries)))
    for name, vectors in queries.items():
        rows = table.rows(name)
        kernel.addmm_(rows, rows.T)
        products.addmm_(rows, vectors.T)
    ridge = _damping(damping, kernel.diagonal().clone(), 1)
    wide = kernel.double()
    wide.diagonal().add_(ridge)
    inside = torch.cholesky_solve(products.double(), torch.linalg.cholesky(wide)).float()
    solved = {
        name: (vectors - inside.T @ table.rows(name)) / ridge for name, vectors in queries.items()
    }
    return Prepared(solved)


@_estimator(
    "rep_cos",
    "cosine of hidden states, each number standardised over the training samples",
    "Li et al., 2024 (arXiv 2409.19998); Timkey and van Schijndel, EMNLP 2021",
    "states",
)
def rep_cos(
    table: GradientTable, queries: Mapping[str, Tensor], _damping: float | None
) -> Prepared:
    """``z_i . z_j / (|z_i| |z_j|)`` with ``z = (h - mean) / deviation``, all blocks joined.

    Mean and deviation are those of each kept number over the training samples: without them a few
    numbers that are large in every text decide. Numbers that do not vary have no weight. The value
    lies in -1..1 and tells alikeness in the eyes of the model; it is no estimate of what training
    on a sample did to a response.
    """
    centres, solved = {}, {}
    mine, theirs = torch.zeros(len(table)), torch.zeros(len(_first(queries)))
    for name, vectors in queries.items():
        centre, weights = _standard(table, name)
        away = vectors - centre
        centres[name], solved[name] = centre, away * weights
        theirs += (away.square() * weights).sum(1)
        for where, rows in table.blocks(name):
            mine[where] += (rows - centre).square() @ weights
    scaled = {name: one * _inverse_root(theirs)[:, None] for name, one in solved.items()}
    return Prepared(scaled, _inverse_root(mine), centres)


def _standard(table: GradientTable, name: str) -> tuple[Tensor, Tensor]:
    """(K,) means and inverse variances over the samples; 0 for what does not vary."""
    count = max(1, len(table))
    total, squares = (torch.zeros(table.layout.widths[name]).double() for _ in range(2))
    for _, rows in table.blocks(name):
        total += rows.double().sum(0)
    mean = total / count
    for _, rows in table.blocks(name):
        squares += (rows.double() - mean).square().sum(0)
    variance = squares / count
    varies = variance > _NO_VARIANCE * mean.square()
    weights = torch.where(varies & (variance > 0), 1 / variance, 0)
    return mean.float(), weights.float()


def _damping(damping: float | None, squares: Tensor, size: int) -> float:
    if damping is None:
        mean = float(squares.double().mean()) / max(1, size) if len(squares) else 0.0
        return max(DAMPING_SHARE * mean, _SMALLEST)
    if not 0 < damping < float("inf"):
        raise InputError("a damping above 0", str(damping), "Leave it out for the default")
    return float(damping)


def _turn(rows: Tensor, shape: tuple[int, ...], bases: tuple[Tensor, Tensor] | None) -> Tensor:
    """(n, P) in the eigenbasis ``U_out^T G U_in``; the same rows where there is none."""
    if bases is None:
        return rows
    left, right = bases
    matrices = rows.reshape(len(rows), shape[0], -1)
    return (left.T @ matrices @ right).flatten(1)


def _inverse_root(squares: Tensor) -> Tensor:
    return torch.where(squares > 0, squares.clamp(min=_SMALLEST).rsqrt(), 0)


def _first(queries: Mapping[str, Tensor]) -> Tensor:
    return next(iter(queries.values()))
