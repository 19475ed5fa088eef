"""How many threads a training is worth."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

_SMALL_PARAMETERS = 5_000_000
_SMALL_SIDE = 16


def worth_threads(model: nn.Module, shape: tuple[int, ...]) -> bool:
    """Whether a step is long enough for several threads to pay.

    A step of a small network on vectors or tiny images takes about a millisecond. Threads gain
    nothing on it, and lose tenfold where another process is busy on the same cores.
    """
    parameters = sum(parameter.numel() for parameter in model.parameters())
    tiny = len(shape) == 1 or max(shape[1:], default=0) < _SMALL_SIDE
    return parameters > _SMALL_PARAMETERS or not tiny


@contextmanager
def threads_for(model: nn.Module, shape: tuple[int, ...]) -> Iterator[None]:
    """Compute on one thread where more do not pay; the number is set back afterwards."""
    before = torch.get_num_threads()
    if not worth_threads(model, shape):
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
