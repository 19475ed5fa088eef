"""Which samples of a data set can be judged, and why the others cannot."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from chaffinch.core.dataset import Dataset
from chaffinch.core.errors import InputError
from chaffinch.core.fault import Fault
from chaffinch.core.kinds import SET_ASIDE, TOO_RARE, UNLABELLED
from chaffinch.core.labels import Labels
from chaffinch.core.types import Mask, Strings
from chaffinch.data.audio import AudioData
from chaffinch.data.image import ImageData
from chaffinch.data.own import is_own

_MOST_LISTED = 10


@dataclass(frozen=True, eq=False)
class SetAside:
    """The samples of a data set that are left out of training and judgement.

    Attributes:
        ids: (N,) ids of all samples.
        labels: Their labels, missing ones included.
        faults: Why samples are set aside, by position.
        files: (N,) where the samples lie, if each is a file.
    """

    ids: Strings
    labels: Labels
    faults: Mapping[int, Fault]
    files: Sequence[str] | None = None

    @property
    def usable(self) -> Mask:
        """(N,) which samples are judged."""
        usable = np.ones(len(self.ids), np.bool_)
        usable[list(self.faults)] = False
        return usable

    @property
    def counts(self) -> dict[str, int]:
        """How many samples are set aside by kind."""
        found = Counter(fault.kind for fault in self.faults.values())
        return {kind: found[kind] for kind in SET_ASIDE if found[kind]}

    @property
    def listed(self) -> str:
        """Counts by kind, then the first ten samples with their reasons, for people."""
        counted = ", ".join(f"{count:,} {kind}" for kind, count in self.counts.items())
        rows = sorted(self.faults)
        place = self.files or [f"row {row}" for row in range(len(self.ids))]
        named = [f"{place[row]} ({self.faults[row].reason})" for row in rows[:_MOST_LISTED]]
        more = f" and {len(rows) - len(named):,} more" if len(rows) > len(named) else ""
        return f"{counted}: {'; '.join(named)}{more}"

    def refuse(self, source: str) -> None:
        """Refuse data of which any sample is set aside.

        Raises:
            InputError: Any is; the message counts all of them and lists the first ten.
        """
        if self.faults:
            raise InputError(
                f"samples that can all be judged in {source}",
                f"{len(self.faults):,} of {len(self.ids):,} that cannot ({self.listed})",
                "Repair or drop them; a scan without --strict (strict=True) sets them aside",
            )


def set_aside(
    ids: Strings, labels: Labels, known: Mapping[int, Fault], *, allow_single: bool = False
) -> SetAside:
    """Say which samples cannot be judged: those known, unlabelled ones, and the only of a class.

    Args:
        ids: (N,) unique ids.
        labels: Their labels.
        known: What is known to be wrong with samples, by position.
        allow_single: As for `split_usable`.
    """
    faults = dict(known)
    for row in np.flatnonzero(~labels.known).tolist():
        faults.setdefault(row, Fault(UNLABELLED, "no label"))
    left = np.ones(len(ids), np.bool_)
    left[list(faults)] = False
    if not allow_single:
        counts, names = np.bincount(labels.codes[left]), labels.names
        for row in np.flatnonzero(left)[counts[labels.codes[left]] == 1].tolist():
            name = names[labels.codes[row]]
            faults[row] = Fault(TOO_RARE, f"the only sample of class {name!r}")
    return SetAside(ids, labels, faults)


def split_usable(
    data: Dataset, *, examine: bool = True, allow_single: bool = False, keep_classes: bool = False
) -> tuple[Dataset, SetAside]:
    """Split data into those that can be judged and those that cannot.

    Args:
        data: N samples.
        examine: Whether files of images and sounds are decoded to find those that are damaged.
        allow_single: Whether the only sample of a class is no fault.
        keep_classes: Whether classes stay of which no sample can be used.

    Returns:
        The usable samples, and what is set aside. Data without a
        fault come back as they are.

    Raises:
        InputError: No sample can be used.
    """
    if examine and isinstance(data, ImageData | AudioData):
        data = data.examined()
    known: Mapping[str, Fault] = getattr(data, "faults", {})
    found = {row: known[name] for row, name in enumerate(map(str, data.ids)) if name in known}
    aside = set_aside(data.ids, data.labels, found if known else {}, allow_single=allow_single)
    aside = replace(aside, files=getattr(data, "files", None))
    if not aside.faults:
        return data, aside
    if len(aside.faults) == len(data):
        raise InputError(
            f"samples that can be judged in {data.source}",
            f"none of {len(data):,} ({aside.listed})",
            "Check that the right columns and files were chosen",
        )
    part = data.take(aside.usable)
    return part if keep_classes else with_present_classes(part), aside


def with_present_classes(data: Any) -> Any:
    """The same data with the classes alone that have a sample, where they are of our own kinds."""
    if not is_own(data):
        return data
    return replace(data, labels=data.labels.present())
