"""Table rows: numbers, categories and missing cells in one DataFrame."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Self, final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from chaffinch.core.errors import InputError
from chaffinch.core.identity import fingerprint, ids_from_digests
from chaffinch.core.labels import Labels
from chaffinch.core.types import Modality, Strings
from chaffinch.data.arrow import plain_column
from chaffinch.data.cell import holds_strings, row_digests, words_of
from chaffinch.data.column import check_names, check_scalars, few


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
    """

    ids: Strings
    labels: Labels
    digests: tuple[str, ...]
    source: str
    frame: pd.DataFrame
    notes: tuple[str, ...] = ()

    modality: ClassVar[Modality] = "table"

    @classmethod
    def of(
        cls,
        frame: pd.DataFrame,
        labels: Labels,
        *,
        ids: Strings | None = None,
        source: str = "table in memory",
    ) -> "TableData":
        """Check features and name the rows.

        Args:
            frame: N x I features, without the label. Missing cells are allowed.
            labels: The given labels.
            ids: (N,) unique ids; by default they are made from the content.
            source: Where the rows came from, for people.

        Raises:
            InputError: No column, a name that comes twice, an infinite number, a cell that holds
                a list, or more or fewer rows than labels.
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
        _check_finite(frame, source)
        digests = row_digests({name: words_of(frame[name]) for name in frame.columns})
        return cls(
            ids_from_digests(digests) if ids is None else ids, labels, digests, source, frame
        )

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


def _check_finite(frame: pd.DataFrame, source: str) -> None:
    infinite = [name for name in frame.columns if _has_infinity(frame[name])]
    if infinite:
        raise InputError(
            f"finite numbers or empty cells in {source}",
            f"infinite values in {few(infinite)}",
            "Replace them with a number, or leave the cells empty if the value is not known",
        )


def _has_infinity(column: "pd.Series[Any]") -> bool:
    kind = getattr(column.dtype, "kind", "O")
    if kind == "f":
        return bool(np.isinf(column.to_numpy(np.float64, na_value=np.nan)).any())
    if kind != "O" or holds_strings(column):
        return False
    values = column.cat.categories if isinstance(column.dtype, pd.CategoricalDtype) else column
    return any(isinstance(value, float | np.floating) and np.isinf(value) for value in values)
