"""The last linear layer under cross-entropy: everything its gradients and curvature need."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from chaffinch.core.errors import InputError
from chaffinch.gradients import GradientBlock
from chaffinch.gradients.batch import batches
from chaffinch.gradients.recorder import call, evaluating, hooked
from chaffinch.gradients.rows import Array, Index, as_tensor, pick, row_blocks, widen


@dataclass(frozen=True, eq=False)
class LastLayer:
    """What N samples look like to a last linear layer under cross-entropy.

    Attributes:
        probabilities: (N, C) softmax of the outputs.
        errors: (N, C) derivatives of the losses by the logits: ``p - e_y``.
        features: (N, I) inputs of the layer, without an appended 1.
        bias: Whether the layer has a bias, so that its gradient counts.
        name: Name of the layer in its model.
    """

    probabilities: Tensor
    errors: Tensor
    features: Tensor
    bias: bool = True
    name: str = ""

    @classmethod
    def from_logits(
        cls, logits: Array, codes: Array, features: Array, bias: bool = True
    ) -> "LastLayer":
        """The record of saved logits (N, C), labels (N,) and features (N, I)."""
        return cls.from_probabilities(torch.softmax(as_tensor(logits), 1), codes, features, bias)

    @classmethod
    def from_probabilities(
        cls, probabilities: Array, codes: Array, features: Array, bias: bool = True
    ) -> "LastLayer":
        """The record of saved probabilities (N, C), labels (N,) and features (N, I).

        Raises:
            InputError: Arrays of different lengths, or codes outside 0..C-1.
        """
        p, y, h = as_tensor(probabilities), as_tensor(codes), as_tensor(features)
        if p.ndim != 2 or h.ndim != 2 or y.shape != (len(p),) or len(h) != len(p):
            raise InputError(
                "probabilities (N, C), codes (N,) and features (N, I)",
                f"shapes {tuple(p.shape)}, {tuple(y.shape)} and {tuple(h.shape)}",
                "Pass one row a sample in all three",
            )
        if len(y) and not 0 <= int(y.min()) <= int(y.max()) < p.shape[1]:
            raise InputError(
                f"codes from 0 to {p.shape[1] - 1}",
                f"{int(y.min())} to {int(y.max())}",
                "Encode the labels as columns of the probabilities",
            )
        p = p.to(widen(h).dtype)
        return cls(p, p - _one_hot(y, p), h, bias)

    def __len__(self) -> int:
        return len(self.features)

    @property
    def shape(self) -> tuple[int, int]:
        """(C, I)."""
        return self.errors.shape[1], self.features.shape[1]

    @property
    def block(self) -> GradientBlock:
        """The gradients as a factored block; shares memory with this record."""
        return GradientBlock.from_last_layer(self.errors, self.features, self.bias, self.name)

    def with_labels(self, codes: Tensor) -> "LastLayer":
        """The same samples with other labels (N,)."""
        errors = self.probabilities - _one_hot(codes, self.probabilities)
        return LastLayer(self.probabilities, errors, self.features, self.bias, self.name)

    def take(self, index: Index) -> "LastLayer":
        """The samples at ``index``, in that order; views for a slice."""
        parts = (pick(one, index) for one in (self.probabilities, self.errors, self.features))
        p, d, h = parts
        return LastLayer(p, d, h, self.bias, self.name)

    def dot(self, other: "LastLayer", rows: slice) -> Tensor:
        """(n, M) inner products of some samples' gradients with M others, in two temporaries."""
        values = self.features[rows] @ other.features.T
        if self.bias:
            values += 1
        return values.mul_(self.errors[rows] @ other.errors.T)

    def hessian_product(self, vectors: Tensor) -> Tensor:
        """Product of the mean Hessian with (P, K), in 2 N P K operations and no matrix.

        For a last layer under cross-entropy the Hessian ``mean_i (diag p - p p^T) x h h^T`` is
        its own Gauss-Newton matrix.
        """
        classes, inputs = self.shape
        count, split = vectors.shape[1], classes * inputs
        weight = vectors[:split].reshape(classes, inputs, count).permute(1, 0, 2)
        weight = weight.reshape(inputs, classes * count)
        total = vectors.new_zeros(classes * count, inputs)
        bias = vectors.new_zeros(classes, count)
        for rows in row_blocks(len(self), inputs + 3 * classes * count):
            h = self.features[rows].to(vectors.dtype)
            p = self.probabilities[rows].to(vectors.dtype).unsqueeze(2)
            slopes = (h @ weight).view(len(h), classes, count)
            if self.bias:
                slopes += vectors[split:]
            slopes *= p
            slopes -= p * slopes.sum(1, keepdim=True)
            total += slopes.flatten(1).T @ h
            bias += slopes.sum(0)
        flat = total.view(classes, count, inputs).permute(0, 2, 1).reshape(split, count)
        parts = [flat, bias] if self.bias else [flat]
        return torch.cat(parts) / max(1, len(self))


def find_last_layer(model: nn.Module, data: Any) -> str | None:
    """The name of the linear layer whose output, used once, is the model's output.

    Returns:
        None where the model ends in something else, or where a part of the layer is frozen or
        shared with another layer: then its gradient is not that of the layer alone.
    """
    names = {module: name for name, module in model.named_modules()}
    linear = [module for module in names if isinstance(module, nn.Linear)]
    calls: list[tuple[nn.Module, Tensor]] = []
    x, _ = next(batches(data, model, 2, limit=2))
    with (
        evaluating(model),
        torch.no_grad(),
        hooked(linear, lambda module, _args, _kwargs, output: calls.append((module, output))),
    ):
        outputs = call(model, x)
    if not isinstance(outputs, Tensor) or outputs.ndim != 2 or outputs.shape[1] < 2:
        return None
    last = [module for module, output in calls if output is outputs]
    if len(last) != 1 or [module for module, _ in calls].count(last[0]) != 1:
        return None
    own = {id(parameter) for parameter in last[0].parameters()}
    uses = [id(p) for m in names for p in m.parameters(recurse=False) if id(p) in own]
    trains = all(parameter.requires_grad for parameter in last[0].parameters())
    return names[last[0]] if trains and len(uses) == len(own) else None


def observe(model: nn.Module, data: Any, name: str, batch_size: int = 256) -> LastLayer:
    """Run a model over data once, forward only, and keep what its last layer saw.

    Args:
        model: A model whose output is that of the layer; run in eval mode, its modes restored.
        data: A torch Dataset of (x, y), or (X, y), with codes (N,) or class probabilities (N, C).
        name: Name of the layer, from `find_last_layer`.
        batch_size: Samples in one forward pass.
    """
    layer = model.get_submodule(name)
    probabilities, errors, features = [], [], list[Tensor]()

    def keep(_module: Any, args: Any, kwargs: Any, _output: Any) -> None:
        features.append(widen((args[0] if args else kwargs["input"]).detach().clone()))

    with hooked([layer], keep):
        for x, y in batches(data, model, batch_size):
            with evaluating(model), torch.no_grad():
                p = torch.softmax(widen(call(model, x)), 1)
            probabilities.append(p)
            errors.append(p - _distribution(y, p))
    if not features:
        raise InputError("at least one sample", "none", "Pass data that are not empty")
    bias = getattr(layer, "bias", None) is not None
    kept = (torch.cat(parts) for parts in (probabilities, errors, features))
    p, d, h = kept
    return LastLayer(p, d, h, bias, name)


def _distribution(y: Tensor, p: Tensor) -> Tensor:
    """Targets as class probabilities.

    Raises:
        InputError: Neither codes of the model's classes nor probabilities of them.
    """
    if y.is_floating_point() and y.shape == p.shape:
        return y.to(p.dtype)
    if y.is_floating_point() or y.ndim != 1 or not 0 <= int(y.min()) <= int(y.max()) < p.shape[1]:
        raise InputError(
            f"targets (N,) with codes 0 to {p.shape[1] - 1}, or probabilities (N, {p.shape[1]})",
            f"{y.dtype} of shape {tuple(y.shape)}",
            "Encode the labels as codes of the model's classes",
        )
    return _one_hot(y, p)


def _one_hot(codes: Tensor, like: Tensor) -> Tensor:
    return torch.zeros_like(like).scatter_(1, codes.long()[:, None], 1)
