"""Groups of samples that may differ in how often their labels are wrong."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chaffinch.core.errors import InputError
from chaffinch.core.identity import digest
from chaffinch.core.labels import Labels
from chaffinch.core.types import Codes, Floats

MISSING = "(missing)"
"""Name of the group of all samples for which none is given."""

_MOST = 0.5


@dataclass(frozen=True, eq=False)
class SampleGroups:
    """The source, annotator, time slice, ... of each of N samples.

    Attributes:
        codes: (N,) integers in 0..G-1.
        names: (G,) what to call the groups.
        column: What they are groups of, such as "annotator".
    """

    codes: Codes
    names: tuple[str, ...]
    column: str = "group"

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def counts(self) -> NDArray[np.int64]:
        """(G,) how many samples each group has."""
        return np.bincount(self.codes, minlength=len(self.names)).astype(np.int64)

    @property
    def digest(self) -> str:
        """Hash of the groups, in the order of the samples."""
        return digest(repr((self.column, self.names)).encode(), self.codes.tobytes())

    def take(self, index: NDArray[Any]) -> "SampleGroups":
        """The groups of the samples at ``index``, with the same G names."""
        return SampleGroups(self.codes[index], self.names, self.column)

    def joined(self, other: "SampleGroups") -> "SampleGroups":
        """These samples with others of the same groups after them."""
        return SampleGroups(np.concatenate([self.codes, other.codes]), self.names, self.column)

    def sums(self, values: Floats) -> Floats:
        """(G,) sum of the values (N,) in each group."""
        return np.bincount(self.codes, values, len(self.names)).astype(np.float64)

    @classmethod
    def of(cls, values: Iterable[Any], column: str = "group") -> "SampleGroups":
        """Read the group of each sample.

        Args:
            values: (N,) names or numbers; missing ones (None, NaN) are a group of their own.
            column: What to call them.

        Raises:
            InputError: No value, values that are lists, or an array that is not one-dimensional.
        """
        read = Labels.of(values, f"the groups {column!r}", allow_missing=True)
        codes, names = read.codes, list(read.names)
        if not read.known.all():
            codes = np.where(read.known, codes, len(names))
            names.append(MISSING)
        return cls(codes, tuple(names), column)

    def check(self, size: int) -> None:
        """Refuse groups that do not fit N samples, or that are too small to have a rate.

        Args:
            size: N.

        Raises:
            InputError: Another number of samples, or fewer than two samples a group on average.
        """
        if len(self) != size:
            raise InputError(
                f"the group of each of {size:,} samples",
                f"{len(self):,} groups",
                "Pass one value a sample, in the order of the labels",
            )
        if len(self.names) > max(1, _MOST * size):
            raise InputError(
                f"groups of several samples each in {self.column!r}",
                f"{len(self.names):,} groups of {size:,} samples",
                "Name the column of the source, annotator or time slice, not that of an id; bin "
                "numbers and times first",
            )
