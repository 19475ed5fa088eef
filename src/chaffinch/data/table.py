"""Table rows: numbers, categories and missing cells in one DataFrame."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, Self, final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from chaffinch.core.errors import InputError
from chaffinch.core.fault import Fault
from chaffinch.core.identity import fingerprint, ids_from_digests
from chaffinch.core.kinds import EMPTY, UNREADABLE
from chaffinch.core.labels import Labels
from chaffinch.core.sample_groups import SampleGroups
from chaffinch.core.types import Mask, Modality, Strings
from chaffinch.data.arrow import plain_column
from chaffinch.data.cell import holds_strings, row_digests, words_of
from chaffinch.data.column import check_names, check_scalars


@final
@dataclass(frozen=True, eq=False)
class TableData:
    """N labelled table rows. Build it with `of`, which checks.

    Attributes:
        ids: (N,) unique ids.
        labels: The given labels.
        digests: (N,) hash of each row's features; neither the order of the columns nor the type
            in which pandas stores them matters, see `chaffinch.data.cell`.
        source: Where the rows came from, for people.
        frame: N x I features of any type, missing cells included; not to be written to.
        notes: What was interpreted when they were read.
        faults: Why rows cannot be used, by id.
        groups: Source, annotator or time slice of each sample, where a column was named.
    """

    ids: Strings
    labels: Labels
    digests: tuple[str, ...]
    source: str
    frame: pd.DataFrame
    notes: tuple[str, ...] = ()
    faults: Mapping[str, Fault] = field(default_factory=dict)
    groups: SampleGroups | None = None

    modality: ClassVar[Modality] = "table"

    @classmethod
    def of(
        cls,
        frame: pd.DataFrame,
        labels: Labels,
        *,
        ids: Strings | None = None,
        source: str = "table in memory",
        may_lack_cells: bool = True,
    ) -> "TableData":
        """Check features and name the rows.

        Args:
            frame: N x I features, without the label. Missing cells are allowed.
            labels: The given labels.
            ids: (N,) unique ids; by default they are made from the content.
            source: Where the rows came from, for people.
            may_lack_cells: Whether missing cells are allowed. Rows with others, with infinite
                numbers or without any value in several columns are among the `faults`.

        Raises:
            InputError: No column, a name that comes twice, a cell that holds a list, no row that
                can be used, or more or fewer rows than labels.
        """
        if len(frame) != len(labels):
            raise InputError(
                f"as many rows as labels ({len(labels)}) in {source}",
                f"{len(frame)} rows",
                "Pass features and labels of the same samples",
            )
        if not len(frame.columns):
            raise InputError(
                f"at least one column of features in {source}",
                "none beside the label and the id",
                "Check that the right file was chosen",
            )
        frame = check_names(frame, source).reset_index(drop=True)
        changed = {}
        for name in frame.columns:
            given = frame[name]
            check_scalars(given, f"column {name!r} of {source}")
            column = plain_column(given)
            if column is not given:
                changed[name] = column
        frame = frame.assign(**changed)
        faults = _faults(frame, may_lack_cells)
        if faults and len(faults) == len(frame):
            raise InputError(
                f"finite numbers{' or empty cells' * may_lack_cells} in {source}",
                f"{faults[0].reason} in every row",
                "Replace them with a number, or leave the cells empty if the value is not known",
            )
        digests = row_digests({name: words_of(frame[name]) for name in frame.columns})
        named = ids_from_digests(digests) if ids is None else ids
        by_id = {str(named[row]): fault for row, fault in faults.items()}
        return cls(named, labels, digests, source, frame, faults=by_id)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of ids, contents and labels of the whole set, whatever the order."""
        return fingerprint(self.ids, self.digests, self.labels.values)

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, index: NDArray[Any]) -> Self:
        """The samples at the positions ``index`` (or where a mask is true), in that order."""
        rows = np.arange(len(self))[index]
        return replace(
            self,
            ids=self.ids[rows],
            labels=self.labels.take(rows),
            groups=None if self.groups is None else self.groups.take(rows),
            digests=tuple(self.digests[row] for row in rows),
            frame=self.frame.iloc[rows].reset_index(drop=True),
        )

    def show(self, position: int) -> Mapping[str, Any]:
        """Every cell of the row by column name; None where it is missing."""
        cells = {name: self.frame[name].iloc[position] for name in self.frame.columns}
        return {
            name: None if pd.isna(value) else getattr(value, "item", lambda value=value: value)()
            for name, value in cells.items()
        }


def _faults(frame: pd.DataFrame, may_lack_cells: bool) -> dict[int, Fault]:
    """Why rows cannot be used, by position."""
    infinite = np.zeros(len(frame), np.bool_)
    for name in frame.columns:
        infinite |= _infinite(frame[name])
    lacking = frame.isna().to_numpy()
    found: dict[int, Fault] = {}
    if not may_lack_cells:
        broken = Fault(UNREADABLE, "values that are NaN or infinite")
        return dict.fromkeys(np.flatnonzero(infinite | lacking.any(axis=1)).tolist(), broken)
    found |= dict.fromkeys(
        np.flatnonzero(infinite).tolist(), Fault(UNREADABLE, "values that are infinite")
    )
    # In a single column, a missing cell may be what tells the classes apart.
    several = len(frame.columns) > 1
    empty = np.flatnonzero(lacking.all(axis=1)).tolist() if several else []
    return found | dict.fromkeys(empty, Fault(EMPTY, "no value in any column"))


def _infinite(column: "pd.Series[Any]") -> Mask:
    """(N,) which cells are infinite numbers."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        bad = [one for one in column.cat.categories if _is_infinite(one)]
        return column.isin(bad).to_numpy(np.bool_)
    kind = getattr(column.dtype, "kind", "O")
    if kind == "f":
        infinite: Mask = np.isinf(column.to_numpy(np.float64, na_value=np.nan))
        return infinite
    if kind != "O" or holds_strings(column):
        return np.zeros(len(column), np.bool_)
    return np.asarray([_is_infinite(value) for value in column], np.bool_)


def _is_infinite(value: Any) -> bool:
    return isinstance(value, float | np.floating) and bool(np.isinf(value))
