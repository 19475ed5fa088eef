"""A repaired view of a torch Dataset: nothing is copied, labels and weights lie on top."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from chaffinch.core.types import Floats, Strings


class Overlay(torch.utils.data.Dataset[Any]):
    """Some samples of a map-style Dataset, some of them with another label.

    An item is that of the underlying Dataset with the new label in the place of the old one, and,
    where asked for, the sample's weight behind the label: ``(x, y, weight, ...)``.

    Attributes:
        ids: (n,) ids of the samples.
        weights: (n,) float32, what each loss should count.
        soft_labels: (n, C) shares of the classes, or None where every label is a single class.
        with_weights: Whether items hold the weight.

    Args:
        dataset: What lies below; never written to.
        rows: (n,) positions of the samples that are seen, repeated for copies.
        labels: By position of a sample below, the label that it has here in place of its own.
        ids: (n,) ids.
        weights: (n,) weights.
        soft_labels: (n, C) shares, or None.
        with_weights: Whether items shall hold the weight.
    """

    def __init__(
        self,
        dataset: Any,
        rows: NDArray[np.int64],
        labels: dict[int, Any],
        ids: Strings,
        weights: Floats,
        soft_labels: Floats | None = None,
        with_weights: bool = False,
    ) -> None:
        self._dataset = dataset
        self._rows: Sequence[int] = rows.tolist()
        self._labels = labels
        self.ids = ids
        self.weights = torch.from_numpy(np.asarray(weights, dtype=np.float32))
        self.soft_labels = None if soft_labels is None else torch.from_numpy(soft_labels)
        self.with_weights = with_weights

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, position: int) -> tuple[Any, ...]:
        row = self._rows[position]
        x, y, *rest = self._dataset[row]
        y = self._labels.get(row, y)
        if self.with_weights:
            return (x, y, self.weights[position], *rest)
        return (x, y, *rest)
