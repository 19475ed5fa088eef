"""Influence of training samples on themselves and on targets, by any estimator."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from chaffinch.gradients.batch import length
from chaffinch.gradients.layer import Layers
from chaffinch.gradients.rows import row_blocks
from chaffinch.influence.checkpoint import CheckpointedTasks, Checkpoints
from chaffinch.influence.diagnostics import Diagnostics, InfluenceWarning
from chaffinch.influence.estimator import ESTIMATORS, Estimator, Targets
from chaffinch.influence.task import Loss

TILE_FLOATS = 1 << 22
"""Numbers of the result that are computed at once."""

_STATIONARY = 0.05


@dataclass(frozen=True, eq=False)
class Attribution:
    """Influence values and what they rest on.

    Attributes:
        values: (N, M), (N, 1) for the mean target, or (N,) for self-influence; positive = helps.
        diagnostics: Convergence, damping, ``|sum of gradients|``.
        estimator: Name of the estimator.
    """

    values: Tensor
    diagnostics: Diagnostics
    estimator: str


def attribute(
    model: nn.Module,
    data: Any,
    targets: Any,
    estimator: str = "tracin",
    layers: Layers = "last",
    checkpoints: Checkpoints = None,
    *,
    loss: Loss | None = None,
    mean_target: bool = False,
    **options: Any,
) -> Tensor:
    """The influence of every training sample on the loss of every target.

    Positive: training on i lowers the loss of j. For the solvers with an inverse Hessian, a value
    over N approximates the leave-one-out effect: the loss of j without i minus that with i.

    Args:
        model: The trained model; run in eval mode, never modified.
        data: N training samples: a torch Dataset of (x, y), or a pair (X, y) of arrays.
        targets: M targets, of the same kind; validation samples rather than training samples.
        estimator: A name in `ESTIMATORS`.
        layers: Which parameters count; see `chaffinch.gradients.capture`.
        checkpoints: Paths or a glob of state dicts, state dicts or models; None for the model as
            it is. TracIn adds them up, the others average.
        loss: Function of outputs and targets that returns one loss a sample; None for
            cross-entropy.
        mean_target: Whether one column is wanted, for the mean loss of all targets, at the cost
            of one target.
        **options: Options of the estimator, such as ``damping`` or ``learning_rates``.

    Returns:
        (N, M) values, or (N, 1) with ``mean_target``.

    Raises:
        InputError: An unknown estimator or option, or data that cannot be used.

    Warns:
        InfluenceWarning: A solver that did not converge, or signs that mean nothing.
    """
    chosen = Targets(targets, mean_target)
    tasks = CheckpointedTasks(model, data, layers, loss, checkpoints)
    return estimate(tasks, chosen, estimator, **options).values


def self_influence(
    model: nn.Module,
    data: Any,
    estimator: str = "grad_dot",
    layers: Layers = "all",
    loss: Loss | None = None,
    *,
    checkpoints: Checkpoints = None,
    **options: Any,
) -> Tensor:
    """The influence of every training sample on its own loss; high = suspicious.

    One curvature is made for the whole set, never one for each sample, and no N x N matrix is
    kept.

    Args:
        model: The trained model; run in eval mode, never modified.
        data: N training samples: a torch Dataset of (x, y), or a pair (X, y) of arrays.
        estimator: A name in `ESTIMATORS`.
        layers: Which parameters count; see `chaffinch.gradients.capture`.
        loss: Function of outputs and targets that returns one loss a sample; None for
            cross-entropy.
        checkpoints: As for `attribute`.
        **options: Options of the estimator.

    Returns:
        (N,) values.

    Raises:
        InputError: An unknown estimator or option, or data that cannot be used.

    Warns:
        InfluenceWarning: A solver that did not converge.
    """
    tasks = CheckpointedTasks(model, data, layers, loss, checkpoints)
    return estimate(tasks, None, estimator, **options).values


def estimate(
    tasks: CheckpointedTasks, targets: Targets | None, estimator: str, **options: Any
) -> Attribution:
    """Influence with diagnostics, which `attribute` and `self_influence` leave out.

    Args:
        tasks: The model, training samples and layers, at one or more checkpoints.
        targets: The targets; None for self-influence.
        estimator: A name in `ESTIMATORS`.
        **options: Options of the estimator.

    Raises:
        InputError: An unknown estimator or option, or data that cannot be used.

    Warns:
        InfluenceWarning: A solver that did not converge, or signs that mean nothing.
    """
    configured = ESTIMATORS[estimator].configured(options)
    with torch.inference_mode(False):
        if targets is None:
            values, diagnostics = _diagonal(tasks, configured)
        else:
            values, diagnostics = _matrix(tasks, targets, configured)
    warn(diagnostics, estimator, targets is not None and same_data(tasks.data, targets.data))
    return Attribution(values, diagnostics, estimator)


def _diagonal(tasks: CheckpointedTasks, estimator: Estimator) -> tuple[Tensor, Diagnostics]:
    total, diagnostics = torch.zeros(()), Diagnostics()
    for weight, influence in estimator.influences(tasks):
        values, found = influence.diagonal()
        total = total + weight * values
        diagnostics = diagnostics.merged(found)
    return total, diagnostics


def _matrix(
    tasks: CheckpointedTasks, targets: Targets, estimator: Estimator
) -> tuple[Tensor, Diagnostics]:
    samples, columns = length(tasks.data), target_columns(targets)
    total: Tensor | None = None
    diagnostics = Diagnostics()
    for weight, influence in estimator.influences(tasks):
        for strip in influence.strips(targets):
            solved = strip.solve()
            diagnostics = diagnostics.merged(solved.diagnostics)
            for rows in tiles(samples, strip.columns):
                values = solved.compute(rows)
                if total is None:
                    total = values.new_zeros(samples, columns)
                total[rows, strip.columns].add_(values, alpha=weight)
    return torch.zeros(samples, columns) if total is None else total, diagnostics


def tiles(samples: int, columns: slice) -> Sequence[slice]:
    """Slices of samples whose values for some columns are computed at once."""
    return list(row_blocks(samples, columns.stop - columns.start, TILE_FLOATS))


def target_columns(targets: Targets) -> int:
    """M, or 1 for the mean target."""
    return 1 if targets.mean else length(targets.data)


def same_data(data: Any, targets: Any) -> bool:
    """Whether the targets are the training samples themselves."""
    if data is targets:
        return True
    if not all(isinstance(one, tuple | list) and len(one) == 2 for one in (data, targets)):
        return False
    return bool(data[0] is targets[0] and data[1] is targets[1])


def warn(diagnostics: Diagnostics, estimator: str, train_to_train: bool) -> None:
    """Say what the reader of the values has to know."""
    found = []
    if not diagnostics.converged:
        reason, size = " ".join(diagnostics.notes), diagnostics.residual
        residual = "" if size is None else f"did not converge (relative residual {size:.2g}). "
        found.append(f"{estimator}: {residual}{reason}".rstrip())
    ratio = diagnostics.gradient_sum_ratio
    if train_to_train and ratio is not None and ratio < _STATIONARY:
        found.append(
            f"The signs of train-to-train influence mean nothing here: the training gradients "
            f"cancel to {ratio:.1%} of their lengths, as at any stationary point. Use validation "
            "samples as targets"
        )
    for message in found:
        warnings.warn(message.rstrip(".") + ".", InfluenceWarning, stacklevel=4)
