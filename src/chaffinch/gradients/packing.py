"""Packing: several short texts in one row of a causal model, whose gradients stay apart."""

from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor, nn

from chaffinch.core.errors import InputError


@dataclass(frozen=True, eq=False)
class Places:
    """Where the tokens of a padded batch lie in packed rows.

    Attributes:
        shape: (R, L) of the packed rows.
        at: (N, T) number of the packed position of each token, 0 where there is padding.
        real: (N, T) whether a token is there.
    """

    shape: tuple[int, int]
    at: Tensor
    real: Tensor

    @classmethod
    def of(cls, mask: Tensor, length: int) -> "Places":
        """Lay samples one behind the other, a new row where the next does not fit.

        Args:
            mask: (N, T) 1 where a token is.
            length: Maximum number of tokens in a row; a longer sample gets a row of its own length.
        """
        real = mask.bool()
        starts, filled, row, longest = [], 0, 0, 1
        for count in real.sum(1).tolist():
            if filled and filled + count > length:
                row, filled = row + 1, 0
            starts.append((row, filled))
            filled += count
            longest = max(longest, filled)
        begin = torch.tensor([r * longest + c for r, c in starts], device=mask.device)
        order = real.cumsum(1) - 1
        at = torch.where(real, begin[:, None] + order, 0)
        return cls((row + 1, longest), at, real)

    def packed(self, values: Tensor, filler: int) -> Tensor:
        """(N, T) put into (R, L)."""
        flat = values.new_full((self.shape[0] * self.shape[1],), filler)
        flat[self.at[self.real]] = values[self.real]
        return flat.view(self.shape)

    def spread(self, values: Tensor) -> Tensor:
        """(R, L, ...) put into (N, T, ...); what stands at padding means nothing."""
        return values.flatten(0, 1)[self.at]


@final
class Packing(nn.Module):
    """A causal model that reads its batch packed, and answers as if each sample were alone.

    A sample sees itself only: the attention mask is made of blocks and positions begin at 0 for
    each. Less padding is computed where lengths differ. `chaffinch.gradients.capture` gives the
    gradients of the samples, not of the rows.

    Args:
        model: A causal model of Transformers, with or without adapters; its attention must take a
            mask (N, 1, T, T), which "eager" and "sdpa" do.
        length: Maximum number of tokens in a packed row.

    Raises:
        InputError: A length below 1.
    """

    def __init__(self, model: nn.Module, length: int = 512) -> None:
        super().__init__()
        if length < 1:
            raise InputError("a length of at least 1", str(length), "Pass a larger length")
        self.model = model
        self.length = length
        self._places: Places | None = None

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Any:
        """(N, T) tokens and mask to logits (N, T, V).

        Raises:
            InputError: A row without a token, which cannot be packed.
        """
        if not bool(attention_mask.any(1).all()):
            raise InputError("a token in every row", "rows without one", "Leave them out")
        places = self._places = Places.of(attention_mask, self.length)
        one = torch.arange(1, len(input_ids) + 1, device=input_ids.device)
        owner = places.packed(one[:, None].expand_as(input_ids).contiguous(), 0)
        order = places.packed(attention_mask.long().cumsum(1) - 1, 0)
        kind = next(self.model.parameters()).dtype
        outputs = self.model(
            input_ids=places.packed(input_ids, 0),
            attention_mask=_blocks(owner, kind),
            position_ids=order,
        )
        return places.spread(getattr(outputs, "logits", outputs))

    def spread(self, layer_input: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """Input and output gradient of a layer by samples where they are those of packed rows."""
        places = self._places
        if places is None or tuple(gradient.shape[:2]) != places.shape:
            return layer_input, gradient
        if tuple(layer_input.shape[:2]) != places.shape:
            return layer_input, gradient
        found = places.spread(gradient)
        real = places.real.view(*places.real.shape, *[1] * (found.ndim - 2))
        return places.spread(layer_input), found * real


def _blocks(owner: Tensor, dtype: torch.dtype) -> Tensor:
    """(R, 1, L, L) zero where a token may look, very negative elsewhere."""
    count = owner.shape[1]
    allowed = owner[:, :, None] == owner[:, None, :]
    allowed &= torch.ones(count, count, dtype=torch.bool, device=owner.device).tril()
    mask = torch.zeros(allowed.shape, dtype=dtype, device=owner.device)
    return mask.masked_fill_(~allowed, torch.finfo(dtype).min)[:, None]
