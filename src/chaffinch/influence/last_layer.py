"""The last linear layer under cross-entropy: everything its gradients and curvature need."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from chaffinch.core.errors import InputError
from chaffinch.gradients import GradientBlock
from chaffinch.gradients.batch import batches
from chaffinch.gradients.recorder import evaluating, hooked
from chaffinch.gradients.rows import Array, Index, as_tensor, pick, row_blocks, widen
from chaffinch.losses.loss import check_distributions
from chaffinch.models.forward import DIFFERENTIABLE, forward, running
from chaffinch.models.layers import has_own_weight, is_linear


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

    It goes by values: what the layer gave has to be what the model gave, and the gradient of two
    samples' outputs by the layer has to be that of a linear layer.

    Returns:
        None where the model ends in something else (a scale in place, a layer under a
        parametrization or with a ``forward`` of its own), or where a part of the layer is frozen
        or shared with another layer: then its gradient is not that of the layer alone.
    """
    names = {module: name for name, module in model.named_modules()}
    linear = [one for one in names if isinstance(one, nn.Linear) and one.in_features]
    x, _ = next(batches(data, model, 2, limit=2))
    with evaluating(model), _heard(linear) as passes:
        outputs = forward(model, x)
        if not isinstance(outputs, Tensor) or outputs.ndim != 2 or outputs.shape[1] < 2:
            return None
        last = [one for one in passes if one.gave(outputs) and _has_its_gradient(one, outputs)]
    if len(last) != 1 or [one.layer for one in passes].count(last[0].layer) != 1:
        return None
    layer = last[0].layer
    own = {id(parameter) for parameter in layer.parameters()}
    uses = [id(p) for m in names for p in m.parameters(recurse=False) if id(p) in own]
    return names[layer] if len(uses) == len(own) else None


@dataclass(frozen=True, eq=False)
class _Pass:
    """A linear layer in one forward pass: what went in, and a copy of what came out."""

    layer: nn.Linear
    given: Tensor
    output: Tensor

    def gave(self, outputs: Tensor) -> bool:
        """Whether the model's outputs are the layer's, and these those of its weight and bias."""
        same = outputs.shape == self.output.shape
        same = same and torch.equal(self.output.to(outputs.dtype), outputs.detach())
        return same and is_linear(self.layer, self.given, self.output)


@contextmanager
def _heard(layers: list[nn.Linear]) -> Iterator[list[_Pass]]:
    """Record the passes of linear layers while open."""
    passes: list[_Pass] = []

    def keep(module: Any, args: Any, kwargs: Any, output: Tensor) -> None:
        given = (args[0] if args else kwargs["input"]).detach()
        # Copies: what follows may work in place.
        passes.append(_Pass(module, given.clone(), output.detach().clone()))

    with hooked(layers, keep):
        yield passes


def _has_its_gradient(heard: _Pass, outputs: Tensor) -> bool:
    """Whether the gradient of the outputs by all the layer's parameters is that of a linear layer.

    Zeros that are scaled, reversed gradients and the like do not show in the outputs.
    """
    layer = heard.layer
    trained = has_own_weight(layer) and all(one.requires_grad for one in layer.parameters())
    if not (trained and outputs.requires_grad):
        return False
    # Numbers of which none is another's multiple, so that nothing cancels.
    errors = torch.arange(1.0, outputs.numel() + 1, device=outputs.device).sqrt().view_as(outputs)
    parameters = list(layer.parameters())
    with running(DIFFERENTIABLE):
        found = torch.autograd.grad(
            outputs, parameters, errors.to(outputs.dtype), retain_graph=True, allow_unused=True
        )
    inputs = widen(heard.given.to_dense())
    errors = errors.to(inputs.dtype)
    expected = [errors.T @ inputs, errors.sum(0)][: len(parameters)]
    slack = 0.05 if outputs.element_size() < 4 or layer.weight.element_size() < 4 else 1e-3
    return all(
        got is not None and bool((widen(got) - true).norm() <= slack * true.norm())
        for got, true in zip(found, expected, strict=True)
    )


def observe(model: nn.Module, data: Any, name: str, batch_size: int = 256) -> LastLayer | None:
    """Run a model over data once, forward only, and keep what its last layer saw.

    Args:
        model: A model whose output is that of the layer; run in eval mode, its modes restored.
        data: A torch Dataset of (x, y), or (X, y), with codes (N,) or class probabilities (N, C).
        name: Name of the layer, from `find_last_layer`.
        batch_size: Samples in one forward pass.

    Returns:
        None where the outputs of some batch are not those of the layer (a clamp, a branch).
    """
    layer: Any = model.get_submodule(name)
    probabilities, errors, features = [], [], list[Tensor]()
    for x, y in batches(data, model, batch_size):
        with evaluating(model), torch.no_grad(), _heard([layer]) as passes:
            outputs = forward(model, x)
            if len(passes) != 1 or not passes[0].gave(outputs):
                return None
            p = torch.softmax(widen(outputs), 1)
            probabilities.append(p)
            errors.append(p - _distribution(y, p))
            features.append(widen(passes[0].given))
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
        check_distributions(y)
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
