"""Products of a curvature with vectors, without the matrix."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vjp, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from chaffinch.core.errors import InputError
from chaffinch.gradients.batch import batches
from chaffinch.gradients.objective import cross_entropy, total_of
from chaffinch.gradients.recorder import evaluating
from chaffinch.gradients.rows import row_blocks
from chaffinch.influence.task import Task
from chaffinch.models.forward import running_model

Curvature: TypeAlias = Literal["hessian", "ggn", "fisher"]
Product: TypeAlias = Callable[[Tensor], Tensor]
Parameters: TypeAlias = dict[str, Tensor]

CURVATURES = ("hessian", "ggn", "fisher")
_vjp: Any = vjp  # its type is a union over whether it has auxiliary outputs
_NO_SECOND = ("derivative for", "differentiate twice", "double backward")
_COLUMNS = 16
"""Vectors that go through one batched backward pass."""


def curvature_product(task: Task, curvature: Curvature) -> Product:
    """A function that multiplies (P, K) by the mean curvature over the training samples.

    Args:
        task: The model, its samples and its loss.
        curvature: "hessian" (of the loss; may have negative eigenvalues), "ggn" (Gauss-Newton:
            the curvature of the loss alone, Martens 2020), or "fisher" (empirical: the mean of
            ``g g^T`` with the given labels; Kunstner et al. 2019 tell it from the true one).

    Raises:
        InputError: An unknown curvature.
    """
    if curvature not in CURVATURES:
        raise InputError(f"one of {', '.join(CURVATURES)}", repr(curvature), "Choose one of them")
    if curvature == "fisher":
        return lambda vectors: _fisher(task, vectors)
    last = task.last_layer
    if last is not None:
        return last.hessian_product
    apply = _hessian if curvature == "hessian" else _gauss_newton
    return lambda vectors: _over_batches(task, vectors, apply)


def chosen_parameters(task: Task) -> Parameters:
    """The parameters of the task by name, in flat order, detached."""
    everything = dict(task.model.named_parameters())
    return {name: everything[name].detach() for name in task.block}


def unflatten(parameters: Parameters, rows: Tensor) -> Parameters:
    """(K, P) as tensors (K, *shape) by name."""
    result, start = {}, 0
    for name, value in parameters.items():
        part = rows[:, start : start + value.numel()]
        result[name] = part.reshape(len(rows), *value.shape).to(value.dtype)
        start += value.numel()
    return result


def run(task: Task, parameters: Parameters, x: Any) -> Any:
    """The outputs of the model with some parameters replaced."""
    with running_model(task.model, x):
        if isinstance(x, dict):
            return functional_call(task.model, parameters, (), x)
        return functional_call(task.model, parameters, x if isinstance(x, tuple) else (x,))


def total_loss(task: Task, parameters: Parameters, batch: tuple[Any, Any]) -> Tensor:
    """The sum of the losses of a batch (x, y) with some parameters replaced."""
    return total_of(task.loss or cross_entropy, run(task, parameters, batch[0]), batch[1])


def _fisher(task: Task, vectors: Tensor) -> Tensor:
    block = task.block
    return block.weighted_sum(block.matvec(vectors).T).T / len(block)


def _over_batches(
    task: Task,
    vectors: Tensor,
    prepare: Callable[[Task, Parameters, tuple[Any, Any]], Callable[[Parameters], Parameters]],
) -> Tensor:
    parameters = chosen_parameters(task)
    total = torch.zeros_like(vectors)
    with evaluating(task.model), twice_differentiable(task.model), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="There is a performance drop")
        for batch in batches(task.data, task.model, task.batch_size):
            product = vmap(prepare(task, parameters, batch))
            for columns in row_blocks(vectors.shape[1], 1, _COLUMNS):
                result = product(unflatten(parameters, vectors[:, columns].T))
                flat = torch.cat([part.detach().flatten(1) for part in result.values()], 1)
                total[:, columns] += flat.T.to(total.dtype)
    return total / len(task)


@contextmanager
def twice_differentiable(model: nn.Module) -> Iterator[None]:
    """Compute attention and recurrent layers by kernels that have a second derivative.

    Raises:
        InputError: The model uses another operation without one.
    """
    recurrent = any(isinstance(module, nn.RNNBase) for module in model.modules())
    slow = torch.backends.cudnn.flags(enabled=False) if recurrent else nullcontext()
    try:
        with sdpa_kernel(SDPBackend.MATH), slow:
            yield
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, NotImplementedError) as error:
        # "derivative for ... is not implemented", "trying to differentiate twice a function that
        # was marked with @once_differentiable", "... does not support double backward"
        said = str(error)
        twice = any(word in said for word in _NO_SECOND)
        raise InputError(
            f"a model ({type(model).__name__}) whose outputs can be differentiated "
            f"{'twice' if twice else 'by torch.func'}",
            " ".join(said.split())[:200],
            "Use curvature='fisher', or an estimator without second derivatives such as ekfac, "
            "datainf or grad_dot",
        ) from error


def _hessian(
    task: Task, parameters: Parameters, batch: tuple[Any, Any]
) -> Callable[[Parameters], Parameters]:
    """Reverse over reverse: every layer supports it, and one forward pass serves all vectors."""
    _, pull = _vjp(grad(lambda chosen: total_loss(task, chosen, batch)), parameters)
    return lambda vector: pull(vector)[0]


def _gauss_newton(
    task: Task, parameters: Parameters, batch: tuple[Any, Any]
) -> Callable[[Parameters], Parameters]:
    """Jacobian, then the Hessian of the loss by the outputs, then the transposed Jacobian.

    The Jacobian is the transpose of its transpose, so that no layer needs forward-mode rules.
    """
    x, y = batch
    loss = task.loss or cross_entropy
    outputs, pull = _vjp(lambda chosen: _logits(run(task, chosen, x)), parameters)
    _, push = _vjp(lambda slopes: pull(slopes)[0], torch.zeros_like(outputs))
    _, bend = _vjp(grad(lambda out: loss(out, y).sum()), outputs)
    return lambda vector: pull(bend(push(vector)[0])[0])[0]


def _logits(outputs: Any) -> Tensor:
    logits = getattr(outputs, "logits", outputs)
    if not isinstance(logits, Tensor):
        raise InputError(
            "a model that returns a tensor or an output with logits",
            type(logits).__name__,
            "Use curvature='hessian', which asks nothing of the outputs",
        )
    return logits
