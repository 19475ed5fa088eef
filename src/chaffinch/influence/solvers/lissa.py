"""LiSSA: the inverse as a truncated Neumann series over mini-batches."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from chaffinch.core.errors import InputError
from chaffinch.influence.bilinear import Bilinear
from chaffinch.influence.diagnostics import Diagnostics
from chaffinch.influence.estimator import Averaged, Influence, at_least, estimator
from chaffinch.influence.inverse import Solution, quadratic_by_rows
from chaffinch.influence.product import Curvature, Product, curvature_product
from chaffinch.influence.solvers.cg import relative_residual
from chaffinch.influence.task import Task, choose_damping, generator

_POWER_STEPS = 20
_HEADROOM = 1.2
_SLACK = 2.0
_SHORTEST = 1e-16
_RESCALINGS = 5


@final
@estimator(
    "lissa",
    summary="a truncated Neumann series; rescales itself, or says so, where it diverges",
    paper="Agarwal et al., JMLR 2017; Koh and Liang, ICML 2017",
    cost="depth x repeats x products of 4 B P operations (batches of B), for every target",
)
@dataclass(frozen=True)
class Lissa(Averaged):
    """``x <- v + x - (H + damping) x / scale``, whose limit is ``scale (H + damping)^-1 v``.

    The series converges where scale exceeds half the largest eigenvalue of every matrix used.

    Attributes:
        damping: As for `Exact`.
        curvature: "hessian", "ggn" or "fisher".
        depth: Terms of the series.
        scale: Divides the curvature; None for 1.2 times its largest eigenvalue, found by power
            iteration, and twice that whenever the series still diverges.
        repeats: Series averaged; more than one only helps with mini-batches.
        batch: Samples in each term's curvature, drawn at random; None for all of them.
        seed: Of the draws.
    """

    damping: float | None = None
    curvature: Curvature = "hessian"
    depth: int = 500
    scale: float | None = None
    repeats: int = 1
    batch: int | None = None
    seed: int = 0

    def influence(self, task: Task) -> Influence:
        """At one checkpoint."""
        at_least("depth", self.depth, 1)
        at_least("repeats", self.repeats, 1)
        if self.scale is not None and not self.scale > 0:
            raise InputError("a positive scale", str(self.scale), "Pass None for the default")
        return Bilinear(task, lambda: Series(self, task))


@final
class Series:
    """An inverse by a truncated Neumann series.

    Args:
        options: Of the series.
        task: The training samples.
    """

    def __init__(self, options: Lissa, task: Task) -> None:
        self._options = options
        self._block = task.block
        self._damping = choose_damping(options.damping, task.block)
        self._product = curvature_product(task, options.curvature)
        self._draw = _drawing(options, task, self._product)
        self._scale = options.scale

    def apply(self, vectors: Tensor) -> Solution:
        """(P, K): ``A^-1`` times vectors.

        Raises:
            InputError: The series diverges with the given scale, or however large it is made.
        """
        options, source = self._options, generator(self._options.seed)
        scale = self._start(vectors)
        for _attempt in range(_RESCALINGS):
            solved = self._averaged(vectors, scale, source)
            if solved is not None:
                return Solution(solved, self._report(solved, vectors, scale))
            if options.scale is not None:
                break
            scale *= 2
            self._scale = scale
        raise InputError(
            "a LiSSA series that converges",
            f"one that grows without bound at scale {scale:.3g} and damping {self._damping:.3g}",
            "Raise scale= above the largest eigenvalue, raise damping=, use curvature='ggn' where "
            "the Hessian has negative eigenvalues, or estimator='cg'",
        )

    def diagonal(self) -> Solution:
        """(N,): ``g_i^T A^-1 g_i``, one series a sample, many side by side."""
        return quadratic_by_rows(self.apply, self._block)

    def _start(self, vectors: Tensor) -> float:
        if self._scale is None:
            top = largest_eigenvalue(self._product, vectors, self._options.seed)
            # A mini-batch bends more than the whole set does; divergence doubles this if need be.
            wide = 1.0 if self._options.batch is None else 2.0
            self._scale = wide * _HEADROOM * max(top + self._damping, 1e-12)
        return self._scale

    def _averaged(self, vectors: Tensor, scale: float, source: torch.Generator) -> Tensor | None:
        total = torch.zeros_like(vectors)
        for _repeat in range(self._options.repeats):
            x = series(self._draw(source), vectors, self._damping, scale, self._options.depth)
            if x is None:
                return None
            total += x / self._options.repeats
        return total

    def _report(self, solved: Tensor, vectors: Tensor, scale: float) -> Diagnostics:
        def product(x: Tensor) -> Tensor:
            return self._product(x) + self._damping * x

        worst = relative_residual(product, solved, vectors)
        return Diagnostics(
            damping={"all": self._damping},
            iterations=self._options.depth,
            residual=worst,
            converged=worst < 1e-2,
            notes=(f"LiSSA ran at scale {scale:.3g}.",),
        )


def series(
    product: Product, vectors: Tensor, damping: float, scale: float, depth: int
) -> Tensor | None:
    """The truncated series for ``(H + damping)^-1 v``.

    Args:
        product: Multiplies (P, K) by H; may draw another mini-batch each time.
        vectors: (P, K) right-hand sides.
        damping: Added to H; it makes the series contract faster, never slower.
        scale: Divides ``H + damping``.
        depth: Terms.

    Returns:
        (P, K), or None where the series diverges: a sum longer than any contraction allows, which
        is the number of terms, or ``scale / damping``, times the right-hand side.
    """
    # The squares of tinier numbers vanish, and any sum would look endless beside a length of zero.
    x, lengths = vectors.clone(), vectors.norm(dim=0).clamp_min(_SHORTEST)
    for term in range(depth):
        x = x + vectors - (product(x) + damping * x) / scale
        most = term + 2 if damping <= 0 else min(term + 2, max(1.0, scale / damping))
        if not bool((x.norm(dim=0) <= _SLACK * most * lengths).all()):
            return None
    return x / scale


def largest_eigenvalue(product: Product, like: Tensor, seed: int) -> float:
    """The eigenvalue of largest magnitude, from below, by power iteration."""
    x = torch.randn(len(like), 1, generator=generator(seed), dtype=torch.float64).to(like)
    value = 0.0
    for _step in range(_POWER_STEPS):
        x = product(x / x.norm())
        value = float(x.norm())
        if value == 0:
            break
    return value


def _drawing(options: Lissa, task: Task, whole: Product) -> Callable[[torch.Generator], Product]:
    """Gives a product with the whole curvature, or one that draws a mini-batch each time."""
    if options.batch is None:
        return lambda _source: whole
    last = task.last_layer
    if last is None or options.curvature == "fisher":
        raise InputError(
            "batch=None, or the last layer under cross-entropy with curvature hessian or ggn",
            f"batch={options.batch}",
            "Leave batch= out: each term then takes the curvature of all samples",
        )
    size = min(options.batch, len(last))

    def draw(source: torch.Generator) -> Product:
        def product(x: Tensor) -> Tensor:
            rows = torch.randint(len(last), (size,), generator=source)
            return last.take(rows).hessian_product(x)

        return product

    return draw
