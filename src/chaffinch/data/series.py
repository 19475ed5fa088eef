"""Time series: several channels over time, of one length or of different ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, Self, final

import numpy as np
from numpy.typing import NDArray

from chaffinch.core.errors import InputError
from chaffinch.core.fault import Fault
from chaffinch.core.identity import digest, fingerprint, ids_from_digests
from chaffinch.core.kinds import EMPTY, UNREADABLE
from chaffinch.core.labels import Labels
from chaffinch.core.sample_groups import SampleGroups
from chaffinch.core.types import Modality, Strings
from chaffinch.data.line_plot import plot

MOST_STEPS = 1024
"""Longer series are averaged over neighbouring steps, so that no more are left."""

_OUTLYING = 2.0

Values = NDArray[np.float32]
"""(T, F) one series."""


@final
@dataclass(frozen=True, eq=False)
class SeriesData:
    """N labelled time series. Build it with `of`, which checks.

    Attributes:
        ids: (N,) unique ids.
        labels: The given labels.
        digests: (N,) hash of each series' shape and values.
        source: Where the series came from, for people.
        values: (N,) series of shape (T, F), T of its own; missing values are NaN.
        channels: (F,) what to call the channels.
        length: T that `array` gives: the longest, unless it is far from the median. Parts made by
            `take` keep it.
        members: (N,) positions of the rows of each series in the table that they came from, in
            order of time; None where they came from arrays.
        faults: Why series cannot be used, by id.
        notes: What the reader should know.
        groups: Source, annotator or time slice of each series, where a column was named.
    """

    ids: Strings
    labels: Labels
    digests: tuple[str, ...]
    source: str
    values: tuple[Values, ...]
    channels: tuple[str, ...]
    length: int
    members: tuple[NDArray[np.int64], ...] | None = None
    faults: Mapping[str, Fault] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    groups: SampleGroups | None = None

    modality: ClassVar[Modality] = "series"

    @classmethod
    def of(
        cls,
        values: Sequence[Any],
        labels: Labels,
        *,
        ids: Strings | None = None,
        source: str = "series in memory",
        channels: Sequence[str] | None = None,
    ) -> "SeriesData":
        """Check series and name them.

        Args:
            values: N arrays of numbers (T, F), or (T,) for one channel; an array (N, T, F) too.
                Missing values are NaN; a series without any value is one of the `faults`.
            labels: The given labels.
            ids: (N,) unique ids; by default they are made from the content.
            source: Where the series came from, for people.
            channels: (F,) names of the channels.

        Raises:
            InputError: No series that can be used, more or fewer series than labels, series of
                different channels, or no numbers.
        """
        if len(values) != len(labels):
            raise InputError(
                f"as many series as labels ({len(labels)}) in {source}",
                f"{len(values)} series",
                "Pass series and labels of the same samples",
            )
        made = tuple(_checked(one, row, source) for row, one in enumerate(values))
        widths = sorted({one.shape[1] for one in made})
        if len(widths) > 1:
            raise InputError(
                f"series of the same channels in {source}",
                f"some of {widths[0]} and some of {widths[-1]}",
                "Pass arrays (T, F) with one F; only T may differ",
            )
        faults = {row: fault for row, one in enumerate(made) if (fault := _fault(one))}
        if made and len(faults) == len(made):
            raise InputError(
                f"series with values in {source}",
                f"{len(faults)} without ({faults[0].reason})",
                "Check the data",
            )
        digests = tuple(digest(str(one.shape).encode(), one.tobytes()) for one in made)
        named = ids_from_digests(digests) if ids is None else ids
        by_id = {str(named[row]): fault for row, fault in faults.items()}
        used = [one for row, one in enumerate(made) if row not in faults]
        length = _common_length([len(one) for one in used])
        width = widths[0] if widths else 1
        names = tuple(channels or ([f"x{one}" for one in range(width)] if width > 1 else ["x"]))
        notes = _notes(used, length)
        return cls(named, labels, digests, source, made, names, length, None, by_id, notes)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of ids, contents and labels of the whole set, whatever the order."""
        return fingerprint(self.ids, self.digests, self.labels.values)

    @property
    def first_rows(self) -> tuple[int, ...] | None:
        """(N,) first row of each series in the table that it came from, if it came from one."""
        if self.members is None:
            return None
        return tuple(int(rows.min()) for rows in self.members)

    def __len__(self) -> int:
        return len(self.ids)

    def array(self) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """(N, F, T) values of one length, and which steps (N, T) are a series' own.

        Missing values are interpolated over time, a channel without any is 0. Shorter series end
        in zeros; of longer ones the beginning is taken.
        """
        group = -(-self.length // MOST_STEPS)
        steps = -(-self.length // group)
        made = np.zeros((len(self), len(self.channels), steps), np.float32)
        own = np.zeros((len(self), steps), np.bool_)
        for row, one in enumerate(self.values):
            filled = interpolated(one[: self.length])
            if not len(filled):
                continue
            starts = np.arange(0, len(filled), group)
            sizes = np.minimum(group, len(filled) - starts)
            made[row, :, : len(starts)] = (np.add.reduceat(filled, starts, axis=0).T) / sizes
            own[row, : len(starts)] = True
        return made, own

    def like(self, other: "SeriesData") -> Self:
        """The same series at the length of others.

        Raises:
            InputError: They have other channels.
        """
        if len(self.channels) != len(other.channels):
            raise InputError(
                f"series of {len(other.channels)} channels ({', '.join(other.channels[:8])})",
                f"{len(self.channels)} in {self.source}",
                "Give both sets the same channels",
            )
        return replace(self, length=other.length)

    def take(self, index: NDArray[Any]) -> Self:
        """The samples at the positions ``index`` (or where a mask is true), in that order."""
        rows = np.arange(len(self))[index]
        members = self.members
        return replace(
            self,
            ids=self.ids[rows],
            labels=self.labels.take(rows),
            groups=None if self.groups is None else self.groups.take(rows),
            digests=tuple(self.digests[row] for row in rows),
            values=tuple(self.values[row] for row in rows),
            members=None if members is None else tuple(members[row] for row in rows),
        )

    def show(self, position: int) -> Mapping[str, Any]:
        """``{"image": (H, W, 3) uint8 line plot, "steps": T}``; an empty series has no image."""
        one = self.values[position]
        if not np.isfinite(one).any():
            return {"steps": len(one), "problem": "no values"}
        return {"image": plot(one), "steps": len(one)}


def interpolated(values: Values) -> Values:
    """(T, F) with missing values filled in over time; the first and last known go on outwards."""
    lacking = ~np.isfinite(values)
    if not lacking.any():
        return values
    made, steps = values.copy(), np.arange(len(values))
    for column in np.flatnonzero(lacking.any(axis=0)):
        known = ~lacking[:, column]
        made[:, column] = (
            np.interp(steps, steps[known], values[known, column]) if known.any() else 0.0
        )
    return made


def _checked(values: Any, row: int, source: str) -> Values:
    try:
        array = np.asarray(values)
    except (TypeError, ValueError):
        array = np.empty(0, object)
    if array.dtype.kind not in "fiub" or array.ndim not in (1, 2):
        raise InputError(
            f"series of numbers (T, F) or (T,) in {source}",
            f"{array.dtype} of shape {array.shape} as sample {row}",
            "Pass one array a series, time first",
        )
    made = np.ascontiguousarray(array, np.float32)
    return made[:, None] if made.ndim == 1 else made


def _fault(values: Values) -> Fault | None:
    if np.isinf(values).any():
        return Fault(UNREADABLE, "values that are infinite")
    return None if np.isfinite(values).any() else Fault(EMPTY, "no values")


def _common_length(lengths: Sequence[int]) -> int:
    longest = max(lengths, default=1)
    if longest > _OUTLYING * float(np.median(lengths or [1])):
        longest = int(np.quantile(lengths, 0.95))
    return max(1, longest)


def _notes(values: Sequence[Values], length: int) -> tuple[str, ...]:
    notes = []
    short, long = (
        sum(len(one) < length for one in values),
        sum(len(one) > length for one in values),
    )
    if short:
        notes.append(f"{short:,} series of fewer than {length:,} steps were filled up with zeros.")
    if long:
        notes.append(f"Of {long:,} longer series the first {length:,} steps were used.")
    lacking = sum(not np.isfinite(one).all() for one in values)
    if lacking:
        notes.append(f"Missing values in {lacking:,} series were interpolated.")
    if length > MOST_STEPS:
        group = -(-length // MOST_STEPS)
        notes.append(f"The mean of every {group} steps was taken, as the series are long.")
    return tuple(notes)
