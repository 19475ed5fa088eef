"""Root-mean-square normalisation (Zhang and Sennrich 2019), of PyTorch and of Transformers."""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from chaffinch.gradients.piece import Piece
from chaffinch.gradients.rules.layer_norm import scale_and_shift
from chaffinch.gradients.rules.registry import rule

ALIKE = ("Llama", "Mistral", "Mixtral", "Phi3", "Qwen2", "Qwen3", "SmolLM3")
"""Models of Transformers whose own norm layers do the same as one another."""


@rule(nn.RMSNorm)
def rms_norm(module: Any, layer_input: Tensor, output_gradient: Tensor) -> Mapping[str, Piece]:
    """Inputs and output gradients (N, *, *normalized_shape)."""
    shape = tuple(module.normalized_shape)
    normal = F.rms_norm(layer_input, shape, eps=module.eps)
    return {"weight": scale_and_shift(normal, output_gradient, shape)["weight"]}


@rule(*(f"transformers.models.{n.lower()}.modeling_{n.lower()}.{n}RMSNorm" for n in ALIKE))
def rms_norm_of_transformers(
    module: Any, layer_input: Tensor, output_gradient: Tensor
) -> Mapping[str, Piece]:
    """Inputs and output gradients (N, *, I); squares are averaged in float32, as the layer does."""
    wide = layer_input.to(torch.float32)
    mean = wide.square().mean(-1, keepdim=True)
    normal = (wide * torch.rsqrt(mean + module.variance_epsilon)).to(layer_input.dtype)
    shape = tuple(module.weight.shape)
    return {"weight": scale_and_shift(normal, output_gradient, shape)["weight"]}
