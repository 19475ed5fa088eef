"""Collecting the pieces of many batches without holding them twice."""

import torch
from torch import Tensor

from chaffinch.gradients import combine
from chaffinch.gradients.piece import Piece


class Collector:
    """Gathers the gradients of one parameter, batch by batch, in tensors of the final size.

    Joining a list of batches at the end would need twice their memory.

    Args:
        samples: N, how many samples will come.
    """

    def __init__(self, samples: int) -> None:
        self._samples = samples
        self._filled = 0
        self._whole: Piece | None = None
        self._parts: list[Piece] = []

    def add(self, piece: Piece) -> None:
        """Take the gradients of the next samples."""
        if self._whole is None and not self._parts:
            if len(piece) == self._samples:
                self._whole, self._filled = piece, len(piece)
                return
            self._whole = piece.rebuilt([_room(t, self._samples) for t in piece.tensors])
        if self._whole is None or piece.structure != self._whole.structure:
            self._turn_to_parts()
            self._parts.append(piece)
            return
        for target, tensor in zip(self._whole.tensors, piece.tensors, strict=True):
            target[self._filled : self._filled + len(piece)] = tensor
        self._filled += len(piece)

    def result(self) -> Piece:
        """The gradients of all samples."""
        if self._whole is not None:
            return self._whole.take(slice(0, self._filled))
        return combine.join(self._parts)

    def _turn_to_parts(self) -> None:
        """Give up the common tensors: a batch has another structure."""
        if self._whole is not None:
            self._parts.append(self._whole.take(slice(0, self._filled)))
            self._whole = None


def _room(tensor: Tensor, samples: int) -> Tensor:
    """An empty tensor for more samples, with channels last in memory where they were."""
    last = tensor.ndim == 4 and tensor.is_contiguous(memory_format=torch.channels_last)
    memory = torch.channels_last if last else torch.contiguous_format
    shape = (samples, *tensor.shape[1:])
    return torch.empty(shape, dtype=tensor.dtype, device=tensor.device, memory_format=memory)
