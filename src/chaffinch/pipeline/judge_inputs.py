"""What `judge` is given, as arrays whose rows are samples and whose columns are classes."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from chaffinch.core.array import to_numpy
from chaffinch.core.errors import InputError
from chaffinch.core.labels import Labels, class_named, class_names, refuse_surrogates
from chaffinch.core.sample_groups import SampleGroups
from chaffinch.core.types import Floats, Strings
from chaffinch.data.arrow import frame_of, is_arrow_table, series_of
from chaffinch.data.column import few

_SUM_TOLERANCE = 1e-2
_LARGEST = 1e15
"""Squares of larger float32 numbers, and sums of these, are not finite."""


class JudgeInputs:
    """Labels, and what is matched with them.

    Attributes:
        ids: (N,) unique ids.
        labels: The given labels; matching outputs may add classes without a sample.
        notes: What was interpreted.

    Args:
        labels: The labels as they came.
        ids: The ids as they came, or None.

    Raises:
        InputError: Labels that are none, fewer or more ids, or some that come twice.
    """

    def __init__(self, labels: Any, ids: Any) -> None:
        column = series_of(labels)
        labels = labels if column is None else column
        self.labels = Labels.of(labels, allow_missing=True)
        self.notes: list[str] = []
        self._given = False  # whether rows are named by ids
        index = labels.index if isinstance(labels, pd.Series) else None
        self._names = None if index is None else [str(one) for one in index]
        self._tells = index is not None and _tells_rows(index)
        count = len(self.labels)
        self.ids: Strings = np.arange(count).astype(f"U{len(str(count))}")
        if ids is not None:
            found = series_of(ids)
            if isinstance(ids, str) or not isinstance(ids, Iterable):
                raise InputError(
                    "one id a sample", f"a {type(ids).__name__}", "Pass a list of them"
                )
            if isinstance(ids, pd.Series):
                ids = self.aligned(ids.to_frame(), "ids").iloc[:, 0]
            ids = list(ids) if found is None else found
            refuse_surrogates(ids, "the ids")
            self.ids = np.asarray([str(one) for one in ids], np.str_)
        different = count if ids is None else len(set(self.ids.tolist()))
        if len(self.ids) != count or different != count:
            raise InputError(
                f"{count} different ids", f"{different} of {len(self.ids)}", "Check ids"
            )
        if ids is not None:
            self._given, self._tells, self._names = True, True, self.ids.tolist()

    def outputs(self, values: Any, what: str) -> Floats | None:
        """Probabilities or logits, as (E, N, C) logits.

        Raises:
            InputError: Names that are no classes, other samples, or no such numbers.
        """
        if values is None:
            return None
        table = table_of(values)
        if table is None:
            array = floats(values, what)
            if array.ndim:
                self.labels = _with_columns(self.labels, array.shape[-1])
        else:
            self.labels, array, note = by_class(self.aligned(table, what), self.labels, what)
            self.notes += [note] if note else []
        if what == "probabilities":
            return np.log(np.maximum(check_probabilities(array), 1e-12))[None]
        if array.size and np.abs(np.where(np.isfinite(array), array, 0)).max() > _LARGEST:
            self.notes.append(f"Logits beyond {_LARGEST:.0e} were taken for that number.")
            array = np.where(np.isfinite(array), array.clip(-_LARGEST, _LARGEST), array)
        return array[None] if array.ndim == 2 else array

    def features(self, values: Any) -> Floats | None:
        """Embeddings, which may be divided by a number to stay finite.

        Raises:
            InputError: Other samples, or no numbers.
        """
        if values is None:
            return None
        table = table_of(values)
        array = floats(values if table is None else self.aligned(table, "embeddings"), "embeddings")
        array, notes = tame(array, "embeddings")
        self.notes += notes
        return array

    def groups(self, values: Any) -> SampleGroups | None:
        """The group of each sample; a Series is matched by its index.

        Raises:
            InputError: Other samples, no flat list of names or numbers, or hardly two samples a
                group.
        """
        if values is None:
            return None
        column = series_of(values)
        values, name = (values if column is None else column), "group"
        if isinstance(values, pd.Series):
            name = "group" if values.name is None else str(values.name)
            values = self.aligned(values.to_frame(), "groups").iloc[:, 0]
        found = SampleGroups.of(values, name)
        found.check(len(self.labels))
        return found

    def aligned(self, table: pd.DataFrame, what: str) -> pd.DataFrame:
        """Put the rows of a table in the order of the samples, by its index.

        Rows of labels without names, and those of a table whose index names other samples by
        counting alone (0, 1, 2...), are in order already.

        Raises:
            InputError: An index of other samples, or one that may mean either.
        """
        names = [str(one) for one in table.index]
        wanted = self._names
        if wanted is None or len(names) != len(wanted) or names == wanted:
            return table  # of another length, the error about shapes says more
        whose, key = ("ids", "ids") if self._given else ("index of the labels", "labels.index")
        place = {name: row for row, name in enumerate(names)}
        if len(place) == len(names) and place.keys() == set(wanted):
            if _is_counted(table.index):
                raise InputError(
                    f"rows of {what} whose order is clear",
                    f"a plain index 0, 1, 2... and the {whose}, the same numbers in another order",
                    f"Set the {whose} as its index (table.set_axis({key})), or pass "
                    "table.to_numpy() if its rows are in order already",
                )
            self.notes.append(f"Rows of the {what} were matched with the samples by index.")
            return table.iloc[[place[name] for name in wanted]]
        if not (self._tells and _tells_rows(table.index)):
            return table
        missing = [name for name in wanted if name not in place]
        raise InputError(
            f"{what} whose index holds the {whose}",
            f"{len(missing):,} samples without a row, such as {missing[0]!r}"
            if missing
            else "an index with repeated names",
            "Mend the index, or pass table.to_numpy() if the rows are in order already",
        )


def _with_columns(labels: Labels, width: int) -> Labels:
    present = labels.classes
    are_columns = np.issubdtype(present.dtype, np.integer) and present.min(initial=0) >= 0
    if are_columns and len(present) < width and present.max() < width:
        # Column numbers of which some have no sample: the columns tell how many classes there are.
        codes = np.where(labels.known, present[labels.codes], -1).astype(np.int64)
        return Labels(codes, np.arange(width))
    return labels


def _tells_rows(index: "pd.Index[Any]") -> bool:
    """Whether an index was chosen rather than counted."""
    return not _is_counted(index) and not isinstance(index, pd.MultiIndex)


def _is_counted(index: "pd.Index[Any]") -> bool:
    return isinstance(index, pd.RangeIndex) and index.start == 0 and index.step == 1


def table_of(values: Any) -> pd.DataFrame | None:
    """A table with names, or None for plain arrays."""
    if isinstance(values, pd.DataFrame):
        return values
    return frame_of(values) if is_arrow_table(values) else None


def floats(values: Any, name: str) -> Floats:
    """Numbers as float32 or float64.

    Raises:
        InputError: Anything else, or masked entries.
    """
    if isinstance(values, np.ma.MaskedArray) and np.ma.getmaskarray(values).any():
        raise InputError(
            f"numbers in {name}",
            f"{int(np.ma.getmaskarray(values).sum()):,} masked entries",
            "Fill them in, or leave those samples out",
        )
    try:
        array = to_numpy(values)
        array = array if array.dtype in (np.float32, np.float64) else array.astype(np.float32)
    except (ValueError, TypeError, OverflowError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"numbers in {name}", str(error), "Pass one array of numbers") from error
    return array


def by_class(table: pd.DataFrame, labels: Labels, what: str) -> tuple[Labels, Floats, str]:
    """Match the columns of a table with the classes by name.

    Args:
        table: (N, C) one column a class; names without meaning (0, 1, 2...) are in sorted order.
        labels: The given labels.
        what: What the table holds.

    Returns:
        The labels, with all classes that have a column; (N, C) numbers; and a note, or "".

    Raises:
        InputError: A class without a column, or a name that comes twice.
    """
    columns = [str(name) for name in table.columns]
    if len(set(columns)) < len(columns):
        repeated = sorted({name for name in columns if columns.count(name) > 1})
        raise InputError(
            f"a column for each class in {what}", f"{few(repeated)} more than once", "Rename them"
        )
    present = set(labels.names)
    named = [class_named(column, present) for column in columns]
    counted = columns == [str(number) for number in range(len(columns))]
    if counted and not present <= set(columns):
        return labels, floats(table, what), ""  # numbers of columns, in sorted order
    place = {name: position for position, name in enumerate(named)}
    lacking = [name for name in labels.names if name not in place]
    if lacking:
        close = difflib.get_close_matches(lacking[0], columns, n=1, cutoff=0.5)
        raise InputError(
            f"a column named after each class in {what} ({few(labels.names)})",
            f"the columns {few(columns)}, none for {few(lacking)}",
            (f"Did you mean {close[0]!r} by {lacking[0]!r}? " if close else "")
            + "Rename the columns, or pass table.to_numpy() with the classes in sorted order",
        )
    values = dict(zip(labels.names, pd.Series(labels.classes).tolist(), strict=True))
    every = Labels.of([values.get(name, _typed(name, labels)) for name in named]).classes
    order = [place[name] for name in class_names(every)]
    code = {name: number for number, name in enumerate(class_names(every))}
    codes = np.asarray([code[name] for name in labels.names], np.int64)[labels.codes]
    codes = np.where(labels.known, codes, -1)
    note = "" if order == sorted(order) else f"Columns of the {what} were matched by class name."
    return Labels(codes, every), floats(table.iloc[:, order], what), note


def _typed(name: str, labels: Labels) -> Any:
    """A class without a sample, in the type of the others."""
    if labels.classes.dtype.kind in "iu":
        try:
            return int(name)
        except ValueError:
            return name
    return name


def check_probabilities(array: Floats) -> Floats:
    """Refuse what cannot be probabilities.

    Raises:
        InputError: Another shape, negative entries, or rows that do not sum to 1.
    """
    if array.ndim != 2:
        raise InputError(
            "probabilities of shape (N, C)", f"shape {array.shape}", "Pass one row a sample"
        )
    finite = np.isfinite(array).all(axis=1)  # the others are set aside
    sums = np.where(finite, array.sum(axis=1), 1)
    wrong = (np.abs(sums - 1) > _SUM_TOLERANCE) | ((array < 0).any(axis=1) & finite)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise InputError(
            "probabilities of at least 0 whose rows sum to 1",
            f"{int(wrong.sum())} rows that do not, such as row {row} with sum {sums[row]:.4g} and "
            f"least entry {array[row].min():.4g}",
            "Apply softmax first, or pass raw outputs as logits",
        )
    return array


def tame(array: Floats, what: str) -> tuple[Floats, tuple[str, ...]]:
    """Divide numbers that are too large to be squared, all by the same power of two.

    Distances keep their proportions and angles stay as they are.
    """
    finite = np.isfinite(array)
    if not finite.any():
        return array, ()
    peak = float(np.abs(array[finite]).max())
    if peak <= _LARGEST:
        return array, ()
    scaled = (array.astype(np.float64) / 2.0 ** np.floor(np.log2(peak))).astype(np.float32)
    return scaled, (
        f"The {what} hold numbers up to {peak:.2g}; all were divided by the same number, so that "
        "distances between them stay finite.",
    )


def validation_records(given: Any, labels: Labels, notes: list[str]) -> dict[str, Any]:
    """Records of clean validation samples, as `Evidence` takes them.

    Args:
        given: A mapping with ``labels`` (M,), and ``probabilities`` (M, C) or ``embeddings``
            (M, K); None for no records.
        labels: The labels that are judged.
        notes: Gets a sentence for each thing that was interpreted.

    Raises:
        InputError: Something else, or labels that are no classes.
    """
    if given is None:
        return {}
    parts = {"labels", "probabilities", "embeddings"}
    if not isinstance(given, Mapping) or "labels" not in given or set(given) - parts:
        raise InputError(
            "validation as a mapping with labels, and probabilities or embeddings",
            ", ".join(map(str, given)) if isinstance(given, Mapping) else type(given).__name__,
            "Pass validation={'labels': ..., 'probabilities': ..., 'embeddings': ...}",
        )
    rows = JudgeInputs(given["labels"], None)
    told = Labels.of(given["labels"], "the validation labels")
    place = {name: code for code, name in enumerate(labels.names)}
    unknown = [name for name in told.names if name not in place]
    if unknown:
        raise InputError(
            "validation labels among the classes of the other labels",
            f"{len(unknown)} others, such as {unknown[0]!r}",
            "Check that both use the same labels",
        )
    codes = np.asarray([place[name] for name in told.names], np.int64)[told.codes]
    records: dict[str, Any] = {"validation_codes": codes}
    chances, space = given.get("probabilities"), given.get("embeddings")
    if chances is not None:
        table = table_of(chances)
        what = "validation probabilities"
        array = chances if table is None else by_class(rows.aligned(table, what), labels, what)[1]
        held_out = check_probabilities(floats(array, "validation probabilities"))
        records["validation_held_out_logits"] = np.log(np.maximum(held_out, 1e-12))[None]
    if space is not None:
        table, what = table_of(space), "validation embeddings"
        records["validation_embeddings"] = floats(
            space if table is None else rows.aligned(table, what), what
        )
    notes += rows.notes
    return records


def names_of(scorers: Any) -> Sequence[str] | None:
    """Names of scorers, also in one text with commas between them."""
    if isinstance(scorers, str):
        return [name.strip() for name in scorers.split(",")]
    if scorers is not None and not isinstance(scorers, Iterable):
        raise InputError("names of scorers", repr(scorers), "Pass a list of them")
    return None if scorers is None else list(scorers)
