"""GEX: how losses move together over an ensemble of models around the checkpoint."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, final

import torch
from torch import Tensor
from torch.func import grad

from chaffinch.core.errors import InputError
from chaffinch.gradients.batch import batches
from chaffinch.gradients.objective import cross_entropy
from chaffinch.gradients.recorder import evaluating
from chaffinch.influence.bilinear import Embedded
from chaffinch.influence.diagnostics import Diagnostics
from chaffinch.influence.estimator import Averaged, Influence, Targets, at_least, estimator
from chaffinch.influence.inverse import DenseInverse, LastLayerInverse
from chaffinch.influence.product import chosen_parameters, run, total_loss, unflatten
from chaffinch.influence.solvers.exact import assembled
from chaffinch.influence.task import Task, generator


@final
@estimator(
    "gex",
    summary="mean product of loss changes over models fine-tuned from the checkpoint; not bilinear",
    paper="Kim et al., NeurIPS 2023",
    cost="members x (steps of B samples + a forward pass of N + M)",
)
@dataclass(frozen=True)
class Gex(Averaged):
    """``mean_e [loss_e(i) - loss(i)] [loss_e(j) - loss(j)]`` over an ensemble of models e.

    With the Laplace approximation as the ensemble and losses made linear, this is exactly
    ``g_i^T A^-1 g_j``. The paper keeps the losses as they are, and takes the ensemble from the
    geometry of the loss: each member is the checkpoint after some steps of plain SGD at a constant
    learning rate, on the chosen layers, with mini-batches of its own.

    Attributes:
        members: E.
        sampler: "sgd", the paper's geometric ensemble, or "laplace", a Gaussian with the inverse
            Gauss-Newton matrix as its covariance, in pairs of opposite members.
        rate: Learning rate of SGD.
        steps: Steps of SGD for each member.
        batch: Samples in a mini-batch.
        spread: Scale of the Gaussian; its square divides the result.
        damping: Of the Gaussian, as for `Exact`.
        seed: Of all draws.
    """

    members: int = 8
    sampler: Literal["sgd", "laplace"] = "sgd"
    rate: float = 0.05
    steps: int = 200
    batch: int = 64
    spread: float = 0.01
    damping: float | None = None
    seed: int = 0

    def influence(self, task: Task) -> Influence:
        """At one checkpoint.

        Raises:
            InputError: An unknown sampler, or numbers that are too small.
        """
        for name in ("members", "steps", "batch"):
            at_least(name, getattr(self, name), 1)
        if self.sampler == "sgd":
            offsets, scale, damping = _fine_tuned(self, task), 1.0, dict[str, float]()
        elif self.sampler == "laplace":
            offsets, damping = _gaussian(self, task)
            scale = self.spread
        else:
            raise InputError("the sampler sgd or laplace", repr(self.sampler), "Choose one of them")
        return ensemble_influence(task, offsets, scale, Diagnostics(damping=damping))


def ensemble_influence(
    task: Task,
    offsets: Sequence[Tensor],
    scale: float = 1.0,
    diagnostics: Diagnostics | None = None,
) -> Embedded:
    """The influence that an ensemble around the checkpoint gives.

    Args:
        task: The training samples.
        offsets: The members, as (P,) differences of their parameters from the checkpoint.
        scale: Divides every loss change.
        diagnostics: How the ensemble was had.
    """
    factor = scale * len(offsets) ** 0.5

    def embed(targets: Targets) -> Tensor:
        changes: Tensor = loss_changes(task, targets.data, offsets) / factor
        return changes

    samples = embed(Targets(task.data))
    note = f"The ensemble has {len(offsets)} members."
    found = (diagnostics or Diagnostics()).merged(Diagnostics(notes=(note,)))
    return Embedded(samples, embed, samples.square().sum(1), found)


def loss_changes(task: Task, data: Any, offsets: Sequence[Tensor]) -> Tensor:
    """(N, E) by how much the losses of any data change from the checkpoint to each member."""
    last = task.observe(data)
    if last is not None:
        labels = last.probabilities - last.errors
        logs = last.probabilities.clamp(min=torch.finfo(last.probabilities.dtype).tiny).log()
        before = -(labels * logs).sum(1)
        columns = []
        for offset in offsets:
            moved = torch.log_softmax(logs + _logits(last.features, offset, last.shape), 1)
            columns.append(-(labels * moved).sum(1) - before)
        return torch.stack(columns, 1)
    parameters = chosen_parameters(task)
    parts = [torch.zeros(0, len(offsets), dtype=task.block.dtype, device=task.block.device)]
    loss = task.loss or cross_entropy
    with evaluating(task.model), torch.no_grad():
        for x, y in batches(data, task.model, task.batch_size):
            before = loss(run(task, parameters, x), y)
            found = []
            for offset in offsets:
                member = _moved(parameters, offset)
                found.append(loss(run(task, member, x), y) - before)
            parts.append(torch.stack(found, 1))
    return torch.cat(parts)


def _logits(features: Tensor, offset: Tensor, shape: tuple[int, int]) -> Tensor:
    """(N, C) change of the logits by an offset (P,) of the last layer."""
    classes, inputs = shape
    weight = offset[: classes * inputs].view(classes, inputs).to(features)
    bias = offset[classes * inputs :].to(features)
    return features @ weight.T + (bias if len(bias) else 0)


def _moved(parameters: dict[str, Tensor], offset: Tensor) -> dict[str, Tensor]:
    change = unflatten(parameters, offset[None])
    return {name: value + change[name][0] for name, value in parameters.items()}


def _gaussian(options: Gex, task: Task) -> tuple[list[Tensor], dict[str, float]]:
    """Members in opposite pairs from the Laplace approximation."""
    inverse = assembled(task, "ggn", options.damping, 12_000)
    if not isinstance(inverse, DenseInverse | LastLayerInverse):
        raise InputError("a dense curvature", type(inverse).__name__, "Use sampler='sgd'")
    pairs = (options.members + 1) // 2
    noise = torch.randn(
        inverse.dimensions, pairs, generator=generator(options.seed), dtype=torch.float64
    )
    half = (options.spread * inverse.root(noise)).T.to(task.block.dtype)
    return [*half, *-half], dict(inverse.diagnostics.damping)


def _fine_tuned(options: Gex, task: Task) -> list[Tensor]:
    """Members as ends of independent runs of SGD from the checkpoint."""
    source, count = generator(options.seed), task.block.num_parameters
    offsets, last = [], task.last_layer
    pool = None if last is not None else _pool(task)
    size = min(options.batch, len(task))
    for _member in range(options.members):
        offset = torch.zeros(count, dtype=task.block.dtype, device=task.block.device)
        for _step in range(options.steps):
            rows = torch.randint(len(task), (size,), generator=source)
            if last is not None:
                part = last.take(rows)
                logs = part.probabilities.clamp(min=torch.finfo(part.features.dtype).tiny).log()
                p = torch.softmax(logs + _logits(part.features, offset, part.shape), 1)
                errors = part.errors + (p - part.probabilities)
                slope = torch.cat(_slopes(errors, part.features, part.bias))
            else:
                slope = _slope(task, offset, _pick(pool, rows))
            offset = offset - options.rate / size * slope
        offsets.append(offset)
    return offsets


def _slopes(errors: Tensor, features: Tensor, bias: bool) -> list[Tensor]:
    weight = (errors.T @ features).flatten()
    return [weight, errors.sum(0)] if bias else [weight]


def _slope(task: Task, offset: Tensor, batch: tuple[Any, Any]) -> Tensor:
    """(P,) sum of the gradients of a mini-batch at a member."""
    member = _moved(chosen_parameters(task), offset)
    with evaluating(task.model):
        slopes = grad(lambda chosen: total_loss(task, chosen, batch))(member)
    return torch.cat([slope.detach().flatten() for slope in slopes.values()])


def _pool(task: Task) -> Any:
    """All samples in memory, to draw mini-batches from."""
    return _joined(list(batches(task.data, task.model, max(task.batch_size, 256))))


def _joined(parts: Sequence[Any]) -> Any:
    first = parts[0]
    if isinstance(first, dict):
        return {name: _joined([part[name] for part in parts]) for name in first}
    if isinstance(first, tuple):
        return tuple(_joined(column) for column in zip(*parts, strict=True))
    return torch.cat(list(parts))


def _pick(part: Any, rows: Tensor) -> Any:
    if isinstance(part, dict):
        return {name: _pick(value, rows) for name, value in part.items()}
    if isinstance(part, tuple):
        return tuple(_pick(value, rows) for value in part)
    return part[rows]
