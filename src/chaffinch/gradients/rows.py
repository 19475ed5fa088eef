"""Row blocks: how much is worked on at once, and the element type it is worked on in."""

import warnings
from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array: TypeAlias = Tensor | NDArray[Any]
Index: TypeAlias = slice | Tensor | NDArray[np.integer] | list[int]

BLOCK_FLOATS = 1 << 20
"""Numbers that one row block may hold: 4 MiB in float32, which stays near the processor."""


def row_blocks(rows: int, floats_per_row: float, budget: int = BLOCK_FLOATS) -> Iterator[slice]:
    """Cut ``rows`` into consecutive slices that hold at most ``budget`` numbers each."""
    step = max(1, int(budget / max(1.0, floats_per_row)))
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


def product_rows(floats_per_row: float) -> int:
    """Rows of a materialised matrix to multiply at once: 32 or more where 64 MiB allow it.

    Fewer rows would spend the time on reading the other factor again and again.
    """
    floats = max(1.0, floats_per_row)
    return max(1, int(BLOCK_FLOATS / floats), min(32, int(16 * BLOCK_FLOATS / floats)))


def computing_dtype(dtype: torch.dtype) -> torch.dtype:
    """The element type to add up in: float32 for half precision, else the type itself."""
    return torch.float32 if dtype in (torch.float16, torch.bfloat16) else dtype


def widen(tensor: Tensor) -> Tensor:
    """The tensor in the element type to add up in (no copy unless it is in half precision)."""
    return tensor.to(computing_dtype(tensor.dtype))


def pick(tensor: Tensor, index: Index) -> Tensor:
    """The rows at ``index``: a view for a slice, a copy otherwise."""
    if isinstance(index, slice):
        return tensor[index]
    rows = index if isinstance(index, Tensor) else as_tensor(np.asarray(index))
    return tensor[rows.to(tensor.device)]


def as_tensor(array: Array) -> Tensor:
    """A tensor that shares memory with ``array``, which is only read."""
    if isinstance(array, Tensor):
        return array.detach()
    with warnings.catch_warnings():  # a read-only memory map is fine: nothing is written to it
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        plain = np.asarray(array)
        if (
            not plain.dtype.isnative
            or plain.dtype == np.longdouble
            or min(plain.strides, default=0) < 0
        ):
            kind = np.dtype(np.float64) if plain.dtype == np.longdouble else plain.dtype
            plain = plain.astype(kind.newbyteorder("="), order="C")  # torch knows neither
        return torch.from_numpy(plain)


def split_axis(tensor: Tensor, axis: int, parts: int) -> Tensor:
    """One axis as two, the first of length ``parts``."""
    shape, axis = tensor.shape, axis % tensor.ndim
    return tensor.reshape(*shape[:axis], parts, shape[axis] // max(1, parts), *shape[axis + 1 :])
