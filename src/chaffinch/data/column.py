"""Which column is what: the label, the id, the text; and checks on names and cells."""

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from PIL import Image

from chaffinch.core.errors import InputError
from chaffinch.core.identity import ids_from_keys
from chaffinch.core.labels import Labels
from chaffinch.core.sample_groups import SampleGroups
from chaffinch.core.types import Strings
from chaffinch.data.cell import holds_strings
from chaffinch.data.written import UNTOLD, Written

LABEL_NAMES = ("label", "labels", "y", "target", "class")
"""Columns that are taken for the label where none is named, in upper or lower case."""

WEIGHT, SOFT_LABEL = "chaffinch_weight", "chaffinch_soft_label"
"""Columns that a repair adds to tables; they are no features."""

_SPLITS = frozenset(("train", "training", "val", "valid", "validation", "dev", "test"))
NO_TEXT = "none"
"""In place of the name of a text column: the data are a table."""

_LABEL_WORDS = frozenset(
    [
        "label",
        "labels",
        "class",
        "classes",
        "target",
        "category",
        "outcome",
        "result",
        "answer",
        "annotation",
        "gold",
        "species",
        "sentiment",
        "intent",
        "topic",
        "response",
        "diagnosis",
        "rating",
        "grade",
        "quality",
        "type",
    ]
)
_MOST_CLASSES = 100
_CANDIDATES = 3
_TEXT_LENGTH = 20.0
_TEXT_UNIQUE = 0.8
_BESIDE_TEXT = 2


@dataclass(frozen=True)
class Columns:
    """The columns that the user named, and how the file is written; None where we choose.

    Columns in ``verbatim`` are kept as text by readers, like those of id, group and text.
    """

    label: str | None = None
    id: str | None = None
    text: str | None = None
    written: Written = UNTOLD
    verbatim: tuple[str, ...] = ()
    group: str | None = None
    series: str | None = None

    @property
    def as_text(self) -> tuple[str, ...]:
        """Columns that stay text though they look like numbers."""
        named = [self.id, self.group, self.series, *(self.text or "").split(","), *self.verbatim]
        return tuple(name.strip() for name in named if name and name.strip())

    def refuse(self, what: str) -> None:
        """Refuse named columns for data that have none.

        Raises:
            InputError: A column was named.
        """
        for option in ("label", "id", "text", "group", "series"):
            name = getattr(self, option)
            if name is not None:
                raise InputError(
                    f"data with columns for the {option} column {name!r}",
                    what,
                    "Leave the option out, or pass a DataFrame or a file with that column",
                )
        self.refuse_written(what)

    def refuse_written(self, what: str) -> None:
        """Refuse what says how a text file is written, for data that are none.

        Raises:
            InputError: A separator, a decimal sign or an encoding was given.
        """
        if self.written.named:
            raise InputError(
                f"a text file for {' and '.join(f'--{name}' for name in self.written.named)}",
                what,
                "Leave the option out",
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
    if not isinstance(wanted, str):
        raise InputError(f"text as the name of the {role} column", repr(wanted), "Name it")
    if wanted in names:
        return wanted
    close = difflib.get_close_matches(wanted, names, n=1, cutoff=0.5)
    hint = f"Did you mean {close[0]!r}? " if close else ""
    raise InputError(
        f"{'an' if role == 'id' else 'a'} {role} column named {wanted!r} in {source}",
        f"the columns {few(names)}",
        f"{hint}Name one that exists",
    )


def usual_label(names: Sequence[str], wanted: str | None) -> str | None:
    """The label column that is named, or the only one with a usual name; None for neither."""
    if wanted is not None:
        return wanted if wanted in names else None
    found = [name for name in names if name.lower() in LABEL_NAMES]
    return found[0] if len(found) == 1 else None


def choose_label(
    names: Sequence[str], wanted: str | None, source: str, frame: pd.DataFrame | None = None
) -> str:
    """Find the label column: the one named, else the only one with a usual name.

    Args:
        names: Of all columns.
        wanted: The one that the user named.
        source: Where the table came from, for people.
        frame: The table, whose cells tell which columns may hold labels.

    Raises:
        InputError: The named column is not there, or none or several have a usual name.
    """
    if wanted is not None:
        return need_name(names, wanted, "label", source)
    usual = usual_label(names, None)
    if usual is not None:
        return usual
    found = [name for name in names if name.lower() in LABEL_NAMES]
    if found:
        raise InputError(
            f"one label column in {source}",
            f"several that may be it: {few(found)}",
            "Name the right one with --label (label= in Python)",
        )
    numbers = sum(bool(re.fullmatch(r"[-+]?[\d.,]+(\.\d+)?", name)) for name in names)
    if numbers > len(names) / 2 and frame is not None:
        raise InputError(
            f"a first line with the names of the columns in {source}",
            f"what looks like data: {few(names)}",
            "Add a line of names, or name the right column with --label (label= in Python)",
        )
    likely = [] if frame is None else _candidates(frame)
    listed = f"; {' or '.join(likely)} may be it" if likely else ""
    raise InputError(
        f"a label column in {source} (one of {', '.join(LABEL_NAMES)})",
        f"the columns {few(names)}",
        f"Name the right one with --label (label= in Python){listed}",
    )


def _candidates(frame: pd.DataFrame) -> list[str]:
    """The columns likeliest to hold labels, the last one always among them."""
    last = len(frame.columns) - 1
    ranked: list[tuple[float, int, str]] = []
    for place, name in enumerate(frame.columns):
        try:
            count = int(frame[name].nunique())
        except TypeError:  # lists and the like
            continue
        words = set(re.split(r"[\W_]+", str(name).lower()))
        few_values = 2 <= count <= min(_MOST_CLASSES, max(2, len(frame) // 2))
        points = 2.0 * bool(words & _LABEL_WORDS) + 1.5 * (place == last) + few_values
        points -= 0.5 * (getattr(frame[name].dtype, "kind", "O") == "f")
        said = f"{str(name)!r} ({'the last column, ' if place == last else ''}{count:,} values)"
        if few_values or place == last:
            ranked.append((-points, place, said))
    return [said for _, _, said in sorted(ranked)[:_CANDIDATES]]


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
    if wanted == NO_TEXT and NO_TEXT not in names:
        return []
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


def read_groups(
    frame: pd.DataFrame, wanted: str | None, label: str | None, source: str
) -> SampleGroups | None:
    """The groups that the user named a column of; None where none was named.

    Raises:
        InputError: There is no such column, it is that of the labels, or its cells are lists.
    """
    if wanted is None:
        return None
    name = need_name(list(frame.columns), wanted, "group", source)
    if name == label:
        raise InputError(
            "a column of groups beside that of the labels", repr(name), "Name another column"
        )
    check_scalars(frame[name], f"the group column {name!r}")
    return SampleGroups.of(frame[name], name)


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
        InputError: A cell is a list, an array, a mapping or an image.
    """
    dtype = column.dtype
    if isinstance(dtype, pd.ArrowDtype):
        kind = dtype.pyarrow_dtype
        if pa.types.is_nested(kind):
            raise _no_scalar(what, f"a {kind}")
        return
    if getattr(dtype, "kind", "O") == "c":
        raise _no_scalar(what, "complex numbers")
    if getattr(dtype, "kind", "O") != "O" or isinstance(dtype, pd.CategoricalDtype):
        return
    if holds_strings(column):
        return
    for value in column:
        several = isinstance(value, list | tuple | dict | set | frozenset | Image.Image)
        if several or getattr(value, "shape", ()) != () or hasattr(value, "toarray"):
            raise _no_scalar(what, f"a {type(value).__name__}")
        if isinstance(value, complex):
            raise _no_scalar(what, "a complex number")
        if isinstance(value, Decimal) and value.is_snan():  # no comparison takes it
            raise _no_scalar(what, "a signalling NaN")


def _no_scalar(what: str, got: str) -> InputError:
    return InputError(
        f"one value a cell in {what}", got, "Spread it over several columns, or drop the column"
    )


def _reads_like_text(column: "pd.Series[Any]") -> bool:
    if not holds_strings(column):
        return False
    cells = column.dropna()
    if cells.empty:
        return False
    long = float(np.mean([len(value) for value in cells])) >= _TEXT_LENGTH
    return long and cells.nunique() > _TEXT_UNIQUE * len(cells)
