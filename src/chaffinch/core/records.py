"""Named arrays about N samples, each with the letters of its axes: the evidence of any task."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chaffinch.core.errors import InputError
from chaffinch.core.types import Strings

Axes = tuple[str, ...]
"""Letters of axes, such as ("N",) or ("Q", "N"); an axis of one letter has one length."""


@dataclass(frozen=True, eq=False)
class Records:
    """What training and inference yielded, frozen and matched by id.

    Attributes:
        ids: (N,) unique ids of the samples.
        arrays: The records by name, of finite numbers.
        axes: The letters of the axes of each.

    Raises:
        InputError: A record of another shape, or with values that are not finite.
    """

    ids: Strings
    arrays: Mapping[str, NDArray[Any]]
    axes: Mapping[str, Axes]

    def __post_init__(self) -> None:
        lengths = {"N": len(self.ids)}
        for name, array in self.arrays.items():
            letters = self.axes.get(name)
            if letters is None or array.ndim != len(letters):
                raise InputError(
                    f"records {_told(self.axes)}", f"{name} of shape {array.shape}", "Check it"
                )
            for letter, size in zip(letters, array.shape, strict=True):
                if lengths.setdefault(letter, size) != size:
                    raise InputError(
                        f"{letter} = {lengths[letter]:,} in the record {name} {_shape(letters)}",
                        f"shape {array.shape}",
                        "Give all records of the same samples",
                    )
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise InputError(
                    f"finite numbers in the record {name}", "NaN or infinity", "Leave those out"
                )

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Look a record up.

        Raises:
            InputError: There is none of that name.
        """
        if name not in self.arrays:
            raise InputError(
                f"the record {name!r}", f"the records {', '.join(self.arrays) or 'none'}", "Give it"
            )
        return self.arrays[name]

    def __contains__(self, name: object) -> bool:
        return name in self.arrays


def _told(axes: Mapping[str, Axes]) -> str:
    return ", ".join(f"{name} {_shape(letters)}" for name, letters in axes.items()) or "(none)"


def _shape(letters: Axes) -> str:
    return f"({', '.join(letters)}{',' * (len(letters) == 1)})"
