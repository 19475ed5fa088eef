"""What a plan does to the rows of a data set, as arrays."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from chaffinch.core.dataset import Dataset
from chaffinch.core.edit import Edit
from chaffinch.core.errors import InputError
from chaffinch.core.labels import Labels, class_named
from chaffinch.core.types import Codes, Floats, Mask
from chaffinch.repair.open_labels import with_new_labels


@dataclass(frozen=True, eq=False)
class Effect:
    """A plan, resolved for N samples in C classes.

    Attributes:
        kept: (N,) samples that stay.
        codes: (N,) classes afterwards.
        weights: (N,) what each loss counts, 1 unless it is weighed down.
        soft: (N, C) shares of the classes of softened samples, None where there are none; rows of
            other samples are one-hot, and 0 where there is no label.
        copies: (N,) how many changed copies of each sample are added.
        quarantined: (N,) samples that are left out for the time being.
        label_rows: (N,) row of a sample that has the new label already, its own where it keeps its
            label or none has it: taking labels from there keeps their type in every format.
        new_labels: (N,) labels that no sample has, None for all other samples; None where there
            are none at all.
        classes: (C,) of ``codes`` where those are more than the data have, else None.
    """

    kept: Mask
    codes: Codes
    weights: Floats
    soft: Floats | None
    copies: NDArray[np.int64]
    quarantined: Mask
    label_rows: NDArray[np.int64]
    new_labels: NDArray[Any] | None = None
    classes: NDArray[Any] | None = None

    def labels(self, before: Labels) -> Labels:
        """(N,) the labels afterwards, from those that the data have."""
        return Labels(self.codes, before.classes if self.classes is None else self.classes)

    @property
    def rows(self) -> NDArray[np.int64]:
        """(n,) positions of the samples that stay."""
        return np.flatnonzero(self.kept)

    @property
    def extra_rows(self) -> NDArray[np.int64]:
        """(n,) positions of the samples of which copies are added, once for each copy."""
        return np.repeat(np.arange(len(self.copies)), self.copies)

    @property
    def is_weighted(self) -> bool:
        """Whether any sample that stays counts less than others."""
        return bool((self.weights[self.kept] != 1).any())

    @property
    def num_changed(self) -> int:
        """How many samples are left out, relabelled, softened or weighed down."""
        changed = ~self.kept | (self.weights != 1)
        changed |= self.relabelled
        return int((changed | self.softened).sum())

    @property
    def relabelled(self) -> Mask:
        """(N,) samples that get another label."""
        other: Mask = self.label_rows != np.arange(len(self.kept))
        if self.new_labels is None:
            return other
        new: Mask = pd.notna(self.new_labels)
        return other | new

    def new_in(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """Which of the samples in ``rows`` get a label that no sample has, and the labels."""
        if self.new_labels is None:
            return np.zeros(0, np.int64), np.zeros(0, object)
        values = self.new_labels[rows]
        place = np.flatnonzero(pd.notna(values))
        return place, values[place]

    @property
    def softened(self) -> Mask:
        """(N,) samples whose label is spread over several classes."""
        if self.soft is None:
            return np.zeros(len(self.kept), np.bool_)
        spread: Mask = (self.soft.max(axis=1) < 1) & (self.codes >= 0)
        return spread


def resolve(edits: Sequence[Edit], dataset: Dataset, *, open_labels: bool = False) -> Effect:
    """Find the samples of a plan in a data set, by id.

    Args:
        edits: Those of the plan.
        dataset: Its data, in any order; further samples are left as they are.
        open_labels: Whether a new label may be one that no sample has.

    Raises:
        InputError: A sample that is not there, one with another label than the plan was made for,
            an unknown class, or a plan after which everything would be gone.
    """
    place = {str(name): row for row, name in enumerate(dataset.ids)}
    labels = dataset.labels
    known = len(labels.classes)
    if open_labels:
        labels, edits = with_new_labels(labels, edits)
    names, given = labels.names, labels.texts
    code_of = {name: code for code, name in enumerate(names)}
    changing = [edit for edit in edits if edit.changes]
    _check_place(changing, place)
    count = len(dataset)
    kept, quarantined = np.ones(count, np.bool_), np.zeros(count, np.bool_)
    codes, weights = labels.codes.copy(), np.ones(count)
    copies = np.zeros(count, np.int64)
    soft: dict[int, Floats] = {}
    for edit in changing:
        row = place[edit.id]
        _check_label(edit, given[row], code_of)
        if edit.leaves_out:
            kept[row] = False
            quarantined[row] = edit.action == "quarantine"
        elif edit.action == "relabel":
            codes[row] = _code(edit, str(edit.new_label), code_of)
        elif edit.action == "reweight":
            weights[row] = edit.weight
        elif edit.action == "augment":
            copies[row] = edit.copies
        else:
            soft[row] = _shares(edit, code_of)
    _check_rest(kept, labels.counts)
    return Effect(
        kept,
        codes,
        weights,
        _spread(soft, codes, len(labels.classes)),
        copies,
        quarantined,
        _label_rows(labels.codes, codes),
        _new_labels(codes, labels, known),
        labels.classes if len(labels.classes) > known else None,
    )


def _check_place(changing: Sequence[Edit], place: Collection[str]) -> None:
    missing = [edit.id for edit in changing if edit.id not in place]
    if missing:
        raise InputError(
            "the samples of the plan among the data",
            f"{len(missing)} of {len(changing)} not there, such as {str(missing[0])!r}",
            "Apply the plan to the data that it was made for, opened with the same id column; a "
            "plan that was applied already has nothing left to do",
        )


def _check_label(edit: Edit, there: str, names: Collection[str]) -> None:
    if edit.old_label is not None and class_named(edit.old_label, names) != there:
        raise InputError(
            f"the label {edit.old_label!r} of sample {edit.id!r}, for which the plan was made",
            repr(there),
            "Apply the plan to the data as they were then; a plan is applied once",
        )


def _code(edit: Edit, label: str, code_of: dict[str, int]) -> int:
    label = class_named(label, code_of)
    if label not in code_of:
        raise InputError(
            f"a class of the data as new label of sample {edit.id!r}",
            f"{label!r}, not among {', '.join(list(code_of)[:12])}",
            "Correct the plan; new classes need labelling by hand",
        )
    return code_of[label]


def _shares(edit: Edit, code_of: dict[str, int]) -> Floats:
    shares = np.zeros(len(code_of))
    for label, share in edit.soft_label or ():
        shares[_code(edit, label, code_of)] = share
    return shares


def _spread(soft: dict[int, Floats], codes: Codes, num_classes: int) -> Floats | None:
    if not soft:
        return None
    shares = np.eye(num_classes)[codes] * (codes >= 0)[:, None]
    for row, one in soft.items():
        shares[row] = one
    return shares


def _label_rows(before: Codes, after: Codes) -> NDArray[np.int64]:
    rows = np.arange(len(before))
    first = {int(code): int(row) for row, code in reversed(list(enumerate(before.tolist())))}
    changed = np.flatnonzero(before != after)
    rows[changed] = [first.get(int(after[row]), row) for row in changed]
    return rows


def _new_labels(codes: Codes, labels: Labels, known: int) -> NDArray[Any] | None:
    """(N,) labels beyond the first ``known`` classes."""
    new = codes >= known
    if not new.any():
        return None
    values = np.full(len(codes), None, dtype=object)
    values[new] = labels.classes[codes[new]]
    return values


def _check_rest(kept: Mask, counts: NDArray[np.int64]) -> None:
    if not kept.any():
        raise InputError(
            "a plan that leaves samples to train on",
            f"one that leaves out all {counts.sum()}",
            "Shorten the plan",
        )
