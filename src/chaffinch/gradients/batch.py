"""Batches of inputs and targets from a torch Dataset, arrays, or encoded inputs."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import default_collate

from chaffinch.core.array import to_numpy
from chaffinch.core.errors import InputError
from chaffinch.core.option import whole
from chaffinch.gradients.rows import as_tensor
from chaffinch.models.forward import running

Batch: TypeAlias = tuple[Any, Any]


def batches(data: Any, model: nn.Module, size: int, limit: int | None = None) -> Iterator[Batch]:
    """Consecutive batches (x, y) on the device of the model, float inputs in its element type.

    Args:
        data: A torch Dataset of (x, y), or a pair (X, y) of arrays, tensors, mappings of tensors,
            or of inputs with a ``batch(index)`` method.
        model: The model they are for.
        size: Samples in a batch.
        limit: Only the first so many samples.

    Raises:
        InputError: Data of another kind, X and y of different lengths, or no positive size.
    """
    size, count = whole("a batch size", size, 1), length(data)
    stop = count if limit is None else min(count, limit)
    place = _place(model)
    for start in range(0, stop, size):
        x, y = _rows(data, start, min(start + size, stop))
        yield _move(x, *place), _move(y, *place)


def drawn(data: Any, model: nn.Module, positions: Sequence[int]) -> Batch:
    """One batch of the samples at ``positions``; see `batches`."""
    if isinstance(data, tuple | list):
        x, y = (_picked(part, positions) for part in data)
    else:
        x, y = _collated(data, positions)
    place = _place(model)
    return _move(x, *place), _move(y, *place)


def length(data: Any) -> int:
    """N, how many samples the data hold."""
    if isinstance(data, tuple | list) and len(data) == 2:
        counts = [_length(one) for one in data]
        if counts[0] != counts[1]:
            raise InputError(
                "as many targets as inputs", f"{counts[1]} for {counts[0]}", "Align X and y"
            )
        return counts[0]
    unsized = not hasattr(data, "__getitem__") or not hasattr(data, "__len__")
    if isinstance(data, Tensor | np.ndarray | tuple | list) or unsized:
        raise InputError(
            "a torch Dataset of (x, y) or a pair (X, y)",
            type(data).__name__,
            "Pass the targets with the inputs; of a DataLoader pass its dataset, of an iterable "
            "dataset list(...) of its samples",
        )
    return len(data)


def _length(part: Any) -> int:
    if isinstance(part, Mapping):
        return _length(next(iter(part.values()), ()))
    try:
        return len(part)
    except (TypeError, RuntimeError) as error:  # the latter of nested tensors
        raise InputError(
            "arrays of inputs and targets", f"a {type(part).__name__} ({error})", "Pass (X, y)"
        ) from error


def _rows(data: Any, start: int, stop: int) -> Batch:
    if isinstance(data, tuple | list):
        return _slice(data[0], start, stop), _slice(data[1], start, stop)
    return _collated(data, range(start, stop))


def _collated(data: Any, positions: Sequence[int]) -> Batch:
    with running("a dataset whose items can be read"):
        items = [data[i] for i in positions]
    if not isinstance(items[0], tuple | list) or len(items[0]) != 2:
        raise InputError(
            "a dataset whose items are pairs (x, y)",
            type(items[0]).__name__,
            "Wrap it in a Dataset that returns (x, y)",
        )
    with running("items of one shape and type"):
        x, y = default_collate([tuple(item) for item in items])
    return x, y


def _slice(part: Any, start: int, stop: int) -> Any:
    if hasattr(part, "batch"):
        return part.batch(torch.arange(start, stop))
    if isinstance(part, Mapping):
        return {name: _slice(value, start, stop) for name, value in part.items()}
    if isinstance(part, Tensor) and part.layout != torch.strided:
        part = part.to_dense()
    with running("an array of inputs or targets"):
        rows = part[start:stop]
        if isinstance(rows, Tensor):
            return rows
        array = to_numpy(rows)
    if array.dtype.kind not in "fiub":
        raise InputError(
            "numbers as inputs, and codes of classes as targets",
            f"an array of {array.dtype}, such as {array.ravel()[:1].tolist()}",
            "Encode labels as codes 0 to C-1 in the order of the model's classes",
        )
    return as_tensor(array)


def _picked(part: Any, positions: Sequence[int]) -> Any:
    if hasattr(part, "batch"):
        return part.batch(torch.as_tensor(positions))
    if isinstance(part, Mapping):
        return {name: _picked(value, positions) for name, value in part.items()}
    return torch.cat([_slice(part, i, i + 1) for i in positions])


def _place(model: nn.Module) -> tuple[torch.device, torch.dtype]:
    for parameter in model.parameters():
        if parameter.is_floating_point():
            return parameter.device, parameter.dtype
    return torch.device("cpu"), torch.get_default_dtype()


def _move(part: Any, device: torch.device, dtype: torch.dtype) -> Any:
    if isinstance(part, Mapping):
        return {name: _move(value, device, dtype) for name, value in part.items()}
    if isinstance(part, tuple | list):
        return tuple(_move(value, device, dtype) for value in part)
    if not isinstance(part, Tensor):
        return part
    if part.is_meta and device.type != "meta":
        raise InputError("inputs and targets with values", "a meta tensor", "Load the data")
    if part.is_inference():  # such tensors have no place in a backward pass
        with torch.inference_mode(False):
            part = part.clone()
    return part.to(device, dtype) if part.is_floating_point() else part.to(device)
