"""Representer points: the outputs as a sum over training samples, by last-layer features."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, final

import torch
from torch import Tensor

from chaffinch.core.errors import InputError
from chaffinch.gradients import GradientBlock
from chaffinch.influence.bilinear import mean_gradient
from chaffinch.influence.diagnostics import Diagnostics
from chaffinch.influence.estimator import (
    Averaged,
    Influence,
    Rows,
    Strip,
    Targets,
    at_least,
    estimator,
)
from chaffinch.influence.last_layer import LastLayer
from chaffinch.influence.task import Task, choose_damping

_TOLERANCE = 1e-5


@final
@estimator(
    "representer",
    summary="share of each training sample in the target's own logit, last layer refitted with L2",
    paper="Yeh et al., NeurIPS 2018",
    cost="a convex refit of 4 N P a step, then N M I",
)
@dataclass(frozen=True)
class Representer(Averaged):
    """``alpha_i[y_j] h_i . h_j`` with ``alpha_i = -d_i / (N damping)``.

    At a minimum of ``mean loss + damping / 2 |theta|^2`` over the last layer, the logits of any
    sample are exactly the sum of these shares. Positive: i speaks for the label of j.

    Attributes:
        damping: Strength of the L2 penalty; None for a tenth of the mean diagonal of the Fisher
            matrix.
        refit: Whether the last layer is first brought to that minimum; without it the shares add
            up to nothing in particular.
        iterations: Steps of the refit, at most.
    """

    damping: float | None = None
    refit: bool = True
    iterations: int = 500

    def influence(self, task: Task) -> Influence:
        """At one checkpoint.

        Raises:
            InputError: Other layers than the last, another loss, or no damping.
        """
        at_least("iterations", self.iterations, 0)
        last = task.last_layer
        if last is None:
            raise InputError(
                "layers='last' of a model that ends in a linear layer, under cross-entropy",
                "something else",
                "Representer points are defined for the last layer alone",
            )
        damping = choose_damping(self.damping, last.block)
        if damping == 0:
            raise InputError("a positive damping", "0", "Representer points need an L2 penalty")
        fitted = refit(last, damping, self.iterations) if self.refit else last
        return Shares(task, fitted, damping)


@final
class Shares:
    """The shares of the training samples in logits.

    Args:
        task: The training samples.
        last: They, under the last layer to be explained.
        damping: Strength of the L2 penalty that it minimises.
    """

    def __init__(self, task: Task, last: LastLayer, damping: float) -> None:
        self._task = task
        self._last = last
        self._shares = -last.errors / (len(last) * damping)
        self._block = GradientBlock.from_last_layer(self._shares, last.features, last.bias)
        self._diagnostics = _report(last, self._shares, damping)

    def strips(self, targets: Targets) -> Iterator[Strip]:
        """One strip, of factored products."""
        seen = self._task.observe(targets.data)
        if seen is None:
            raise InputError("at least one target", "none", "Pass targets that are not empty")
        block = GradientBlock.from_last_layer(_labels(seen), seen.features, seen.bias)

        def solve() -> Rows:
            if targets.mean:
                vector = mean_gradient(block)
                return Rows(lambda rows: self._block.take(rows).matvec(vector), self._diagnostics)
            return Rows(lambda rows: self._block.take(rows).dot(block), self._diagnostics)

        yield Strip(slice(0, 1 if targets.mean else len(block)), solve)

    def diagonal(self) -> tuple[Tensor, Diagnostics]:
        """(N,) share of each sample in its own label's logit."""
        lengths = self._last.features.square().sum(1) + self._last.bias
        return (self._shares * _labels(self._last)).sum(1) * lengths, self._diagnostics


def refit(last: LastLayer, damping: float, iterations: int) -> LastLayer:
    """The same samples under a last layer at the minimum of the penalised mean loss.

    Args:
        last: The samples.
        damping: Strength of the L2 penalty, ``damping / 2 |theta|^2``, on weight and bias.
        iterations: L-BFGS steps, at most.
    """
    h = last.features.double()
    labels = (last.probabilities - last.errors).double()
    theta = h.new_zeros(last.shape[0], h.shape[1] + last.bias).requires_grad_()
    if last.bias:
        h = torch.cat([h, h.new_ones(len(h), 1)], 1)
    solver: Any = torch.optim.LBFGS(
        [theta],
        max_iter=iterations,
        tolerance_grad=1e-10,
        tolerance_change=1e-16,
        history_size=20,
        line_search_fn="strong_wolfe",
    )

    def closure() -> float:
        with torch.no_grad():
            logits = h @ theta.T
            logs = torch.log_softmax(logits, 1)
            slope = (logs.exp() - labels).T @ h / len(h) + damping * theta
            value = -(labels * logs).sum() / len(h) + damping / 2 * theta.square().sum()
        theta.grad = slope
        return float(value)

    if iterations:
        solver.step(closure)
    with torch.no_grad():
        p = torch.softmax(h @ theta.T, 1)
    like = last.probabilities
    return replace(last, probabilities=p.to(like), errors=(p - labels).to(like))


def _labels(last: LastLayer) -> Tensor:
    """(N, C) the given labels as distributions."""
    return last.probabilities - last.errors


def _report(fitted: LastLayer, shares: Tensor, damping: float) -> Diagnostics:
    """How far the shares are from adding up to the logits, as a gap in probability."""
    block = GradientBlock.from_last_layer(shares, fitted.features, fitted.bias)
    theta, (classes, inputs) = block.weighted_sum(), fitted.shape
    logits = fitted.features @ theta[: classes * inputs].view(classes, inputs).T
    if fitted.bias:
        logits = logits + theta[classes * inputs :]
    gap = torch.softmax(logits, 1) - fitted.probabilities
    residual = float(gap.abs().max()) if len(gap) else 0.0
    return Diagnostics(
        damping={"all": damping}, residual=residual, converged=residual < 1e2 * _TOLERANCE
    )
