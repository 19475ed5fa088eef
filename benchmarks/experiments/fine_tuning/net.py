"""The part of a BERT encoder that learns, with a new head."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

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

    def forward(self, x: Tensor, tokens: "Tokens", first_only: bool = False) -> Tensor:
        """(n, H) to (n, H), or to (B, H) for the first token of each text alone.

        Args:
            x: Outputs of the layer below for n tokens, text by text.
            tokens: Where each of them stands.
            first_only: Whether only the first tokens' outputs are wanted. They are the same as in
                the whole, for about a fifth of the operations.
        """
        asking = x[tokens.first] if first_only else x
        asked = self.query(asking)
        mixed = F.scaled_dot_product_attention(
            self._split(asked[:, None] if first_only else tokens.spread(asked)),
            self._split(tokens.spread(self.key(x))),
            self._split(tokens.spread(self.value(x))),
            attn_mask=tokens.mask[:, None, None, :],
            dropout_p=self.dropout.p if self.training else 0.0,
        )
        mixed = mixed.transpose(1, 2).flatten(2)
        mixed = mixed[:, 0] if first_only else tokens.gather(mixed)
        middle = self.attention_norm(self.dropout(self.merge(mixed)) + asking)
        wide = self.activation(self.widen(middle))
        result: Tensor = self.norm(self.dropout(self.narrow(wide)) + middle)
        return result

    def _split(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)


@dataclass(frozen=True, eq=False)
class Tokens:
    """Where the n tokens of B texts stand in a batch that is padded to T.

    Whatever works on each token by itself is done on the n tokens alone: in a batch of short
    texts, half of B x T is padding.

    Attributes:
        mask: (B, T) which places hold a token; the first of every text does.
    """

    mask: Tensor

    @cached_property
    def places(self) -> Tensor:
        """(n,) of the B x T places, those with a token, text by text."""
        return self.mask.flatten().nonzero()[:, 0]

    @cached_property
    def first(self) -> Tensor:
        """(B,) which of the n tokens begin a text."""
        lengths = self.mask.sum(1)
        return lengths.cumsum(0) - lengths

    def gather(self, x: Tensor) -> Tensor:
        """(B, T, H) to the (n, H) of the tokens."""
        return x.flatten(0, 1)[self.places]

    def spread(self, x: Tensor) -> Tensor:
        """(n, H) to (B, T, H), 0 where there is padding."""
        whole = x.new_zeros(self.mask.numel(), x.shape[1])
        return whole.index_copy(0, self.places, x).view(*self.mask.shape, -1)


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
        tokens = Tokens((x != 0).any(2))
        x = tokens.gather(x)
        for number, layer in enumerate(self.layers):
            x = layer(x, tokens, first_only=number == len(self.layers) - 1)
        logits: Tensor = self.head(self.dropout(x))
        return logits
