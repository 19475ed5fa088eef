"""The part of a BERT encoder that learns, with a new head."""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_HEAD_SPREAD = 0.02


class TransformerLayer(nn.Module):
    """A layer of BERT (Devlin et al., 2019) with the weights of a trained one.

    Args:
        trained: A layer of a BERT model of Transformers; copied.
        heads: Attention heads.
    """

    def __init__(self, trained: Any, heads: int) -> None:
        super().__init__()
        parts = copy.deepcopy(trained)
        attention = parts.attention
        self.heads = heads
        self.query, self.key = attention.self.query, attention.self.key
        self.value, self.merge = attention.self.value, attention.output.dense
        self.attention_norm = attention.output.LayerNorm
        self.widen, self.narrow = parts.intermediate.dense, parts.output.dense
        self.norm = parts.output.LayerNorm
        self.activation = parts.intermediate.intermediate_act_fn
        self.dropout = nn.Dropout(float(attention.output.dropout.p))

    def forward(self, x: Tensor, mask: Tensor, first_only: bool = False) -> Tensor:
        """(B, T, H) to (B, T, H), or to (B, 1, H) for the first token alone.

        Args:
            x: Outputs of the layer below.
            mask: (B, T) which tokens are no padding.
            first_only: Whether only the first token's output is wanted. It is the same as in the
                whole, for about a fifth of the operations.
        """
        asking = x[:, :1] if first_only else x
        rate = self.dropout.p if self.training else 0.0
        mixed = F.scaled_dot_product_attention(
            self._split(self.query(asking)),
            self._split(self.key(x)),
            self._split(self.value(x)),
            attn_mask=mask[:, None, None, :],
            dropout_p=rate,
        )
        mixed = mixed.transpose(1, 2).flatten(2)
        middle = self.attention_norm(self.dropout(self.merge(mixed)) + asking)
        wide = self.activation(self.widen(middle))
        result: Tensor = self.norm(self.dropout(self.narrow(wide)) + middle)
        return result

    def _split(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)


class TopLayers(nn.Module):
    """The top layers of an encoder and a classifier that reads the first token.

    Args:
        layers: The layers to start from, lowest first; copied.
        heads: Attention heads.
        num_classes: C.
    """

    def __init__(self, layers: Sequence[Any], heads: int, num_classes: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(TransformerLayer(layer, heads) for layer in layers)
        last: Any = self.layers[-1]
        self.dropout = nn.Dropout(last.dropout.p)
        self.head = nn.Linear(last.norm.normalized_shape[0], num_classes)
        nn.init.normal_(self.head.weight, std=_HEAD_SPREAD)
        nn.init.zeros_(self.head.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, H) hidden states, 0 where there is padding, to logits (B, C)."""
        mask = (x != 0).any(2)
        for number, layer in enumerate(self.layers):
            x = layer(x, mask, first_only=number == len(self.layers) - 1)
        logits: Tensor = self.head(self.dropout(torch.select(x, 1, 0)))
        return logits
