"""Which column is what: the label, the id, the text; and checks on names and cells."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from chaffinch.core.errors import InputError
from chaffinch.core.identity import ids_from_keys
from chaffinch.core.labels import Labels
from chaffinch.core.types import Strings
from chaffinch.data.cell import holds_strings

LABEL_NAMES = ("label", "labels", "y", "target", "class")
"""Columns that are taken for the label where none is named, in upper or lower case."""

WEIGHT, SOFT_LABEL = "chaffinch_weight", "chaffinch_soft_label"
"""Columns that a repair adds to tables; they are no features."""

_SPLITS = frozenset(("train", "training", "val", "valid", "validation", "dev", "test"))
_TEXT_LENGTH = 20.0
_TEXT_UNIQUE = 0.8
_BESIDE_TEXT = 2


@dataclass(frozen=True)
class Columns:
    """The columns that the user named; None where the choice is ours."""

    label: str | None = None
    id: str | None = None
    text: str | None = None

    def refuse(self, what: str) -> None:
        """Refuse named columns for data that have none.

        Raises:
            InputError: A column was named.
        """
        for option, name in (("label", self.label), ("id", self.id), ("text", self.text)):
            if name is not None:
                raise InputError(
                    f"data with columns for the {option} column {name!r}",
                    what,
                    "Leave the option out, or pass a DataFrame or a file with that column",
                )


def few(names: Iterable[object], limit: int = 12) -> str:
    """List names for an error, the first ``limit`` of them."""
    listed = [repr(str(name)) for name in names]
    more = f" and {len(listed) - limit} more" if len(listed) > limit else ""
    return (", ".join(listed[:limit]) or "none") + more


def need_name(names: Sequence[str], wanted: str, role: str, source: str) -> str:
    """Look a column (or key) up.

    Raises:
        InputError: There is none of that name; the message gives the likeliest and all others.
    """
    if wanted in names:
        return wanted
    close = difflib.get_close_matches(wanted, names, n=1, cutoff=0.5)
    hint = f"Did you mean {close[0]!r}? " if close else ""
    raise InputError(
        f"{'an' if role == 'id' else 'a'} {role} column named {wanted!r} in {source}",
        f"the columns {few(names)}",
        f"{hint}Name one that is there",
    )


def choose_label(names: Sequence[str], wanted: str | None, source: str) -> str:
    """Find the label column: the one named, else the only one with a usual name.

    Raises:
        InputError: The named column is not there, or none or several have a usual name.
    """
    if wanted is not None:
        return need_name(names, wanted, "label", source)
    found = [name for name in names if name.lower() in LABEL_NAMES]
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(
            f"one label column in {source}",
            f"several that may be it: {few(found)}",
            "Name the right one with --label (label= in Python)",
        )
    raise InputError(
        f"a label column in {source} (one of {', '.join(LABEL_NAMES)})",
        f"the columns {few(names)}",
        "Name the right one with --label (label= in Python)",
    )


def drop_split(features: pd.DataFrame) -> pd.DataFrame:
    """Leave out what is no feature.

    That is a column ``split`` of words such as train and test, and the weights and soft labels that
    a repair has added.
    """
    names = [
        name
        for name in features.columns
        if name in (WEIGHT, SOFT_LABEL)
        or (name.lower() == "split" and set(features[name].astype(str).str.lower()) <= _SPLITS)
    ]
    return features.drop(columns=names)


def choose_text(features: pd.DataFrame, wanted: str | None, source: str) -> list[str]:
    """Find the columns that hold the text of a sample; none means that the data are a table.

    A named column is taken, and so are several with commas between them. Otherwise the data are
    text where exactly one column reads like text (not numbers, at least 20 characters on average,
    more than 80% of the cells different) and at most two further columns stand beside it, as an
    index or a note would; those are left out.

    Raises:
        InputError: A named column is not there.
    """
    names = list(features.columns)
    if wanted is not None:
        parts = [wanted] if wanted in names else [part.strip() for part in wanted.split(",")]
        return [need_name(names, part, "text", source) for part in parts]
    if len(names) > _BESIDE_TEXT + 1:
        return []
    found = [name for name in names if _reads_like_text(features[name])]
    return found if len(found) == 1 else []


def read_ids(column: "pd.Series[Any]", name: str) -> Strings:
    """Turn an id column into (N,) ids.

    Raises:
        InputError: A key is missing or comes twice.
    """
    keys = column.astype(object)
    return ids_from_keys(keys.where(keys.notna(), None), name)


def read_labels(column: "pd.Series[Any]", name: str) -> Labels:
    """Turn a label column into labels.

    Raises:
        InputError: A label is a list.
    """
    check_scalars(column, f"the label column {name!r}")
    return Labels.of(column, f"column {name!r}", allow_missing=True)


def check_names(frame: pd.DataFrame, source: str) -> pd.DataFrame:
    """Give the frame text as column names.

    Raises:
        InputError: A name comes twice.
    """
    frame = frame.set_axis([str(name) for name in frame.columns], axis=1)
    repeated = frame.columns[frame.columns.duplicated()].unique()
    if len(repeated):
        raise InputError(
            f"a different name for every column of {source}",
            f"{few(repeated)} more than once",
            "Rename the columns",
        )
    return frame


def check_scalars(column: "pd.Series[Any]", what: str) -> None:
    """Refuse cells that hold more than one value.

    Raises:
        InputError: A cell is a list, an array or a mapping.
    """
    if column.dtype != object or holds_strings(column):
        return
    for value in column:
        if isinstance(value, list | tuple | dict | set | np.ndarray):
            raise InputError(
                f"one value a cell in {what}",
                f"a {type(value).__name__}",
                "Spread it over several columns, or drop the column",
            )


def _reads_like_text(column: "pd.Series[Any]") -> bool:
    if not holds_strings(column):
        return False
    cells = column.dropna()
    if cells.empty:
        return False
    long = float(np.mean([len(value) for value in cells])) >= _TEXT_LENGTH
    return long and cells.nunique() > _TEXT_UNIQUE * len(cells)
