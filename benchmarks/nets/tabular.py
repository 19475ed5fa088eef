"""Networks for tables (Gorishniy et al., 2021): a residual net and the FT-Transformer.

Inputs are encoded rows: standardised numbers and one-hot categories side by side. `widths` says how
many of the columns belong to each feature of the table.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from chaffinch.core.errors import InputError


class TabularResNet(nn.Module):
    """Residual blocks of batch normalisation, two linear layers and dropout.

    Args:
        num_inputs: I.
        num_classes: C.
        width: Of the stream between the blocks.
        blocks: How many.
        dropout: Of the hidden units of a block.
    """

    def __init__(
        self,
        num_inputs: int,
        num_classes: int,
        width: int = 128,
        blocks: int = 3,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.stem = nn.Linear(num_inputs, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.BatchNorm1d(width),
                nn.Linear(width, 2 * width),
                nn.ReLU(),
                nn.Dropout(dropout),
                nn.Linear(2 * width, width),
            )
            for _ in range(blocks)
        )
        self.norm = nn.BatchNorm1d(width)
        self.head = nn.Linear(width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """(B, I) to logits (B, C)."""
        stream = self.stem(x)
        for block in self.blocks:
            stream = stream + block(stream)
        logits: Tensor = self.head(torch.relu(self.norm(stream)))
        return logits


class _Attention(nn.Module):
    """One layer of the transformer: normalise first, attend, then the gated feed-forward part."""

    def __init__(self, width: int, heads: int, dropout: tuple[float, float], first: bool) -> None:
        super().__init__()
        hidden = width * 4 // 3
        # The published network leaves the first normalisation out.
        self.attention_norm = nn.Identity() if first else nn.LayerNorm(width)
        self.projection = nn.Linear(width, 3 * width)
        self.mixing = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, 2 * hidden)
        self.down = nn.Linear(hidden, width)
        self.dropout = nn.Dropout(dropout[1])
        self._heads, self._attention_dropout = heads, dropout[0]

    def forward(self, x: Tensor) -> Tensor:
        count, tokens, width = x.shape
        parts = self.projection(self.attention_norm(x))
        parts = parts.view(count, tokens, 3, self._heads, width // self._heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        share = self._attention_dropout if self.training else 0.0
        mixed = nn.functional.scaled_dot_product_attention(query, key, value, dropout_p=share)
        x = x + self.mixing(mixed.transpose(1, 2).reshape(count, tokens, width))
        signal, gate = self.up(self.norm(x)).chunk(2, dim=-1)
        out: Tensor = x + self.down(self.dropout(signal * torch.relu(gate)))
        return out


class FTTransformer(nn.Module):
    """A transformer over one token a feature of the table, and one for the answer.

    Args:
        widths: How many encoded columns each feature has; a category's token is the row of its
            matrix that the one-hot columns pick.
        num_classes: C.
        width: Of a token; 192 in the paper.
        blocks: How many layers; 3 in the paper.
        heads: Of the attention; 8 in the paper.
        dropout: Of the attention and of the feed-forward part.

    Raises:
        InputError: No feature, or a width that the heads do not divide.
    """

    def __init__(
        self,
        widths: Sequence[int],
        num_classes: int,
        width: int = 32,
        blocks: int = 3,
        heads: int = 8,
        dropout: tuple[float, float] = (0.2, 0.1),
    ) -> None:
        super().__init__()
        if not widths or min(widths) < 1:
            raise InputError("features of at least one column", str(list(widths)), "Name the width")
        if width % heads:
            raise InputError(f"a width that {heads} heads divide", str(width), "Choose another")
        feature = torch.repeat_interleave(torch.arange(len(widths)), torch.tensor(list(widths)))
        self.place: Tensor
        self.register_buffer("place", torch.eye(len(widths))[feature], persistent=False)
        limit = width**-0.5
        self.weight = nn.Parameter(torch.empty(len(feature), width).uniform_(-limit, limit))
        self.bias = nn.Parameter(torch.empty(len(widths), width).uniform_(-limit, limit))
        self.answer = nn.Parameter(torch.empty(width).uniform_(-limit, limit))
        self.blocks = nn.ModuleList(
            _Attention(width, heads, dropout, number == 0) for number in range(blocks)
        )
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, num_classes)

    def tokens(self, x: Tensor) -> Tensor:
        """(B, I) to one token a feature, (B, features, width)."""
        # One product for all features: the weights of a feature's columns in its own block.
        blocks = (self.place[:, :, None] * self.weight[:, None, :]).flatten(1)
        return (x @ blocks).view(len(x), *self.bias.shape) + self.bias

    def forward(self, x: Tensor) -> Tensor:
        """(B, I) to logits (B, C)."""
        stream = torch.cat([self.answer.expand(len(x), 1, -1), self.tokens(x)], dim=1)
        for block in self.blocks:
            stream = block(stream)
        logits: Tensor = self.head(torch.relu(self.norm(stream[:, 0])))
        return logits
