"""What is read off the outputs of a batch: pure functions of logits, labels and feature norms."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


class Head(NamedTuple):
    """The last linear layer in one batch, as its gradients need it.

    Attributes:
        features: (B, I) what went into the layer.
        bias: Whether the layer has a bias.
        linear: Whether the model's outputs are those of the layer, so that gradients follow.
    """

    features: Tensor
    bias: bool
    linear: bool = True

    def lengths(self) -> Tensor:
        """(B,) L2 norms of the features, in single precision at least."""
        half = self.features.element_size() < 4
        norms: Tensor = torch.linalg.vector_norm(
            self.features, dim=1, dtype=torch.float32 if half else None
        )
        return norms


@dataclass(frozen=True, eq=False)
class Measured:
    """Measures of n rows, each (n,); see `FIELDS`. ``residuals`` (n, C) is ``p - label``."""

    cross_entropy: Tensor
    margin: Tensor
    probability: Tensor
    entropy: Tensor
    residuals: Tensor


def measure(logits: Tensor, target: Tensor) -> Measured:
    """Read the measures off the outputs.

    Args:
        logits: (n, C) in float32 at least.
        target: (n,) codes, or (n, C) soft labels; of these, the probability is the mean under the
            label and the margin that of the greatest class.
    """
    z = _by_class(logits)
    log_p = F.log_softmax(z, dim=0)
    p = log_p.exp()
    soft = target.is_floating_point()
    codes = target.argmax(1) if soft else target
    # Where the labels are in the flat matrix: gather and scatter would take twice as long.
    at = codes * len(codes) + torch.arange(len(codes), device=codes.device)
    at_label = z.view(-1).index_select(0, at)
    z.view(-1).index_fill_(0, at, -torch.inf)
    others = z.amax(0) if len(z) > 1 else torch.zeros_like(at_label)
    if soft:
        label = target.t()
        loss, probability = -(label * log_p).sum(0), (p * label).sum(0)
    else:
        loss, probability = -log_p.view(-1).index_select(0, at), p.view(-1).index_select(0, at)
    entropy = -log_p.clamp_min_(torch.finfo(log_p.dtype).min).mul_(p).sum(0)
    residuals = p - target.t() if soft else p
    if not soft:
        residuals.view(-1).index_copy_(0, at, probability - 1)
    return Measured(loss, at_label - others, probability, entropy, residuals.t())


def _by_class(logits: Tensor) -> Tensor:
    """(C, n) a copy in rows of classes: torch adds up long rows many times faster than short."""
    if not logits.is_cpu:
        return logits.t().clone(memory_format=torch.contiguous_format)
    # Numpy turns a narrow matrix around in half the time.
    return torch.from_numpy(np.array(logits.detach().numpy().T, order="C"))


def widened(values: Tensor) -> Tensor:
    """The values without their graph, in single precision at least."""
    values = values.detach()
    return values.float() if values.element_size() < 4 else values


def gradient_norms(residuals: Tensor, feature_norms: Tensor, bias: bool) -> Tensor:
    """(n,) L2 norms of the samples' gradients by the weights and bias of the last layer.

    The gradient is the outer product of the residual and the input with a 1 appended for the bias,
    so its norm is the product of theirs.

    Args:
        residuals: (n, C) gradient of each loss by its logits.
        feature_norms: (n,) L2 norms of the layer's inputs.
        bias: Whether the layer has a bias.
    """
    lengths = torch.sqrt(feature_norms**2 + 1) if bias else feature_norms
    return (residuals * residuals).sum(1).sqrt() * lengths


def head_gradient(residuals: Tensor, head: Head) -> Tensor:
    """(C, I) or, with a bias, (C, I + 1): the mean gradient by the last layer, bias last."""
    with torch.autocast(residuals.device.type, enabled=False):
        return residuals.T @ extended(head) / max(1, len(residuals))


def extended(head: Head) -> Tensor:
    """(B, I) the layer's inputs, with a 1 appended where it has a bias."""
    if not head.bias:
        return head.features
    return F.pad(head.features, (0, 1), value=1.0)


def project(head: Head, gradient: Tensor) -> Tensor:
    """(B, C) product of each input with a gradient by the layer.

    Its product with a sample's residual is the dot product of the sample's gradient with that one.
    """
    bias = gradient[:, -1] if head.bias else None
    weight = gradient[:, : head.features.shape[1]]
    if not torch.is_autocast_enabled(gradient.device.type):
        return F.linear(widened(head.features), weight, bias)
    # Autocast would do the product in half precision.
    with torch.autocast(gradient.device.type, enabled=False):
        return F.linear(widened(head.features), weight, bias)
