"""TRAK: a kernel of sketched gradients of the margin, one Gram matrix a checkpoint."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from chaffinch.core.errors import InputError
from chaffinch.gradients import GradientBlock
from chaffinch.gradients.batch import batches
from chaffinch.gradients.objective import logits_of, sample_losses
from chaffinch.gradients.recorder import evaluating
from chaffinch.influence.bilinear import Embedded
from chaffinch.influence.diagnostics import Diagnostics
from chaffinch.influence.estimator import Influence, Targets, Tasks, at_least, estimator
from chaffinch.influence.task import Task
from chaffinch.models.forward import forward

_RIDGE_SHARE = 1e-4


@final
@estimator(
    "trak",
    summary="kernel of sketched gradients of the margin, weighted by 1 - p, over checkpoints",
    paper="Park et al., ICML 2023",
    cost="N P K sketch (less for structured kinds), N K^2 + K^3, then N M K; each a checkpoint",
)
@dataclass(frozen=True)
class Trak:
    """``(1 - p_i) phi_i (Phi^T Phi + ridge)^-1 phi_j``: the change of j's margin by sample i.

    phi is a sketch of the gradient of the margin ``log p_y / (1 - p_y)``. The kernel and the
    weights ``1 - p`` are each averaged over checkpoints before they are multiplied, as in the
    paper. A higher margin is a lower loss, so that positive still means that i helps j.

    Attributes:
        dimensions: K of the sketch; gradients of no more parameters are taken as they are.
        sketch: Kind of the sketch, a name in `chaffinch.gradients.SKETCHES`.
        ridge: Added to the diagonal of the Gram matrix; None for 1e-4 of its mean diagonal.
        seed: Of the sketch.
    """

    dimensions: int = 512
    sketch: str = "rademacher"
    ridge: float | None = None
    seed: int = 0

    def influences(self, tasks: Tasks) -> Iterator[tuple[float, Influence]]:
        """One kernel for each checkpoint, all with the same mean weights ``1 - p``.

        Raises:
            InputError: No dimension, or a negative ridge.
        """
        at_least("dimensions", self.dimensions, 1)
        at_least("ridge", self.ridge or 0.0, 0.0)
        misses = torch.stack([_misses(task) for task in tasks]).mean(0)
        for task in tasks:
            yield 1.0 / len(tasks), self._kernel(task, misses)

    def _kernel(self, task: Task, misses: Tensor) -> Influence:
        if task.loss is not None:
            raise InputError(
                "the margin of a classifier", "a loss function", "Leave loss= out with TRAK"
            )
        features = self._features(task.gradients(task.data, loss=margin_loss)).double()
        gram = features.T @ features
        ridge = self.ridge
        if ridge is None:
            ridge = _RIDGE_SHARE * float(gram.diagonal().mean())
        gram.diagonal().add_(ridge)
        triangle, failed = torch.linalg.cholesky_ex(gram)
        if int(failed):
            raise InputError(
                "a Gram matrix that can be inverted",
                f"a singular one ({len(features)} samples in {len(gram)} dimensions)",
                "Pass ridge=, or fewer dimensions= than samples",
            )
        solved = torch.cholesky_solve(features.T, triangle).T
        diagonal = misses * (features * solved).sum(1).to(misses)

        def embed(targets: Targets) -> Tensor:
            return self._features(task.gradients(targets.data, loss=margin_loss))

        table = (misses[:, None] * solved.to(misses)).to(misses)
        return Embedded(table, embed, diagonal, Diagnostics(damping={"gram": ridge}))

    def _features(self, block: GradientBlock) -> Tensor:
        """(N, K) sketched gradients of the margin, all with the other sign, which cancels."""
        if block.num_parameters <= self.dimensions:
            return block.dense()
        return block.sketch(self.dimensions, self.sketch, self.seed)


def margin_loss(outputs: Any, targets: Tensor) -> Tensor:
    """(N,) ``-log p_y / (1 - p_y)``, the margin of a classifier turned into a loss.

    Args:
        outputs: Logits (N, C), or an output with such ``logits``.
        targets: (N,) class codes.

    Raises:
        InputError: Targets that are not codes.
    """
    logits = logits_of(outputs)
    if targets.is_floating_point() or targets.ndim != 1:
        raise InputError(
            "targets (N,) with class codes for a margin",
            f"{targets.dtype} of shape {tuple(targets.shape)}",
            "Encode the labels as codes, or choose another estimator",
        )
    chosen = targets.long()[:, None]
    own = logits.gather(1, chosen)[:, 0]
    others = logits.scatter(1, chosen, -torch.inf)
    loss: Tensor = torch.logsumexp(others, 1) - own
    return loss


def _misses(task: Task) -> Tensor:
    """(N,) ``1 - p`` of the given labels."""
    parts, start = [], 0
    for x, y in batches(task.data, task.model, task.batch_size):
        with evaluating(task.model), torch.no_grad():
            outputs = forward(task.model, x)
            loss = sample_losses(margin_loss, outputs, y, len(y), range(start, start + len(y)))
        start += len(y)
        parts.append(torch.sigmoid(loss))
    return torch.cat(parts)
