"""Tags: any number of them may hold for a sample, and of some nobody knows whether they do."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chaffinch.core.errors import InputError
from chaffinch.core.types import Codes, Mask

PRESENT, ABSENT, UNKNOWN = 1, 0, -1

_LEAST = 2
"""Samples with a tag, and samples without it, that judging the tag takes."""


@dataclass(frozen=True, eq=False)
class Tags:
    """The tags of N samples.

    Attributes:
        values: (N, K) int8: 1 where a sample has the tag, 0 where it has not, -1 where nobody
            knows. A sample without a tag has a row of zeros, one without a label a row of -1.
        names: (K,) the tags as text.

    Raises:
        InputError: Values or names that do not fit, or no tag.
    """

    values: NDArray[np.int8]
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        shape = self.values.shape
        if len(shape) != 2 or shape[1] != len(self.names) or not shape[1]:
            raise InputError(
                f"an indicator array (N, {len(self.names)}), one column a tag",
                f"shape {shape}",
                "Give one name per column and at least one tag",
            )
        if len(set(self.names)) < len(self.names):
            twice = next(name for name in self.names if self.names.count(name) > 1)
            raise InputError("a name of its own for each tag", f"{twice!r} twice", "Rename one")
        if not np.isin(self.values, (PRESENT, ABSENT, UNKNOWN)).all():
            raise InputError(
                "tags as 1 (has it), 0 (has it not) or -1 (unknown)", "other values", "Encode them"
            )

    def __len__(self) -> int:
        return len(self.values)

    @property
    def known(self) -> Mask:
        """(N, K) where it is known whether the tag holds."""
        known: Mask = self.values != UNKNOWN
        return known

    @property
    def labelled(self) -> Mask:
        """(N,) samples of which at least one tag is known to hold or not to hold."""
        return np.asarray(self.known.any(axis=1))

    @property
    def counts(self) -> Codes:
        """(K,) how many samples have each tag."""
        counts: Codes = (self.values == PRESENT).sum(axis=0).astype(np.int64)
        return counts

    @property
    def judgeable(self) -> Mask:
        """(K,) tags that at least two samples have, and at least two have not."""
        absent = (self.values == ABSENT).sum(axis=0)
        enough: Mask = (self.counts >= _LEAST) & (absent >= _LEAST)
        return enough

    def take(self, index: NDArray[np.generic]) -> "Tags":
        """The tags of the samples at ``index``, or where a mask (N,) is true."""
        return Tags(self.values[index], self.names)

    def of(self, row: int) -> tuple[str, ...]:
        """The tags that one sample has, in the order of `names`."""
        return tuple(self.names[column] for column in np.flatnonzero(self.values[row] == PRESENT))

    def check_trainable(self) -> None:
        """Refuse tags from which nothing can be learned.

        Raises:
            InputError: No tag that at least two samples have and two have not.
        """
        if not self.judgeable.any():
            raise InputError(
                "a tag that at least two samples have, and at least two have not",
                f"{len(self.names):,} tags, none of them so, in {len(self):,} samples",
                "Check that the right columns were chosen",
            )
