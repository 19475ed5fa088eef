"""Embedding tables: output errors summed into the rows that were looked up."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from chaffinch.gradients.lookup import Lookup
from chaffinch.gradients.piece import Piece
from chaffinch.gradients.rules.registry import rule


def _plain(module: Any) -> bool:
    return module.max_norm is None and not module.scale_grad_by_freq


@rule(nn.Embedding, covers=_plain)
def embedding(module: Any, layer_input: Tensor, output_gradient: Tensor) -> Mapping[str, Piece]:
    """Indices (N, *), output gradients (N, *, E); the padding row has no gradient."""
    indices = layer_input.reshape(len(layer_input), -1)
    errors = output_gradient.reshape(*indices.shape, -1)
    if module.padding_idx is not None:
        errors = errors * (indices != module.padding_idx).unsqueeze(-1)
    return {"weight": Lookup(indices.long(), errors, module.weight.shape)}
