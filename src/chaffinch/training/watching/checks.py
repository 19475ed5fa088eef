"""What `Watch.loss` is called with, looked at before it is used."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch import distributed as dist

from chaffinch.core.errors import InputError
from chaffinch.losses.loss import check_distributions

_MOST_SAMPLES = 2**40
"""More cannot be held: one byte of each would be a terabyte."""


def check_samples(num_samples: Any) -> int:
    """The number of training samples.

    Raises:
        InputError: It is no whole number above 0.
    """
    whole = isinstance(num_samples, int | np.integer) and not isinstance(num_samples, bool)
    if not whole or not 1 <= num_samples < _MOST_SAMPLES:
        raise InputError(
            "the number of training samples", repr(num_samples), "Give num_samples=len(data)"
        )
    return int(num_samples)


def check_ids(ids: Any, num_samples: int) -> NDArray[np.int64]:
    """(n,) positions as an array.

    Raises:
        InputError: They are no whole numbers in 0..N - 1.
    """
    rows = ids.detach().cpu().numpy() if isinstance(ids, Tensor) else np.asarray(ids)
    if rows.ndim != 1 or (rows.size and rows.dtype.kind not in "iu"):
        raise InputError(
            "ids (B,) as whole numbers",
            f"{rows.dtype} of shape {rows.shape}",
            "Give the position of each sample in the training data (cf.with_ids)",
        )
    return check_range(np.asarray(rows, dtype=np.int64), num_samples)


def check_range(rows: NDArray[np.int64], num_samples: int) -> NDArray[np.int64]:
    """The rows (n,), if they are all in 0..N - 1.

    Raises:
        InputError: They are not.
    """
    # Without their sign, negative ones are the greatest: one look finds both kinds.
    if rows.size and rows.view(np.uint64).max() >= num_samples:
        raise InputError(
            f"ids in 0..{num_samples - 1}",
            f"{rows.min()} to {rows.max()}",
            "Give positions in the training data, and num_samples=len(data)",
        )
    return rows


def check_batch(outputs: Any, labels: Any, ids: Any, num_samples: int) -> NDArray[np.int64]:
    """(B,) the ids of a batch.

    Raises:
        InputError: Outputs, labels and ids do not fit together.
    """
    if not isinstance(outputs, Tensor) or outputs.ndim != 2 or not outputs.is_floating_point():
        shape = tuple(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
        raise InputError(
            "outputs (B, C) in floating point",
            f"{shape}",
            "Pass the logits: (outputs, labels, ids)",
        )
    rows = check_ids(ids, num_samples)
    if not isinstance(labels, Tensor) or len(labels) != len(outputs) or len(rows) != len(outputs):
        got = tuple(labels.shape) if isinstance(labels, Tensor) else type(labels).__name__
        raise InputError(
            f"{len(outputs)} labels as a tensor and as many ids",
            f"labels {got} and {len(rows)} ids",
            "Call watch.loss(outputs, labels, ids)",
        )
    soft = labels.is_floating_point()
    if tuple(labels.shape) != tuple(outputs.shape if soft else outputs.shape[:1]):
        raise InputError(
            f"labels ({len(outputs)},) as whole numbers, or soft labels {tuple(outputs.shape)}",
            f"{labels.dtype} of shape {tuple(labels.shape)}",
            "A watch is for classifiers: give each sample one class, or its probabilities",
        )
    if soft:
        check_distributions(labels)
    return rows


def world_size() -> int:
    """How many processes train together."""
    if not (dist.is_available() and dist.is_initialized()):
        return 1
    return int(dist.get_world_size())


def total(count: int, device: torch.device) -> int:
    """The sum of a number over the processes that train together; a collective operation."""
    if world_size() == 1:
        return count
    kept = torch.tensor(count, device=device)
    dist.all_reduce(kept)
    return int(kept)


def process() -> int:
    """The number of this process among those that train together."""
    if not (dist.is_available() and dist.is_initialized()):
        return 0
    return int(dist.get_rank())
