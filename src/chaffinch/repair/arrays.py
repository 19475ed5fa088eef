"""Applying a plan to samples and labels in memory."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from chaffinch.core.dataset import Dataset
from chaffinch.core.types import Floats, Strings
from chaffinch.data.array import LABEL_KEYS, SAMPLE_KEYS
from chaffinch.data.column import Columns
from chaffinch.repair.augmentation import copy_samples
from chaffinch.repair.effect import Effect
from chaffinch.repair.frames import apply_frame
from chaffinch.repair.names import WEIGHT, copy_ids
from chaffinch.repair.open_labels import put_labels


@dataclass(frozen=True, eq=False)
class Clean:
    """Repaired samples and labels.

    Attributes:
        X: (n, ...) samples, in the form and type in which they came; changed copies stand last.
        y: (n,) labels, likewise.
        weights: (n,) float64, what the loss of each sample should count; 1 unless weighed down.
        ids: (n,) ids, as in the findings; copies have the id of their original and ``+1``, ...
        classes: (C,) the columns of `soft_labels`.
        soft_labels: (n, C) shares of the classes, or None where each label is one class.
        quarantined: Ids of samples that were left out for the time being.
    """

    X: Any
    y: Any
    weights: Floats
    ids: Strings
    classes: NDArray[Any]
    soft_labels: Floats | None = None
    quarantined: tuple[str, ...] = ()


def apply_pair(x: Any, y: Any, effect: Effect, dataset: Dataset, seed: int = 0) -> Clean:
    """Repair ``(X, y)``."""
    rows, extra = effect.rows, effect.extra_rows
    every = np.concatenate([rows, extra])
    ids = np.concatenate([dataset.ids[rows], copy_ids(dataset.ids, effect.copies)])
    samples = take(x, rows)
    if len(extra):
        samples = append(samples, _copies(x, effect, seed))
    return Clean(
        samples,
        put_labels(take(y, effect.label_rows[every]), *effect.new_in(every)),
        effect.weights[every],
        ids,
        dataset.labels.classes,
        None if effect.soft is None else effect.soft[every],
        tuple(str(one) for one in dataset.ids[effect.quarantined]),
    )


def apply_mapping(
    data: Mapping[str, Any], effect: Effect, dataset: Dataset, columns: Columns, seed: int = 0
) -> dict[str, Any]:
    """Repair a mapping of arrays; what is not as long as the samples stays as it is."""
    samples = [key for key in data if str(key).lower() in SAMPLE_KEYS and key != columns.label]
    if not samples:
        frame = pd.DataFrame({key: np.asarray(values) for key, values in data.items()})
        made = apply_frame(frame, effect, dataset, columns, seed)
        return {str(name): made[name].to_numpy() for name in made.columns}
    name = columns.label or next(key for key in data if str(key).lower() in LABEL_KEYS)
    clean = apply_pair(data[samples[0]], data[name], effect, dataset, seed)
    every = np.concatenate([effect.rows, effect.extra_rows])
    found = {
        str(key): take(values, every) if np.shape(values)[:1] == (len(dataset),) else values
        for key, values in data.items()
    }
    found |= {str(samples[0]): clean.X, str(name): clean.y}
    if columns.id is not None:
        found[columns.id] = clean.ids if len(effect.extra_rows) else found[columns.id]
    if effect.is_weighted:
        found[WEIGHT] = clean.weights
    return found


def take(values: Any, rows: NDArray[np.int64]) -> Any:
    """The entries at ``rows`` in a container of the same kind and type."""
    if isinstance(values, pd.DataFrame | pd.Series):
        return values.iloc[rows]
    if isinstance(values, torch.Tensor):
        return values[torch.from_numpy(rows).to(values.device)]
    if isinstance(values, tuple | list):
        return type(values)(values[row] for row in rows.tolist())
    return np.asarray(values)[rows]


def append(first: Any, second: Any) -> Any:
    """One container after another of its kind."""
    if isinstance(first, pd.DataFrame | pd.Series):
        return pd.concat([first, second])
    if isinstance(first, torch.Tensor):
        return torch.cat([first, torch.as_tensor(second).to(first)])
    if isinstance(first, tuple | list):
        return type(first)([*first, *second])
    return np.concatenate([first, second])


def _copies(x: Any, effect: Effect, seed: int) -> Any:
    rows = effect.extra_rows
    if isinstance(x, tuple | list) and x and isinstance(x[0], str | Path):
        return take(x, rows)
    if isinstance(x, pd.Series):
        return x.iloc[rows]
    if isinstance(x, torch.Tensor):
        return copy_samples(x.detach().cpu().numpy(), effect.codes, rows, seed)
    made = copy_samples(x, effect.codes, rows, seed)
    return list(made) if isinstance(x, tuple | list) else made
